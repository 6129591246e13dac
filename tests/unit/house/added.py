"""fmctl in a process of its own, after something was added to it: what a change task touches, and the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
_RUN = "\nimport sys\nfrom fmctl.__main__ import main\nraise SystemExit(main(sys.argv[1:]))\n"


def ran(added: str, *words: str, data: Path, after: str = _RUN) -> subprocess.CompletedProcess[str]:
    """`fmctl words` where `added` is run first; `data`: the user's folder, so that prices can be his."""
    own = {
        "PYTHONPATH": str(ROOT),
        "FMCTL_DATA": str(data),
        "XDG_CONFIG_HOME": str(data),
        "COLUMNS": "160",
    }
    command = [sys.executable, "-c", added + after, *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | own, cwd=data, check=False, timeout=120
    )


def answered(added: str, *words: str, data: Path) -> dict[str, Any]:
    """The `result` of the document that `fmctl words -o json` prints."""
    done = ran(added, *words, "-o", "json", data=data)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["result"]
    return found


def printed(added: str, *words: str, data: Path) -> str:
    """What `fmctl words` prints."""
    done = ran(added, *words, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout
