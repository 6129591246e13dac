"""The real parts that some tests need, and what is lacking where one is missing.

A test says `@pytest.mark.real("slurm")`. Where the part is missing the test is skipped with the reason; under
`--must-run` it fails, as does every other test that would be skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

# Read before the suite's own fixture takes FMCTL_* away: the interpreter that has aws-parallelcluster.
PCLUSTER_PYTHON = os.environ.get("FMCTL_TEST_PCLUSTER_PYTHON", "")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _programs(*names: str) -> str | None:
    missing = [name for name in names if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


def _slurm() -> str | None:
    return _programs("slurmctld", "slurmd", "munged", "sbatch") or (None if os.geteuid() == 0 else "root is needed")


def _pcluster() -> str | None:
    return None if PCLUSTER_PYTHON else "FMCTL_TEST_PCLUSTER_PYTHON names no Python with aws-parallelcluster"


# By the name in the marker: what lacks, or None where the part is there.
PARTS: dict[str, Callable[[], str | None]] = {
    "chromium": lambda: None if CHROMIUM else "not installed: chromium",
    "fish": lambda: _programs("fish"),
    "pcluster": _pcluster,
    "prometheus": lambda: _programs("prometheus", "promtool"),
    "slurm": _slurm,
    "tmux": lambda: _programs("tmux"),
    "zsh": lambda: _programs("zsh"),
}


def lacking(parts: tuple[str, ...]) -> str | None:
    """Why a test of these parts cannot run here; None where it can. Raises KeyError for a part nobody declared."""
    return next(filter(None, (PARTS[part]() for part in parts)), None)
