"""A run so far, as its log tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from fmctl.base.built import built


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """A run so far; None where the log does not tell. Shares are of wall time, counts of what the log holds."""

    records: int
    first_step: int | None
    last_step: int | None
    total_steps: int | None
    began_at: float | None
    last_at: float | None
    step_s: float | None  # median
    step_p10_s: float | None  # with step_p90_s: its spread
    step_p90_s: float | None
    last_step_s: float | None  # time of the last step that was logged
    interval: int | None  # steps from one record to the next
    slow_share: float | None  # of step time, what steps above 1.5 medians took beyond it
    tokens: float | None  # trained on so far
    tokens_per_s: float | None
    mfu: float | None
    loss: float | None
    lowest_loss: float | None
    grad_norm: float | None
    nan_steps: int
    loss_spikes: int
    memory_bytes: float | None
    saves: int
    saved_at: float | None  # when the last save was seen whole, by the log's clock
    stall_s: float | None  # median of a save's stall
    stall_share: float | None
    restarts: int
    alloc_retries: int
    errors: Mapping[str, int]
    goodput: float | None  # with finish_s: by `progress.summary`
    finish_s: float | None
    finish_early_s: float | None  # where nothing more goes wrong
    wall_s: float | None  # of the whole run, what came before this log at the same pace
    late_s: Mapping[int, float]  # by rank, mean time behind the first to write the same step
    slowest_rank: int | None
    rank_excess: float | None  # slowest rank's step over the median rank's, minus 1

    @classmethod
    def from_dict(cls, held: Mapping[str, object]) -> Progress:
        """A run as a document holds it; what an older document does not have is not known."""
        return built(cls, {one.name: held.get(one.name) for one in fields(cls)})

    @property
    def finished(self) -> bool:
        """Whether the last step is done; with a record for every k-th step, whether none is to come.

        Who counts from 0 ends one short of the number of steps.
        """
        if self.total_steps is None or self.last_step is None or not self.records:
            return False
        return self.last_step + (self.interval or 1) > self.total_steps - (self.first_step == 0 and self.interval == 1)
