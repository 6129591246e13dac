"""A small cluster that trains, as its counters and its log would show it: healthy, or with one fault and what follows.

Written apart from the rules that judge it: a fault changes causes (a clock, a batch that comes late), and what is
measured follows from those.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from statistics import median

from fmctl.domain.logged import Event, Record
from fmctl.progress.compare import job_of
from fmctl.progress.evidence import Evidence, evidence_of
from fmctl.progress.summary import Summary
from tests.unit.progress.logs import plan_row

NODES, STEPS, STEP_S, EXCHANGE_S = 8, 400, 4.0, 0.4


@dataclass(frozen=True)
class Fault:
    """Causes. Slow nodes are the first `hit` ones."""

    name: str = ""
    hit: int = 1
    clock: float = 1.0  # of the nodes hit
    hot: bool = False
    capped: bool = False
    work: float = 1.0  # compute of the nodes hit over the others' (a bad link, a bad GPU)
    network: float = 1.0  # rate of collectives
    resent: float = 0.0
    experts: float = 1.15  # fullest expert over the mean
    batch_s: float = 0.0  # mean wait for a batch
    save_s: float = 10.0
    restarts: int = 0
    host_s: float = 0.0  # GPU waits for the host, per step
    retries: float = 0.0  # per step
    memory: float = 0.8
    nan_at: int = STEPS
    metrics: bool = True


def ran(fault: Fault, seed: int, noise: float = 1.0) -> Evidence:
    """What is measured of a run of 400 steps with a save after every hundredth."""
    rng = random.Random(seed)
    summary, at = Summary(job_of(plan_row())), 0.0
    own = [rng.gauss(1.0, 0.004 * noise) * (fault.work / fault.clock if n < fault.hit else 1.0) for n in range(NODES)]
    waits, idle = 0.0, 0.0
    exchange_s = EXCHANGE_S * fault.experts / 1.15 / fault.network
    traffic_s = 0.4 / fault.network
    losing = -1
    step = 0
    drawn = 0.0
    while step < STEPS:
        compute_s = (STEP_S - EXCHANGE_S - 0.4) * max(own) * rng.lognormvariate(0.0, 0.01 * noise)
        wait_s = rng.expovariate(1.0 / fault.batch_s) if fault.batch_s else 0.01 * rng.random() * noise
        freed_s = 1.5 if rng.random() < fault.retries else 0.0
        step_s = compute_s + exchange_s + traffic_s + wait_s + fault.host_s + freed_s
        if rng.random() < 0.005 * noise:
            step_s *= 1.3  # an evaluation, a garbage collection
        waits, idle, drawn = waits + wait_s, idle + fault.host_s + wait_s, drawn + step_s
        at += step_s
        step += 1
        loss = float("nan") if step > fault.nan_at else 2.5 + rng.gauss(0.0, 0.02 * noise)
        norm = rng.lognormvariate(0.0, 0.15 * noise)
        for n in range(NODES):
            ranked_s = step_s - compute_s + compute_s * own[n] / max(own)
            summary.add(Record(step, at, ranked_s * rng.gauss(1.0, 0.002), None, loss, norm, fault.memory * 80e9, n))
        if freed_s:
            summary.add(Event("alloc-retries", at, None, 1.0))
        if step % 100 == 0:
            stall_s = fault.save_s * rng.lognormvariate(0.0, 0.1 * noise)
            at += stall_s
            summary.add(Event("saved", at, step, stall_s))
        if fault.restarts and losing < fault.restarts - 1 and step > (losing + 2) * STEPS // (fault.restarts + 2):
            losing += 1
            summary.add(Event("interrupted", at))
            at += 300.0
            summary.add(Event("loaded", at, step - 15))
            step -= 15
    found = evidence_of(summary.progress(), plan_row())
    if not fault.metrics:
        return found
    clocks = [rng.gauss(1.0, 0.008 * noise) * (fault.clock if n < fault.hit else 1.0) for n in range(NODES)]
    warm = [rng.gauss(68.0, 4.0 * noise) + (22.0 if fault.hot and n < fault.hit else 0.0) for n in range(NODES)]
    return replace(
        found,
        clock_excess=median(clocks) - 1.0,
        slowest_clock_excess=min(clocks) / median(clocks) - 1.0,
        temperature_c=max(warm),
        thermal_share=0.6 if fault.hot else rng.random() * 0.01 * noise,
        power_share=0.8 if fault.capped else rng.random() * 0.3 * noise,
        retransmit_share=fault.resent + rng.random() * 1e-5 * noise,
        network_excess=fault.network * rng.gauss(1.0, 0.03 * noise) - 1.0,
        all_to_all_share=exchange_s * STEPS / drawn * rng.gauss(1.0, 0.03 * noise),
        expert_load=fault.experts * rng.gauss(1.0, 0.03 * noise),
        data_wait_share=waits / drawn,
        gpu_active_share=1.0 - idle / drawn - 0.03 - 0.02 * rng.random() * noise,
        host_busy_share=0.98 if fault.host_s else 0.55 + 0.1 * rng.random() * noise,
    )
