"""Start, find and stop the lab: a child of its own that outlives the command, with a state file to find it by."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from fmctl.adapters.lab.client import Lab
from fmctl.adapters.lab.settings import LOG, MODULE, STATE, Running
from fmctl.base.errors import FmctlError, OperationFailed, OperationTimeout
from fmctl.base.files import make_folders, read_text
from fmctl.base.folders import state_folder

REHEARSAL = "rehearsal-"  # stores of rehearsals, in the lab's folder
START_S, _STOP_S, _POLL_S = 60.0, 10.0, 0.05


def lab_folder() -> Path:
    """Where the lab keeps its files: the user's state folder. Raises UsageError where there is no home."""
    return state_folder("lab")


def running(folder: Path | None = None) -> Running | None:
    """The lab that runs, None where none does; a state file of a dead one does not count."""
    found = _recorded(folder or lab_folder())
    if found is None or not _alive(found.pid):
        return None
    try:
        answered = Lab(found.endpoint).state(timeout_s=5.0)
    except FmctlError:
        return None
    return found if answered.get("token") == found.token else None


def start(port: int = 0, speed: float = 1.0, folder: Path | None = None, timeout_s: float = START_S) -> Running:
    """Start a lab and wait until it answers.

    Args:
        port: on 127.0.0.1; 0 takes a free one.
        speed: simulated seconds per second.
        folder: where its files go.
        timeout_s: how long to wait.

    Raises:
        OperationFailed: moto is missing, one runs already, or it ended before it was ready.
        OperationTimeout: it was not ready in time; it has been ended.
    """
    place = folder or lab_folder()
    _check_moto()
    make_folders(place)
    with _only_one(place):
        found = running(place)
        if found is not None:
            raise OperationFailed(f"a lab runs already at {found.endpoint}", next="fmctl lab status, or fmctl lab stop")
        (place / STATE).unlink(missing_ok=True)
        for left in place.glob(f"{REHEARSAL}*"):  # without a lab there is no rehearsal: it was killed
            shutil.rmtree(left, ignore_errors=True)
        token = secrets.token_hex(16)
        return _ready(_child(place, token, port, speed), place, token, timeout_s)


def stop(folder: Path | None = None) -> Running | None:
    """End the lab, and wait until it is gone; None where none ran. Raises OperationFailed where it cannot be ended."""
    place = folder or lab_folder()
    found = _recorded(place)
    if found is None or not (running(place) or _is_ours(found)):
        (place / STATE).unlink(missing_ok=True)
        return None
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(found.pid, wanted)
        if _gone(found.pid):
            (place / STATE).unlink(missing_ok=True)
            return found
    raise OperationFailed(f"the lab's process {found.pid} does not end", next=f"kill -9 {found.pid}")


def described(found: Running) -> dict[str, object]:
    """A lab as plain data."""
    return {
        "endpoint": found.endpoint,
        "pid": found.pid,
        "port": found.port,
        "speed": found.speed,
        "site": found.site,
        "log": str(Path(found.site).with_name(LOG)),
        "environment": found.environment,
        "seed": dict(found.seed),
    }


def _check_moto() -> None:
    if find_spec("moto") is None or find_spec("flask") is None:
        raise OperationFailed(
            "the lab needs moto's server",
            why="it is not installed beside fmctl",
            next=f"{sys.executable} -m pip install 'fmctl[lab]'",
        )


def _recorded(folder: Path) -> Running | None:
    try:
        return Running.from_text(read_text(folder / STATE, what="the lab's state"))
    except FmctlError:
        return None


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Two starts at once: the second waits for the first, and then finds its lab."""
    import fcntl

    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _child(folder: Path, token: str, port: int, speed: float) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    own = {
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    words = ["--folder", str(folder), "--token", token, "--port", str(port), "--speed", repr(speed)]
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=kept | own, start_new_session=True, cwd=folder,
        )  # fmt: skip


def _ready(child: subprocess.Popen[bytes], folder: Path, token: str, timeout_s: float) -> Running:
    until = time.monotonic() + timeout_s
    try:
        while time.monotonic() < until:
            if child.poll() is not None:
                raise OperationFailed("the lab did not start", why=_last_words(folder), next=f"see {folder / LOG}")
            found = _recorded(folder)
            if found is not None and found.token == token and running(folder):
                child.returncode = 0  # it outlives us: Popen need not complain
                return found
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        child.kill()
        raise
    child.kill()
    child.wait()
    raise OperationTimeout(f"the lab was not ready after {timeout_s:g} s", next=f"see {folder / LOG}")


def _last_words(folder: Path) -> str:
    try:
        lines = [line for line in read_text(folder / LOG).splitlines() if line.strip()]
    except FmctlError:
        lines = []
    return lines[-1][:300] if lines else "it said nothing"


def _alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of this very process stays as a zombie until somebody looks
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_ours(found: Running) -> bool:
    """Whether a process that does not answer is the lab that was recorded: its command line has the token."""
    try:
        line = Path(f"/proc/{found.pid}/cmdline").read_bytes()
    except OSError:
        return False
    return found.token.encode() in line


def _gone(pid: int) -> bool:
    until = time.monotonic() + _STOP_S
    while time.monotonic() < until:
        if not _alive(pid):
            return True
        time.sleep(_POLL_S)
    return False
