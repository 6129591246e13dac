"""A text for Prometheus over HTTP: one page, read only. Whoever asks gets what was set last: nothing is computed.

Asked by an address, by a name without a dot or by this machine's own; where it listens on loopback, by loopback alone.
"""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from types import TracebackType

from fmctl.adapters.gate import PATIENCE_S, Gate, is_here, is_ours
from fmctl.base.errors import OperationFailed

PATH = "/metrics"
_NOT_HERE = b"ask by the address or the name of this machine\n"


class MetricsServer:
    """Serves `text` under /metrics until it is closed.

    Args:
        address: where it listens; 0.0.0.0 is every network of this machine.
        port: 0 takes a free one, which `port` then says.
        content_type: of the text.

    Raises:
        OperationFailed: the address is not this machine's, or the port is taken.
    """

    def __init__(self, address: str, port: int, content_type: str) -> None:
        self._page = b""
        self._type = content_type
        self.answers = is_here if is_here(address) else is_ours
        try:
            self._server = _Server((address, port), _handler(self))
        except (OSError, UnicodeError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise OperationFailed(
                f"cannot listen on {address}:{port}", why=why, next="--port N, --address IP"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> MetricsServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def set(self, text: str) -> None:
        """What is served from now on."""
        self._page = text.encode("utf-8", "replace")

    @property
    def page(self) -> tuple[bytes, str]:
        """(what is served, its type)."""
        return self._page, self._type


class _Server(Gate, ThreadingHTTPServer):
    daemon_threads = True
    # Two exporters on one port would take turns to answer: better none.
    allow_reuse_port = False

    def server_bind(self) -> None:
        """Without looking this machine's name up, which takes seconds where no name server answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody hung up: nobody's business."""


def _handler(server: MetricsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = PATIENCE_S
        server: _Server
        server_version = "fmctl"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            self.server.arrived(self.connection)
            hosts = self.headers.get_all("Host", [])
            status, (page, kind) = HTTPStatus.OK, server.page
            if len(hosts) != 1 or not server.answers(hosts[0]):
                status, page, kind = HTTPStatus.FORBIDDEN, _NOT_HERE, "text/plain"
            elif self.path.partition("?")[0] != PATH:
                status, page, kind = HTTPStatus.NOT_FOUND, f"metrics are under {PATH}\n".encode(), "text/plain"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Connection", "close")
            self.end_headers()
            if with_body:
                self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            """A scrape every few seconds is no news."""

    return Handler
