"""What the small HTTP servers of fmctl ask of whoever connects: a name that is theirs, and a whole request, in time.

A page in a browser may point a name of its own at this machine (DNS rebinding): a request that names another host is
not answered. Whoever opens connections and says half a request, or nothing, is cut off after a while, and at once where
the room is needed: the oldest goes, never the newest.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from contextlib import suppress
from socketserver import BaseServer, ThreadingMixIn

PATIENCE_S = 10.0  # until a whole request has arrived
MOST = 64  # connections at a time


def is_here(header: str | None) -> bool:
    """Whether a Host header names this machine as only this machine can: loopback, by address or name."""
    host = _name(header)
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_ours(header: str | None) -> bool:
    """Whether it names this machine for its network: any address, its own name, or one that no public zone can hold."""
    host = _name(header)
    if not host:
        return False
    if _address(host) is not None or is_here(header):
        return True
    first, _, rest = host.partition(".")
    return not rest or first == socket.gethostname().lower().partition(".")[0]


def _name(header: str | None) -> str:
    """The host alone: no port, no brackets, no dot at the end."""
    text = (header or "").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, port = text.rpartition(":")
    return (host if colon and port.isdecimal() else text).rstrip(".")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None


class Gate(ThreadingMixIn, BaseServer):
    """Put before a threading server: so many connections at a time, and only so long without a whole request.

    A handler says `arrived` once it has read the request; from then on it may take its time.
    """

    patience_s = PATIENCE_S
    most = MOST
    request_queue_size = 128  # more at once than that wait for their own system

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._waiting: dict[object, float] = {}  # since when, oldest first
        self._busy: set[object] = set()
        self._gate = threading.Lock()
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Let it in, if need be in place of the oldest that has said nothing whole yet."""
        with self._gate:
            if len(self._waiting) + len(self._busy) >= self.most and self._waiting:
                self._cut(next(iter(self._waiting)))
            full = len(self._waiting) + len(self._busy) >= self.most
            if not full:
                self._waiting[request] = time.monotonic()
        if full:
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def arrived(self, request: object) -> None:
        """Its request is here."""
        with self._gate:
            if self._waiting.pop(request, None) is not None:
                self._busy.add(request)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """It is over."""
        with self._gate:
            self._waiting.pop(request, None)
            self._busy.discard(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off whoever has kept us waiting."""
        super().service_actions()
        until = time.monotonic() - self.patience_s
        with self._gate:
            for request in [one for one, since in self._waiting.items() if since < until]:
                self._cut(request)

    def _cut(self, request: object) -> None:
        """Its thread reads the end of the stream, and closes it."""
        self._waiting.pop(request, None)
        if isinstance(request, socket.socket):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
