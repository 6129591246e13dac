"""node.js, which ParallelCluster's templates need (jsii): found beside its interpreter or on PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from fmctl.base.errors import OperationFailed

OLDEST = 18


def node_environment(python: str) -> dict[str, str]:
    """Variables by which jsii finds a node.js that will do. Raises OperationFailed where there is none."""
    path, version = find_node(python)
    if path is None:
        raise OperationFailed(
            f"ParallelCluster needs node.js {OLDEST} or newer",
            why="there is no node on PATH",
            next="install node.js (https://nodejs.org), or fmctl pcluster install, which brings one",
        )
    if version is None or version[0] < OLDEST:
        shown = ".".join(map(str, version)) if version else "does not answer"
        raise OperationFailed(
            f"ParallelCluster needs node.js {OLDEST} or newer",
            why=f"{path} is {shown}" if version else f"{path} {shown}",
            next="install a newer node.js (https://nodejs.org), or fmctl pcluster install, which brings one",
        )
    silent = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1", "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}
    folders = [str(Path(path).parent), os.environ.get("PATH", "")]
    return {"PATH": os.pathsep.join(filter(None, folders)), **silent}


def find_node(python: str) -> tuple[str | None, tuple[int, ...] | None]:
    """Path and version of the node.js to use: the environment's own, else the one on PATH."""
    beside = shutil.which("node", path=str(Path(python).parent)) if os.sep in python else None
    path = beside or shutil.which("node")
    return path, None if path is None else _version(path)


@cache
def _version(path: str) -> tuple[int, ...] | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"v(\d+)\.(\d+)\.(\d+)", said.strip())
    return tuple(map(int, found.groups())) if found else None
