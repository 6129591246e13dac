"""The alerts of a run and its money: against the plan's own figures.

Thresholds are judgements unless they are the plan's; each stands beside its alert.
"""

from __future__ import annotations

from collections.abc import Iterator

from fmctl.observe import names
from fmctl.observe.alerts import CRITICAL, INFO, WARNING, Alert
from fmctl.observe.promql import literal, number, selector, span
from fmctl.observe.watched import Watched

OVERDUE = 1.5
"""assumed: intervals after which a save is missing and not late."""
IDLE = 0.05
"""assumed: a GPU busy less than this share of the time does nothing."""
SPIKE = 1.2
"""assumed: loss over the median of the last hour that is no noise."""
NEAR_CAP = 0.8
"""assumed: share of the cap at which there is time to decide."""


def run_alerts(seen: Watched) -> tuple[Alert, ...]:
    """All alerts that compare with the plan."""
    return tuple(alert for group in (_pace, _loss, _checkpoints, _money, _capacity) for alert in group(seen))


def _name(seen: Watched) -> str:
    return "the run" if seen.settings.run is None else f"run {literal(seen.settings.run)}"


def _pace(seen: Watched) -> Iterator[Alert]:
    """Step time against the plan's 80 % interval, and whether there are steps at all."""
    sel, plan = selector(seen.run_labels), seen.expected
    step = f"avg_over_time({names.RUN_STEP_S.record}{sel}[{span(seen.window(900))}])"
    said = f"predicted {plan.step_s:.4g} s, 80 % interval {plan.step_low_s:.4g} to {plan.step_high_s:.4g} s"
    yield Alert(
        "RunSlowerThanPredicted", WARNING, "run", f"{step} > {number(plan.step_high_s)}", seen.paced(900),
        f"{_name(seen)} takes {{{{ $value | humanize }}}} s a step; {said}",
        "look for a slow GPU (GpuClockBehind, throttling), EFA errors, waiting for data; then fmctl explain",
    )  # fmt: skip
    yield Alert(
        "RunFasterThanPredicted", INFO, "run", f"{step} < {number(plan.step_low_s)}", seen.paced(900),
        f"{_name(seen)} takes {{{{ $value | humanize }}}} s a step; {said}",
        "check that batch, sequence length and precision are the plan's; if so, fmctl calibrate with this run",
    )  # fmt: skip
    # Only a run that is older than the window: the first steps, and the first two scrapes, are no standstill.
    # assumed: twenty of the slowest predicted steps, ten minutes at least, is no slow step.
    window = span(seen.window(max(600.0, 20 * plan.step_high_s)))
    steps = names.RUN_STEP.record + sel
    still = f"(changes({steps}[{window}]) == 0) and ({steps} offset {window})"
    yield Alert(
        "RunStalled", CRITICAL, "run", f"{steps} and {still}", seen.paced(60),
        f"{_name(seen)} has not ended a step for {window}: the last was {{{{ $value }}}}",
        "py-spy dump on one rank of each node; one rank elsewhere is the culprit; restart from the last checkpoint",
    )  # fmt: skip


def _loss(seen: Watched) -> Iterator[Alert]:
    loss = names.RUN_LOSS.record + selector(seen.run_labels)
    yield Alert(
        "LossNotFinite", CRITICAL, "run", f"({loss} != {loss}) or (abs({loss}) == Inf)", 0.0,
        f"the loss of {_name(seen)} is {{{{ $value }}}}",
        "stop the run: every GPU-hour from here is lost; restart from a checkpoint before it, skip the batch or lower "
        "the learning rate",
    )  # fmt: skip
    recent = f"avg_over_time({loss}[{span(seen.window(120))}])"
    usual = f"quantile_over_time(0.5, {loss}[{span(seen.window(3600))}])"
    yield Alert(
        "LossSpike", WARNING, "run", f"({recent} > {SPIKE} * {usual}) and (abs({loss}) < Inf)", seen.paced(120),
        f"the loss of {_name(seen)} is {{{{ $value | humanize }}}}, a fifth above the median of the last hour",
        "watch whether it comes down; if not, go back to the checkpoint before it and skip the data",
    )  # fmt: skip


