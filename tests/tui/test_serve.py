"""`ui --serve`: the session in a browser, behind a token, for this host and its own pages alone."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.loopback import loopback_open
from tests.tui.chromium import Browser, Page

PICTURES = os.environ.get("FMCTL_TEST_PICTURES")  # read before the suite's own fixture takes FMCTL_* away


@pytest.fixture(scope="module", autouse=True)
def open_loopback(closed_sockets: None) -> Iterator[None]:
    with loopback_open():
        yield


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A served session of its own folders."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FMCTL_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "fmctl", "ui", "--serve", "--open", "model:llama-3.1-8b"], text=True, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=kept | {"XDG_STATE_HOME": str(tmp_path / "state")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),  # noqa: PLW1509 - no threads here
    ) as server:  # fmt: skip
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.send_signal(signal.SIGINT)
        server.wait(20)


def status_of(url: str, **headers: str) -> int:
    async def ask() -> int:
        patience = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(timeout=patience) as http, http.get(url, headers=headers) as answer:
            await answer.read()
            return answer.status

    return asyncio.run(ask())


def socket_status(url: str, **headers: str) -> int:
    """The status of an upgrade: 101 where it is let in."""

    async def ask() -> int:
        async with aiohttp.ClientSession() as http:
            try:
                async with http.ws_connect(url, headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    return asyncio.run(ask())


def test_only_the_whole_address_from_its_own_page_is_answered(address: str) -> None:
    root, token = address[: address.index("/", 8)], address.split("/")[3]
    assert root.startswith("http://127.0.0.1:") and len(token) >= 40
    assert status_of(address) == 200
    assert status_of(address + "static/js/textual.js") == 200
    for path in ("/", "/ws", "/static/js/textual.js", f"/{token[:-1]}/", f"/{token}x/", "/%00/", f"//{token}/.."):
        assert status_of(root + path) == 403, path
    host = root.removeprefix("http://")
    assert status_of(address, Host="attacker.example") == 403
    assert status_of(address, Host=host.replace("127.0.0.1", "rebound.example")) == 403
    assert status_of(address, Origin="http://attacker.example") == 403
    assert status_of(address, Origin="null") == 403
    assert status_of(address, Origin=root) == 200


def test_a_web_socket_needs_the_token_and_the_page_s_own_origin(address: str) -> None:
    root = address[: address.index("/", 8)]
    ws = address.replace("http", "ws", 1) + "ws"
    assert socket_status(root.replace("http", "ws", 1) + "/ws", Origin=root) == 403
    assert socket_status(ws) == 403  # no browser leaves the origin out
    assert socket_status(ws, Origin="http://attacker.example") == 403
    assert socket_status(ws, Origin=root, Host="attacker.example") == 403
    assert socket_status(ws, Origin=root) == 101


def raw(address: str, text: str) -> str:
    """The first line of the answer to a request as it is written here."""
    port = int(address.split(":")[2].split("/", maxsplit=1)[0])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text.encode())
        return connection.recv(100).decode().partition("\r\n")[0]


@pytest.mark.parametrize("upgrade", ["h2c, websocket", "WebSocket", "websocket,", "h2c", "x\r\nUpgrade: websocket"])
def test_no_other_protocol_without_the_origin(address: str, upgrade: str) -> None:
    place, host = "/" + address.split("/", 3)[3], address.split("/")[2]
    head = f"GET {place}ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    assert " 403 " in raw(address, head + key)
    assert " 403 " in raw(address, f"GET {place}ws HTTP/1.1\r\nHost: {host}\r\n{key}")
    assert " 403 " in raw(address, f"{head}Origin: http://attacker.example\r\nOrigin: http://{host}\r\n{key}")


@pytest.mark.parametrize("hosts", ["", "Host: {host}\r\nHost: attacker.example\r\n", "Host: localhost\r\n"])
def test_one_host_and_the_right_one(address: str, hosts: str) -> None:
    place, host = "/" + address.split("/", 3)[3], address.split("/")[2]
    said = raw(address, f"GET {place} HTTP/1.1\r\n{hosts.format(host=host)}Connection: close\r\n\r\n")
    assert " 403 " in said or " 400 " in said


def test_half_sent_requests_lock_nobody_out(address: str) -> None:
    port = int(address.split(":")[2].split("/", maxsplit=1)[0])
    half = list[socket.socket]()
    try:
        for _ in range(1100):
            one = socket.socket()
            one.settimeout(20)
            try:
                one.connect(("127.0.0.1", port))
                one.sendall(b"GET / HTTP/1.1\r\nHo")
            except OSError:  # cut off already
                pass
            half.append(one)
        assert status_of(address) == 200
        assert socket_status(address.replace("http", "ws", 1) + "ws", Origin=address[: address.index("/", 8)]) == 101
        half[0].setblocking(True)
        assert ended(half[0])  # the oldest went
    finally:
        for one in half:
            one.close()


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_who_shows_no_token_is_cut_off_and_who_did_is_not() -> None:
    from fmctl.adapters.browser import Door

    class Line(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            self.aborted = False

        def abort(self) -> None:
            self.aborted = True

    async def scenario() -> None:
        door = Door(2, patience_s=0.05)
        silent, known, third = Line(), Line(), Line()
        door.came(known)
        door.knows(known)
        door.came(silent)
        door.came(third)
        door.came(Line())
        assert (silent.aborted, third.aborted) == (True, False)  # room for two: the oldest stranger went
        await asyncio.sleep(0.15)
        assert (third.aborted, known.aborted) == (True, False)

    asyncio.run(scenario())


def test_there_is_room_for_strangers_and_for_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    from fmctl.adapters.browser import most_strangers

    for files, room in ((1024, 256), (256, 64), (-1, 256), (100_000, 256), (3, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda which, files=files: (files, files))
        assert most_strangers() == room


def test_nothing_but_loopback_listens(address: str) -> None:
    port = int(address.split(":")[2].split("/", maxsplit=1)[0])
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # refused where somebody listens on that port of every address


@pytest.mark.real("chromium")
def test_the_page_is_typed_into_in_a_browser(address: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Browser(tmp_path / "profile") as page:
            await page.ask("Page.enable")
            await page.ask("Page.navigate", url=address)
            await until(page, "document.body.classList.contains('-first-byte')")
            await asyncio.sleep(2.0)  # the first screen is drawn by then, and what is typed is not lost
            before = await page.picture(tmp_path / "page.png")
            await page.click(500, 300)
            await page.type(":models\r")
            await asyncio.sleep(2.0)
            assert await page.picture(tmp_path / "page.png") != before
            assert await page.value("document.querySelectorAll('.xterm').length") >= 1
            outside = "performance.getEntriesByType('resource').filter(r => r.transferSize > 0 && " \
                      "!r.name.startsWith(location.origin)).length"  # fmt: skip
            assert await page.value(outside) == 0  # nothing is fetched from anywhere else
            if PICTURES:
                await page.picture(Path(PICTURES) / "serve.png")
            await page.type("q")
            kept = tmp_path / "state" / "fmctl" / "ui.json"
            for _ in range(50):
                if kept.exists():
                    break
                await asyncio.sleep(0.2)
            assert json.loads(kept.read_text())["view"] == "models"  # what was typed arrived in the session

    asyncio.run(scenario())


async def until(page: Page, script: str) -> None:
    """Wait until an expression of the page holds."""
    for _ in range(100):
        if await page.value(script):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"never: {script}")
