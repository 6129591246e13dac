"""The session in a browser on this machine: textual-serve behind a token, for this host and this origin alone.

The address holds a random token as its first part; without it every answer is 403. A request that names another host
(DNS rebinding) or comes from another origin's page is refused too, and a web socket has to name its origin. Nothing
listens but 127.0.0.1.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import shlex
import socket
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fmctl.base.errors import OperationFailed, UsageError

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

HOST = "127.0.0.1"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' {socket}; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def serve(words: Sequence[str], port: int, say: Callable[[str], None], *, install: str) -> None:
    """Serve a session per page until interrupted.

    Args:
        words: the command that runs a session.
        port: on 127.0.0.1; 0 takes a free one.
        say: hears the address, once it answers.
        install: the command that installs what is missing.

    Raises:
        OperationFailed: textual-serve is missing.
        UsageError: the port is taken.
    """
    if find_spec("textual_serve") is None or find_spec("aiohttp") is None:
        raise OperationFailed(
            "the session in a browser needs textual-serve", why="it is not installed beside fmctl", next=install
        )
    from aiohttp import web

    listening = _bound(port)
    at = listening.getsockname()[1]
    token = secrets.token_urlsafe(32)
    app = _application(words, at, token)
    logging.getLogger("aiohttp.access").disabled = True  # the address is the key

    async def tell(_: web.Application) -> None:
        say(f"http://{HOST}:{at}/{token}/")

    app.on_startup.append(tell)
    web.run_app(app, sock=listening, print=lambda *_: None, handle_signals=True)


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise UsageError(f"--port {port} cannot be used", why=error.strerror, next="--port 0") from None
    listening.listen(128)  # whoever reads the address at once is answered, if a moment later
    return listening


def _application(words: Sequence[str], port: int, token: str) -> web.Application:
    import aiohttp_jinja2
    import jinja2
    from aiohttp import web
    from textual_serve.server import Server

    server = Server(shlex.join(words), host=HOST, port=port, title="fmctl")
    session = web.Application()
    aiohttp_jinja2.setup(session, loader=jinja2.FileSystemLoader(server.templates_path))
    session.add_routes(
        [
            web.get("/", server.handle_index, name="index"),
            web.get("/ws", server.handle_websocket, name="websocket"),
            web.get("/download/{key}", server.handle_download, name="download"),
            web.static("/static", server.statics_path, name="static"),
        ]
    )
    whole = web.Application(middlewares=[guard(port, token)])
    whole.add_subapp(f"/{token}", session)
    return whole


def guard(port: int, token: str) -> Middleware:
    """The middleware that lets in what has the token, names this host, and comes from this origin."""
    from aiohttp import web

    host = f"{HOST}:{port}"
    headers = {name: text.format(socket=f"ws://{host}") for name, text in _HEADERS.items()}

    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        reason = _refusal(request, host, token)
        if reason:
            return web.Response(status=403, text=f"{reason}\n", headers={"Cache-Control": "no-store"})
        answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(headers)
        return answer

    return web.middleware(check)


def _refusal(request: web.Request, host: str, token: str) -> str:
    """Why a request is not let in; "" where it is."""
    if request.headers.get("Host", "").lower() != host:
        return "this is not the host that was asked for"
    origin = request.headers.get("Origin")
    socket_wanted = request.headers.get("Upgrade", "").lower() == "websocket"
    if (origin is not None and origin.lower() != f"http://{host}") or (socket_wanted and origin is None):
        return "pages of other origins are not answered"
    given = request.path.lstrip("/").split("/", 1)[0]
    if not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
        return "the token is missing: use the whole address that fmctl printed"
    return ""
