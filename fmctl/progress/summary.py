"""What a run has come to so far, from its records and events, in constant memory.

The step is a median: saves, evaluations and restarts do not move it, and the first record after a start is left out.
Goodput is training that counted over wall time, both since the first record: steps that were lost and done again count
once. What is left takes the same share of wall time as what is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, isnan

from fmctl.domain.logged import Event, Item, Job, Record
from fmctl.progress.follow import Follower
from fmctl.progress.ranks import Ranks
from fmctl.progress.sketch import Level, Sketch
from fmctl.progress.state import Progress

# A step counts as slow above this many medians. assumed: twice what evaluation-free steps spread (P99 under 1.2).
SLOW_STEP = 1.5
# A loss this far above its running level is a spike. assumed: six robust sigmas and a tenth.
SPIKE_SIGMAS, SPIKE_SHARE = 6.0, 0.1
# A step that falls is a restart where the clock went on by this many steps; ranks that share a log write out of order.
_BEHIND_STEPS = 0.5
_AGAIN = frozenset({"start", "loaded", "restart", "interrupted"})
_ERRORS = frozenset({"nccl-error", "xid", "out-of-memory", "nan", "interrupted"})
_SAVES = frozenset({"saving", "saved", "save-time"})


def advance(follower: Follower, summary: Summary) -> Progress:
    """Read what a log has gained, and say how far the run is; the log tells its length where the job does not."""
    summary.add_all(follower.read())
    summary.total_steps = summary.total_steps or follower.parser.total_steps
    return summary.progress()


class Summary:
    """Takes items one by one, answers with a `Progress` at any time; `items` counts them."""

    def __init__(self, job: Job | None = None) -> None:
        self.job = job or Job()
        self.total_steps = self.job.total_steps
        self.items = 0
        self._times, self._rates, self._stalls = Sketch(), Sketch(), Sketch()
        self._timed = False  # whether the log states step times; else they come from its clock
        self._ranks = Ranks()
        self._losses = Level()
        self._records = self._nan_steps = self._spikes = self._retries = self._saves = self._restarts = 0
        self._first: Record | None = None
        self._front: Record | None = None  # the furthest step since the last restart
        self._highest = -1
        self._cold = -1  # step of the first record since a start: compilation, caches, memory pools
        self._last_at: float | None = None
        self._last_s: float | None = None
        self._interval: int | None = None
        self._saved_at: float | None = None
        self._loss: float | None = None
        self._lowest: float | None = None
        self._norm: float | None = None
        self._memory: float | None = None
        self._errors: dict[str, int] = {}
        self._again = self._saving = False
        self._stall: float | None = None

    def add_all(self, items: Iterable[Item]) -> None:
        """Many items."""
        for item in items:
            self.add(item)

    def add(self, item: Item) -> None:
        """One more record or event."""
        self.items += 1
        if item.at is not None and (self._last_at is None or item.at > self._last_at):
            self._last_at = item.at
        if isinstance(item, Event):
            self._event(item)
        else:
            self._record(item)

    def _event(self, item: Event) -> None:
        if item.kind in _ERRORS:
            self._errors[item.kind] = self._errors.get(item.kind, 0) + 1
        if item.kind == "alloc-retries":
            self._retries += int(item.value or 1)
        if item.kind in _AGAIN and self._front is not None:
            self._restart()
        if item.kind == "saved":  # where the line has no clock: no earlier than the line before it
            self._saved_at = self._last_at if item.at is None else item.at
        if item.kind in _SAVES and not self._again:
            self._saving = True
            if item.value is not None:
                self._stall = max(self._stall or 0.0, item.value)

    def _restart(self) -> None:
        """Counted once, however many lines tell of it."""
        if not self._again:
            self._restarts += 1
            self._again, self._saving, self._stall = True, False, None

    def _record(self, item: Record) -> None:
        self._records += 1
        self._first = self._first or item
        front = self._front
        if front is not None and item.step < front.step and self._fell(front, item):
            self._restart()
        if front is None or self._again:
            self._cold = item.step
        if item.step > self._cold:
            self._timed = self._timed or item.step_s is not None
            if item.step_s is not None:
                self._times.add(item.step_s)
            if item.tokens_per_s is not None and not self.job.tokens_per_step:  # else it follows from the step
                self._rates.add(item.tokens_per_s)
        if front is None or item.step > front.step or (self._again and not self._echoes(front, item)):
            self._advance(item)
            self._learn(item)
        self._ranks.add(item)
        if item.memory_bytes is not None and (self._memory is None or item.memory_bytes > self._memory):
            self._memory = item.memory_bytes

    def _fell(self, front: Record, item: Record) -> bool:
        """Whether a smaller step means a restart, not a rank that writes late."""
        if self._again or item.at is None or front.at is None:
            return item.rank == front.rank and not self._again
        return item.at > front.at + _BEHIND_STEPS * (self._times.quantile(0.5) or 0.0)

    def _echoes(self, front: Record, item: Record) -> bool:
        """Whether a record is of the step at which the run broke off, by a rank that writes late."""
        if item.step != front.step or item.at is None or front.at is None:
            return False
        return item.at <= front.at + _BEHIND_STEPS * (self._times.quantile(0.5) or 0.0)

    def _advance(self, item: Record) -> None:
        """A step that was not seen since the last restart: what lies between is a step, or a save."""
        front = self._front
        if front is not None and not self._again:
            steps, gap_s = item.step - front.step, None
            if item.at is not None and front.at is not None:
                gap_s = item.at - front.at
            self._interval = steps
            ran = gap_s is not None and gap_s > 0.0  # clocks go back, too
            self._last_s = gap_s / steps if item.step_s is None and gap_s is not None and ran else item.step_s
            if self._saving:
                self._saved(steps, gap_s)
            elif not self._timed and gap_s is not None and gap_s > 0.0:
                self._times.add(gap_s / steps)
        self._highest = max(self._highest, item.step)
        self._front, self._again, self._saving, self._stall = item, False, False, None

    def _saved(self, steps: int, gap_s: float | None) -> None:
        """The stall of a save: as logged, else the gap between two records beyond their steps."""
        self._saves += 1
        usual_s = self._times.quantile(0.5)
        if self._stall is not None:
            self._stalls.add(self._stall)
        elif gap_s is not None and usual_s is not None:
            self._stalls.add(max(gap_s - steps * usual_s, 1e-6))

    def _learn(self, item: Record) -> None:
        """Loss and gradient norm of a new step."""
        bad = [v for v in (item.loss, item.grad_norm) if v is not None and isnan(v)]
        self._nan_steps += bool(bad)
        if item.grad_norm is not None:
            self._norm = item.grad_norm
        if item.loss is not None:
            self._loss = item.loss
            if isfinite(item.loss):
                self._lowest = item.loss if self._lowest is None else min(item.loss, self._lowest)
                self._spikes += self._losses.spikes(item.loss, SPIKE_SIGMAS, SPIKE_SHARE)

    def progress(self) -> Progress:
        """The run so far."""
        times, job = self._times, self.job
        step_s = times.quantile(0.5)
        first, last_at = self._first, self._last_at
        began = None if first is None else first.at
        elapsed = last_at - began if last_at is not None and began is not None and last_at > began else None
        share = self._goodput(step_s, elapsed)
        left_s = self._left_s(step_s)
        finish_s = last_at + left_s / share if left_s is not None and share and last_at is not None else None
        tokens = self._rates.quantile(0.5)
        if tokens is None and step_s is not None and job.tokens_per_step is not None:
            tokens = job.tokens_per_step / step_s
        known = step_s is not None and job.model_flop is not None and job.peak_flop_per_s
        return Progress(
            records=self._records,
            first_step=None if first is None else first.step,
            last_step=None if first is None else self._highest,
            total_steps=self.total_steps,
            began_at=began,
            last_at=last_at,
            step_s=step_s,
            step_p10_s=times.quantile(0.1),
            step_p90_s=times.quantile(0.9),
            last_step_s=self._last_s,
            interval=self._interval,
            slow_share=times.above(SLOW_STEP * step_s) / times.total if step_s is not None else None,
            tokens=None if first is None or job.tokens_per_step is None else self._highest * job.tokens_per_step,
            tokens_per_s=tokens,
            mfu=(job.model_flop or 0.0) / (step_s or 1.0) / (job.peak_flop_per_s or 1.0) if known else None,
            loss=self._loss,
            lowest_loss=self._lowest,
            grad_norm=self._norm,
            nan_steps=self._nan_steps,
            loss_spikes=self._spikes,
            memory_bytes=self._memory,
            saves=self._saves,
            saved_at=self._saved_at,
            stall_s=self._stalls.quantile(0.5),
            stall_share=self._stalls.total / elapsed if elapsed and self._stalls.count else None,
            restarts=self._restarts,
            alloc_retries=self._retries,
            errors=dict(self._errors),
            goodput=share,
            finish_s=finish_s,
            finish_early_s=None if left_s is None or last_at is None else last_at + left_s,
            wall_s=self._wall_s(step_s, share, elapsed, left_s),
            late_s=self._ranks.late_s(),
            slowest_rank=self._ranks.slowest()[0],
            rank_excess=self._ranks.slowest()[1],
        )

    def _goodput(self, step_s: float | None, elapsed: float | None) -> float | None:
        """(highest step - first) x median step / time since the first record, at most 1."""
        if step_s is None or elapsed is None or self._first is None or self._highest <= self._first.step:
            return None
        return min((self._highest - self._first.step) * step_s / elapsed, 1.0)

    def _left_s(self, step_s: float | None) -> float | None:
        """Training that is left, s."""
        if step_s is None or self.total_steps is None:
            return None
        return max(self.total_steps - self._highest, 0) * step_s

    def _wall_s(
        self, step_s: float | None, share: float | None, elapsed: float | None, left_s: float | None
    ) -> float | None:
        """Wall time of the whole run: before this log, in it, and after it."""
        if step_s is None or not share or elapsed is None or left_s is None or self._first is None:
            return None
        return elapsed + (self._first.step * step_s + left_s) / share
