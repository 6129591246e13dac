"""SSM RunShellScript: Slurm's own commands really run, where a local Slurm is named by FMCTL_LAB_SLURM_CONF."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import Any

import moto.ssm.models as ssm

from fmctl.adapters.lab.patch import patch

ALLOWED = frozenset({"sacct", "sbatch", "scancel", "scontrol", "sdiag", "sinfo", "sprio", "squeue"})
_SECONDS = 30


def install() -> None:
    """Patch `Command.__init__`: moto answers every command with success and no output."""
    original = ssm.Command.__init__

    def __init__(self: ssm.Command, *args: Any, **asked: Any) -> None:  # noqa: N807
        original(self, *args, **asked)
        slurm = os.environ.get("FMCTL_LAB_SLURM_CONF")
        if slurm:
            outcome = _run(" ".join((self.parameters or {}).get("commands", [])), slurm)
            for invocation in self.invocations:
                invocation.update(outcome)

    patch(ssm.Command, "__init__", __init__)


def _run(line: str, slurm_conf: str) -> dict[str, str | int]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        return _outcome("", str(error), 2)
    if not words or words[0] not in ALLOWED:
        return _outcome("", f"the lab runs {', '.join(sorted(ALLOWED))} only", 126)
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=_SECONDS, env={**os.environ, "SLURM_CONF": slurm_conf},
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return _outcome("", str(error), 1)
    return _outcome(done.stdout, done.stderr, done.returncode)


def _outcome(out: str, err: str, code: int) -> dict[str, str | int]:
    status = "Failed" if code else "Success"
    return {
        "StandardOutputContent": out, "StandardErrorContent": err, "ResponseCode": code, "Status": status,
        "StatusDetails": status,
    }  # fmt: skip
