"""The page that Prometheus scrapes: what was set last, read only, and a port that is taken is an error."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from fmctl.adapters.gate import MOST, Gate
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


def raw(port: int, text: str) -> str:
    """The first line of the answer to a request as it is written here."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text.encode())
        return connection.recv(100).decode().partition("\r\n")[0]


@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("127.0.0.1", "localhost:9477", 200), ("127.0.0.1", "127.0.0.1", 200), ("127.0.0.1", "[::1]:1", 200),
        ("127.0.0.1", "attacker.example", 403), ("127.0.0.1", "127.0.0.1.attacker.example", 403),
        ("127.0.0.1", "10.0.0.1", 403), ("127.0.0.1", "", 403), ("127.0.0.1", "localhost.attacker.example:80", 403),
        ("0.0.0.0", "10.0.0.1:9477", 200), ("0.0.0.0", "head", 200), ("0.0.0.0", "attacker.example", 403),
        ("0.0.0.0", "HEAD-1.cluster.internal.", 200), ("0.0.0.0", "head-2.attacker.example", 403),
    ],
)  # fmt: skip
def test_only_a_host_that_is_this_machine_is_answered(
    address: str, host: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "head-1.example.org")
    with MetricsServer(address, 0, "t") as server:
        assert f" {status} " in raw(server.port, f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert " 403 " in raw(server.port, "GET /metrics HTTP/1.1\r\n\r\n")
        twice = f"Host: {host}\r\nHost: localhost\r\n"
        assert " 403 " in raw(server.port, f"GET /metrics HTTP/1.1\r\n{twice}\r\n")


@pytest.mark.parametrize("said", [b"", b"GET /metrics HTTP/1.1\r\nHo", b"GET /metrics HTTP/1.1\r\nX: 1\r\n"])
def test_half_requests_take_nobodys_place(said: bytes) -> None:
    before = threading.active_count()
    with MetricsServer("127.0.0.1", 0, "t") as server:
        server.set("a 1\n")
        half = []
        for _ in range(MOST + 40):
            half.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            half[-1].sendall(said)
        assert asked(server.port, "GET", "/metrics")[2] == b"a 1\n"
        assert threading.active_count() - before < MOST + 10
        for one in half:
            one.close()


def test_who_says_nothing_whole_is_cut_off_however_often_a_byte_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "patience_s", 0.3)
    with MetricsServer("127.0.0.1", 0, "t") as server:
        slow = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        until = time.monotonic() + 5.0
        with pytest.raises(OSError, match=r".*"):
            while time.monotonic() < until:
                slow.sendall(b"X: 1\r\n")
                time.sleep(0.05)
        assert time.monotonic() < until
        slow.close()


def test_a_port_that_is_taken_is_said() -> None:
    with MetricsServer("127.0.0.1", 0, "t") as server, pytest.raises(OperationFailed, match="cannot listen"):
        MetricsServer("127.0.0.1", server.port, "t")
    with pytest.raises(OperationFailed):
        MetricsServer("192.0.2.1", 0, "t")
