"""A Prometheus for tests: a free port, started, ready, stopped."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fmctl.adapters.prometheus.client import Prometheus
from fmctl.base.errors import ServiceUnavailable
from fmctl.observe.render import PROMETHEUS


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(program: str, folder: Path) -> Iterator[tuple[Prometheus, str]]:
    """The server of the configuration in a folder, and its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        program, f"--config.file={folder / PROMETHEUS}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            server = Prometheus(url)
            _waited(server, process, folder / "log")
            yield server, url
        finally:
            process.terminate()


def _waited(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(150):
        assert process.poll() is None, log.read_text()
        try:
            if server.ready():
                return
        except ServiceUnavailable:
            pass
        time.sleep(0.1)
    raise AssertionError("Prometheus did not get ready: " + log.read_text())
