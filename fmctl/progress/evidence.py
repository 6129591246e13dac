"""What was measured of a run, each value optional: out of its log, and out of metrics of its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmctl.progress.state import Progress

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Measured values; None: not measured. Shares lie in [0, 1], excesses are ratios minus 1.

    Of the log: step_excess (step over predicted), rank_excess (slowest rank's own time over the median rank's),
    slow_share (of step time, lost in single slow steps), stall_s, stall_share and predicted_stall_s (saves),
    restarts_per_day with the high end that was predicted and restart_share (of wall time, lost to them),
    retries_per_step (allocator), nan_steps, loss_spikes, memory_share (peak over device).

    Of metrics of nodes (`fmctl.observe.measured`): clock_excess (median GPU's SM clock over that of a healthy run,
    minus 1), slowest_clock_excess (slowest node's over the median node's, minus 1), temperature_c (hottest GPU),
    thermal_share, power_share and brake_share (of time, clocks held down by temperature, by the power limit, by the
    power supply), power_limit_excess (lowest power limit of a GPU over its type's, minus 1), retransmit_share (packets
    sent again over sent), data_wait_share (of the step, waiting for the next batch), gpu_active_share (of the step,
    kernels running).

    Of profiles or timers alone, so that no command fills them: network_excess (achieved rate of collectives over
    predicted, minus 1), all_to_all_share (of the step, exposed; predicted_all_to_all_share is the plan's), expert_load
    (fullest expert over the mean), host_busy_share (of the step, the main thread issuing work).
    """

    step_excess: float | None = None
    rank_excess: float | None = None
    slowest_rank: int | None = None
    slow_share: float | None = None
    stall_s: float | None = None
    predicted_stall_s: float | None = None
    stall_share: float | None = None
    restarts_per_day: float | None = None
    predicted_restarts_per_day: float | None = None
    restart_share: float | None = None
    retries_per_step: float | None = None
    nan_steps: int | None = None
    loss_spikes: int | None = None
    memory_share: float | None = None
    clock_excess: float | None = None
    slowest_clock_excess: float | None = None
    temperature_c: float | None = None
    thermal_share: float | None = None
    power_share: float | None = None
    brake_share: float | None = None
    power_limit_excess: float | None = None
    retransmit_share: float | None = None
    network_excess: float | None = None
    all_to_all_share: float | None = None
    predicted_all_to_all_share: float | None = None
    expert_load: float | None = None
    data_wait_share: float | None = None
    gpu_active_share: float | None = None
    host_busy_share: float | None = None


def evidence_of(progress: Progress, row: EstimateRow) -> Evidence:
    """What log and plan give together; metrics are added with `dataclasses.replace`."""
    p, run, time = progress, row.get("whole_run"), row["time"]
    elapsed_s = p.last_at - p.began_at if p.last_at is not None and p.began_at is not None else 0.0
    steps = (p.last_step or 0) - (p.first_step or 0)
    device, wall_s = row["memory"]["device_bytes"], run["wall_p50_s"] if run else None
    broken_high = run["interruptions_high"] if run else None
    return Evidence(
        step_excess=None if p.step_s is None else p.step_s / time["step_s"] - 1.0,
        rank_excess=p.rank_excess,
        slowest_rank=p.slowest_rank,
        slow_share=p.slow_share,
        stall_s=p.stall_s,
        predicted_stall_s=run["save_stall_s"] if run else None,
        stall_share=p.stall_share,
        restarts_per_day=p.restarts / elapsed_s * _DAY_S if elapsed_s > 0.0 else None,
        predicted_restarts_per_day=broken_high / wall_s * _DAY_S if wall_s and broken_high is not None else None,
        restart_share=_lost(p),
        retries_per_step=p.alloc_retries / steps if steps > 0 else None,
        nan_steps=p.nan_steps,
        loss_spikes=p.loss_spikes,
        memory_share=p.memory_bytes / device if device and p.memory_bytes is not None else None,
        predicted_all_to_all_share=time["ep_exposed_s"] / time["step_s"] if "ep_exposed_s" in time else None,
    )


def _lost(p: Progress) -> float | None:
    """Share of wall time that was lost to neither training, saves nor slow steps, where there were restarts."""
    if p.goodput is None or not p.restarts:
        return None if p.goodput is None else 0.0
    return max(1.0 - p.goodput - (p.stall_share or 0.0) - (p.slow_share or 0.0), 0.0)
