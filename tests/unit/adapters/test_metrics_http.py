"""The page that Prometheus scrapes: what was set last, read only, and a port that is taken is an error."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from fmctl.adapters.prometheus.metrics_http import MetricsServer
from fmctl.base.errors import OperationFailed
from tests.loopback import loopback_open


@pytest.fixture(autouse=True, scope="module")
def open_loopback(closed_sockets: None) -> Iterator[None]:
    with loopback_open():
        yield


def asked(port: int, method: str, path: str) -> tuple[int, str, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        found = connection.getresponse()
        return found.status, str(found.headers["content-type"]), found.read()
    finally:
        connection.close()


def test_what_was_set_last_is_served_and_nothing_else() -> None:
    with MetricsServer("127.0.0.1", 0, "text/plain; version=0.0.4") as server:
        server.set("a 1\n")
        assert asked(server.port, "GET", "/metrics") == (200, "text/plain; version=0.0.4", b"a 1\n")
        server.set("a 2 é\n")
        assert asked(server.port, "GET", "/metrics?x=1")[2] == "a 2 é\n".encode()
        assert asked(server.port, "HEAD", "/metrics")[::2] == (200, b"")
        assert asked(server.port, "GET", "/etc/passwd")[0] == 404
        assert asked(server.port, "POST", "/metrics")[0] == 501


def test_a_port_that_is_taken_is_said() -> None:
    with MetricsServer("127.0.0.1", 0, "t") as server, pytest.raises(OperationFailed, match="cannot listen"):
        MetricsServer("127.0.0.1", server.port, "t")
    with pytest.raises(OperationFailed):
        MetricsServer("192.0.2.1", 0, "t")
