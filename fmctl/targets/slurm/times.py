"""When a job ends, when it is asked for its last save, and how long its silence is no hang."""

from __future__ import annotations

from math import ceil

from fmctl.domain.program import LOG_EVERY, Run

_MOST_MARGIN_MIN = 60
_UNKNOWN_SAVE_S = 600.0  # assumed, where the plan names no tokens and so no save
_SLACK_S = 300.0  # assumed: torchrun, the file system's metadata and Slurm's own minute
_LEAST_HANG_MIN = 30  # assumed: NCCL's own timeout of 10 min, and loading and compiling, are no hang


def limit_min(max_hours: float) -> int:
    """Minutes that Slurm gives the job: the cluster comes up and saves its last checkpoint inside max_hours."""
    whole = int(max_hours * 60)
    return whole - min(_MOST_MARGIN_MIN, max(1, whole // 4))


def margin_s(run: Run, limit: int) -> int:
    """Seconds before the end at which a save is asked for: its stall and drain, two steps, slack; at most half of all.

    Slurm sends signals by the minute, up to one early.
    """
    save_s = _UNKNOWN_SAVE_S if run.save_s is None else run.save_s
    return min(ceil(save_s + 2.0 * (run.step_s or 0.0) + _SLACK_S), limit * 30, 65535)


def hang_min(run: Run) -> int:
    """Minutes without a line of log that are a hang: three times those between two lines, and a save and a load."""
    between_s = 3.0 * LOG_EVERY * (run.step_s or 0.0) + (run.save_s or 0.0) + (run.load_s or 0.0)
    return max(_LEAST_HANG_MIN, ceil(between_s / 60.0))


def clock(minutes: int) -> str:
    """Minutes as Slurm writes them."""
    days, rest = divmod(minutes, 24 * 60)
    return f"{days}-{rest // 60:02d}:{rest % 60:02d}:00"
