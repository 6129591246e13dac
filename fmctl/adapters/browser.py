"""The session in a browser on this machine: textual-serve behind a token, for this host and this origin alone.

The address holds a random token as its first part; without it every answer is 403. A request that names another host
(DNS rebinding) or comes from another origin's page is refused too, and whoever asks for another protocol, such as a web
socket, has to name its origin. Nothing listens but 127.0.0.1.

Anybody on this machine may connect. Whoever has not shown the token is cut off after some seconds; there is room for so
many of them, and one more takes the place of the oldest: half a request, a thousand times, locks nobody out.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import shlex
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fmctl.base.errors import OperationFailed, UsageError

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

HOST = "127.0.0.1"
_PATIENCE_S = 10.0  # until the token was shown
_MOST_STRANGERS = 256  # at most, and a quarter of the files that this process may open
_LEAVE_S = 5.0  # for sessions to end
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
    listening = _bound(port)
    logging.getLogger("aiohttp.access").disabled = True  # the address is the key
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(words, listening, say))


async def _serve(words: Sequence[str], listening: socket.socket, say: Callable[[str], None]) -> None:
    import signal

    from aiohttp import web

    at, token, door = listening.getsockname()[1], secrets.token_urlsafe(32), Door(most_strangers())
    runner = web.AppRunner(_application(words, at, token, door), access_log=None, shutdown_timeout=_LEAVE_S)
    await runner.setup()
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    server = await loop.create_server(protocol(runner, door), sock=listening)
    try:
        say(f"http://{HOST}:{at}/{token}/")
        await over.wait()
    finally:
        server.close()
        await runner.cleanup()


def most_strangers() -> int:
    """How many connections without a token there is room for."""
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_STRANGERS if files < 0 else max(min(_MOST_STRANGERS, files // 4), 1)


class Door:
    """Connections that have not shown the token yet: so many at a time, and none for long."""

    def __init__(self, most: int, patience_s: float = _PATIENCE_S) -> None:
        self._most, self._patience_s = most, patience_s
        self._strangers: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}  # oldest first

    def came(self, transport: asyncio.Transport) -> None:
        """Somebody connected; where there is no room the oldest goes."""
        if len(self._strangers) >= self._most:
            self._cut(next(iter(self._strangers)))
        loop = asyncio.get_running_loop()
        self._strangers[transport] = loop.call_later(self._patience_s, self._cut, transport)

    def knows(self, transport: asyncio.BaseTransport | None) -> None:
        """The token was shown on it, or it is gone."""
        timer = self._strangers.pop(transport, None) if transport is not None else None
        if timer is not None:
            timer.cancel()

    def _cut(self, transport: asyncio.BaseTransport) -> None:
        self.knows(transport)
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def protocol(runner: web.AppRunner, door: Door) -> Callable[[], asyncio.Protocol]:
    """The server's connections, each of which comes through the door."""
    from aiohttp.web_protocol import RequestHandler

    class Visitor(RequestHandler):
        __slots__ = ()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Let it in as a stranger."""
            super().connection_made(transport)
            if isinstance(transport, asyncio.Transport):
                door.came(transport)

        def connection_lost(self, error: BaseException | None) -> None:
            """Forget it."""
            door.knows(self.transport)
            super().connection_lost(error)

    server = runner.server
    assert server is not None, "the runner is set up"
    return lambda: Visitor(server, loop=asyncio.get_running_loop(), keepalive_timeout=75.0)


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


def _application(words: Sequence[str], port: int, token: str, door: Door) -> web.Application:
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
    whole = web.Application(middlewares=[guard(port, token, door)])
    whole.add_subapp(f"/{token}", session)
    return whole


def guard(port: int, token: str, door: Door) -> Middleware:
    """The middleware that lets in what has the token, names this host, and comes from this origin."""
    from aiohttp import web

    host = f"{HOST}:{port}"
    headers = {name: text.format(socket=f"ws://{host}") for name, text in _HEADERS.items()}

    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        reason = _refusal(request, host, token)
        if reason:
            refused = web.Response(status=403, text=f"{reason}\n", headers={"Cache-Control": "no-store"})
            refused.force_close()
            return refused
        door.knows(request.transport)
        answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(headers)
        return answer

    return web.middleware(check)


def _refusal(request: web.Request, host: str, token: str) -> str:
    """Why a request is not let in; "" where it is."""
    if [one.lower() for one in request.headers.getall("Host", [])] != [host]:
        return "this is not the host that was asked for"
    origins = {one.lower() for one in request.headers.getall("Origin", [])}
    other_protocol = "Upgrade" in request.headers or any(name.startswith("Sec-Websocket") for name in _titles(request))
    if origins - {f"http://{host}"} or (other_protocol and not origins):
        return "pages of other origins are not answered"
    given = request.path.lstrip("/").split("/", 1)[0]
    if not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
        return "the token is missing: use the whole address that fmctl printed"
    return ""


def _titles(request: web.Request) -> list[str]:
    return [name.title() for name in request.headers]
