"""The suite's own promises: no network, nobody's home."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def test_nothing_leaves_the_machine() -> None:
    with pytest.raises(AssertionError, match="network"), socket.socket() as tcp:
        tcp.connect(("127.0.0.1", 80))
    with pytest.raises(AssertionError, match="network"), socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", ("127.0.0.1", 53))
    with pytest.raises(AssertionError, match="address"):
        socket.create_connection(("example.com", 80))


def test_home_is_empty_and_ours(clean_home: Path) -> None:
    assert Path.home() == clean_home
    assert not any(name.startswith(("AWS_", "FMCTL_")) for name in os.environ)
