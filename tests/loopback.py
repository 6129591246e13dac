"""127.0.0.1 and nothing else, for tests that talk to a server of their own while the suite keeps its sockets closed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_CONNECT, _RESOLVE = socket.socket.connect, socket.getaddrinfo  # before the suite closes them


@contextmanager
def loopback_open() -> Iterator[None]:
    """What reaches further fails with an AssertionError."""

    def connect(self: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", f"a test reached for the network: {address!r}"
        _CONNECT(self, address)

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        assert host == "127.0.0.1", f"a test asked for the address of {host!r}"
        return _RESOLVE(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield
