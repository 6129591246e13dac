"""What holds for every test: no network, no home of a real user, the same random examples each time."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.real import lacking

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")

_OURS = ("FMCTL_", "AWS_", "XDG_", "CLICOLOR")
_SCREEN = ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "COLUMNS", "LINES", "TTY_COMPATIBLE")


# A shell that starts the tests behind itself has them ignore Ctrl-C, and every process that they start with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--must-run", action="store_true", help="a test that would be skipped fails")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test of a real part that is missing is skipped with the reason."""
    for marker in item.iter_markers("real"):
        reason = lacking(marker.args)
        if reason is not None:
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Under `--must-run` nothing is skipped."""
    report = yield
    if report.skipped and item.config.getoption("--must-run"):
        report.outcome, report.longrepr = "failed", f"skipped where it has to run: {report.longrepr}"
    return report


class NetworkUsed(AssertionError):
    """A test tried to leave the machine."""


def _closed(self: socket.socket, address: Any, *_: Any) -> None:
    if self.family != getattr(socket, "AF_UNIX", None):
        raise NetworkUsed(f"a test reached for the network: {address!r}")
    raise ConnectionRefusedError(f"no local service in tests: {address!r}")


def _unnamed(host: Any, *_: Any, **__: Any) -> None:
    raise NetworkUsed(f"a test asked for the address of {host!r}")


@pytest.fixture(scope="session", autouse=True)
def closed_sockets() -> Iterator[None]:
    """Planning works on a plane: whoever connects anywhere fails the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _closed)
        patch.setattr(socket.socket, "connect_ex", _closed)
        patch.setattr(socket.socket, "sendto", _closed)
        patch.setattr(socket, "getaddrinfo", _unnamed)
        yield


@pytest.fixture(scope="session", autouse=True)
def clean_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home, and nothing of the developer's own settings; subprocesses inherit it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_OURS) or name in _SCREEN]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        for kind in ("CONFIG", "DATA", "CACHE", "STATE"):
            patch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
        yield home
