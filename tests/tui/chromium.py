"""A headless Chromium, told what to do over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.real import CHROMIUM


class Page:
    """One page of a browser of its own."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer = json.loads((await asyncio.wait_for(self._socket.receive(), 20)).data)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def value(self, script: str) -> Any:
        return (await self.ask("Runtime.evaluate", expression=script, awaitPromise=True))["result"].get("value")

    async def click(self, x: int, y: int) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """Keys one after another, as a keyboard sends them; a carriage return is the enter key."""
        for character in text:
            key = {"key": "Enter", "windowsVirtualKeyCode": 13} if character == "\r" else {"key": character}
            await self.ask("Input.dispatchKeyEvent", type="keyDown", text=character, **key)
            await self.ask("Input.dispatchKeyEvent", type="keyUp", **key)
            await asyncio.sleep(0.05)

    async def picture(self, path: Path) -> bytes:
        found = base64.b64decode((await self.ask("Page.captureScreenshot"))["data"])
        path.write_bytes(found)
        return found


class Browser:
    """`async with Browser(folder) as page`."""

    def __init__(self, folder: Path, width: int = 1000, height: int = 640) -> None:
        self._folder, self._size = folder, f"{width},{height}"

    async def __aenter__(self) -> Page:
        assert CHROMIUM is not None
        self._process = await asyncio.create_subprocess_exec(
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
            "--disable-dev-shm-usage", f"--user-data-dir={self._folder}", f"--window-size={self._size}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        port_file = self._folder / "DevToolsActivePort"
        for _ in range(200):
            await asyncio.sleep(0.1)
            if port_file.exists() and port_file.read_text().strip():
                break
        port = port_file.read_text().split()[0]
        self._http = aiohttp.ClientSession()
        async with self._http.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [one for one in await answer.json() if one["type"] == "page"]
        self._socket = await self._http.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=2**26)
        return Page(self._socket)

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._http.close()
        self._process.kill()
        await self._process.wait()
