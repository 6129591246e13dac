"""A run so far, as its log tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """A run so far; None where the log does not tell. Shares are of wall time, counts of what the log holds.

    step_s: median; step_p10_s, step_p90_s: its spread. slow_share: of step time, what steps above 1.5 medians took
    beyond it. stall_s: median of a save's stall. goodput, finish: `fmctl.progress.summary`; finish_early_s: where
    nothing more goes wrong. late_s: by rank, mean time behind the first to write the same step. rank_excess: slowest
    rank's step over the median rank's, minus 1. wall_s: of the whole run, what came before this log at the same pace.
    """

    records: int
    first_step: int | None
    last_step: int | None
    total_steps: int | None
    began_at: float | None
    last_at: float | None
    step_s: float | None
    step_p10_s: float | None
    step_p90_s: float | None
    slow_share: float | None
    tokens_per_s: float | None
    mfu: float | None
    loss: float | None
    lowest_loss: float | None
    grad_norm: float | None
    nan_steps: int
    loss_spikes: int
    memory_bytes: float | None
    saves: int
    stall_s: float | None
    stall_share: float | None
    restarts: int
    alloc_retries: int
    errors: Mapping[str, int]
    goodput: float | None
    finish_s: float | None
    finish_early_s: float | None
    wall_s: float | None
    late_s: Mapping[int, float]
    slowest_rank: int | None
    rank_excess: float | None