def _checkpoints(seen: Watched) -> Iterator[Alert]:
    """Overdue by the plan's interval and the time until a save is safe on storage."""
    plan = seen.expected
    if plan.save_interval_s is None:
        return
    late_s = OVERDUE * plan.save_interval_s + plan.save_stall_s + plan.save_drain_s
    age = f"time() - {names.RUN_SAVED.record}{selector(seen.run_labels)}"
    yield Alert(
        "CheckpointOverdue", CRITICAL, "run", f"({age}) > {number(late_s)}", 0.0,
        f"{_name(seen)} has no checkpoint for {{{{ $value | humanizeDuration }}}}; planned every "
        f"{plan.save_interval_s:.0f} s",
        "look at the job's log for a failing save and at the file system's free space; all work since is lost with "
        "the next failure",
    )  # fmt: skip


def _money(seen: Watched) -> Iterator[Alert]:
    sel, usd = selector(seen.labels), seen.expected.usd_per_gpu_h
    idle = f"avg_over_time({names.GPU_BUSY.record}{sel}[{span(seen.window(900))}]) < {IDLE}"
    count = f"count by (cluster) ({idle})"
    yield Alert(
        "GpusIdle", WARNING, "cost", count if usd is None else f"{count} * {number(usd)}", seen.paced(300),
        "{{ $value }} GPUs idle; what they cost is not known" if usd is None else
        f'idle GPUs cost {{{{ $value | printf "%.2f" }}}} USD/h, {usd:.2f} USD/h each',
        "submit the run, or end the cluster: fmctl teardown",
    )  # fmt: skip
    yield from _cap(seen)


def _cap(seen: Watched) -> Iterator[Alert]:
    cap = seen.settings.cap_usd
    if cap is None:
        return
    spent = f"({spend_expression(seen)})"
    said = f'{{{{ $value | printf "%.0f" }}}} USD spent of {cap:.0f} USD'
    yield Alert(
        "SpendNearCap", WARNING, "cost", f"({spent} > {number(NEAR_CAP * cap)}) <= {number(cap)}", 0.0, said,
        "compare the steps left with the money left; raise the cap or end the run at a checkpoint",
    )  # fmt: skip
    yield Alert(
        "SpendOverCap", CRITICAL, "cost", f"{spent} > {number(cap)}", 0.0, said,
        "save a checkpoint and end the cluster: fmctl teardown",
    )  # fmt: skip


def spend_expression(seen: Watched) -> str:
    """USD so far: as somebody counts it, else hours since the run's first start at the plan's price of all nodes."""
    usd_per_h = seen.expected.usd_per_h
    counted = f"max by (cluster) ({names.SPEND}{selector(seen.labels)})"
    if usd_per_h is None:
        return counted
    # The earliest start seen in a month: a restart does not set the bill to zero.
    began = f"min by (cluster) (min_over_time({names.RUN_STARTED.record}{selector(seen.run_labels)}[30d]))"
    return f"{counted} or ((time() - {began}) / 3600 * {number(usd_per_h)})"


def _capacity(seen: Watched) -> Iterator[Alert]:
    """Before the last save has to begin, with the time of one interval to spare: known end, or the metric's."""
    plan, sel = seen.expected, selector(seen.labels)
    end = f"max by (cluster) ({names.CAPACITY_END}{sel})"
    if plan.capacity_end_s is not None:
        end = f'{end} or label_replace(vector({number(plan.capacity_end_s)}), "cluster", {_word(seen)}, "", "")'
    ahead_s = plan.save_stall_s + plan.save_drain_s + (plan.save_interval_s or 0.0)
    if plan.capacity_end_s is not None and plan.save_by_s is not None:
        ahead_s = max(ahead_s, plan.capacity_end_s - plan.save_by_s + (plan.save_interval_s or 0.0))
    # assumed: an hour at least, for a person to be found.
    ahead_s = max(3600.0, ahead_s)
    left = f"(({end}) - time())"
    yield Alert(
        "CapacityEnding", CRITICAL, "cost", f"({left} < {number(ahead_s)}) > 0", 0.0,
        "the capacity is taken away in {{ $value | humanizeDuration }}",
        "save a checkpoint now and see that it is safe; fmctl launch with the next block goes on from it",
    )  # fmt: skip


def _word(seen: Watched) -> str:
    """The cluster's name as label_replace takes it: it was checked, so that it holds no $."""
    return f'"{seen.cluster}"'
