"""Where a run is off its plan: the likeliest reasons, each with the values it rests on and what to try.

A reason's score is the share of time that its values say is lost, so that the largest loss comes first. A value counts
only beyond what healthy runs show (`normal`); these limits are judgements, said beside each. What another reason
explains (a slow node because it is hot) follows the one that explains it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fmctl.progress.evidence import Evidence

# Limits of what healthy runs show. assumed, all of them: beyond the spread of published step times and of the noise
# that clocks, counters and samples have on healthy nodes.
RANK_EXCESS = 0.06
CLOCK_LOSS = 0.06
HELD_SHARE = 0.10
HOT_C = 84.0
LIMIT_LOSS = 0.05
RETRANSMIT_SHARE = 1e-3
NETWORK_LOSS = 0.20
EXCHANGE_EXCESS = 0.06
EXPERT_LOAD = 1.6
DATA_WAIT = 0.05
STALL_RATIO = 2.0
STALL_SHARE = 0.01
RESTART_RATIO = 1.5
RESTART_SHARE = 0.03
IDLE_SHARE = 0.15
HOST_BUSY = 0.85
MEMORY_SHARE = 0.95
RETRIES = 0.02
SPIKES = 3

STRAGGLER, THERMAL, POWER, NETWORK = "straggling node", "thermal throttling", "power throttling", "EFA network"
EXCHANGE, DATA, SAVES, RESTARTS = "all-to-all imbalance", "data stalls", "checkpoint stalls", "restarts"
HOST, MEMORY, LOSS = "host-bound", "memory pressure", "NaN or loss spikes"
# Where both are named, the second is a consequence of the first.
_EXPLAINS: Mapping[str, tuple[str, ...]] = {
    THERMAL: (STRAGGLER, POWER, EXCHANGE),
    POWER: (STRAGGLER,),
    NETWORK: (EXCHANGE, SAVES, STRAGGLER),
    EXCHANGE: (STRAGGLER,),
    DATA: (HOST, STRAGGLER),
    MEMORY: (HOST, RESTARTS, STRAGGLER, DATA),
    LOSS: (RESTARTS,),
    STRAGGLER: (HOST,),
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value that a reason rests on, and what healthy runs show at most (or at least, where less is worse)."""

    name: str
    measured: float
    normal: float


@dataclass(frozen=True, slots=True)
class Reason:
    """One likely reason why a run differs from its plan."""

    name: str
    score: float  # share of time that is lost by it, in [0, 1]
    values: tuple[Value, ...]
    advice: str

    def as_dict(self) -> dict[str, object]:
        """For documents."""
        values = [{"name": v.name, "measured": v.measured, "normal": v.normal} for v in self.values]
        return {"name": self.name, "score": self.score, "values": values, "advice": self.advice}


Found = tuple[float, tuple[Value, ...]] | None


def diagnose(evidence: Evidence) -> tuple[Reason, ...]:
    """Likely reasons, likeliest first; none where every value is as in healthy runs."""
    found = []
    for name, rule, advice in RULES:
        told = rule(evidence)
        if told is not None:
            found.append(Reason(name, min(max(told[0], 0.0), 1.0), told[1], advice))
    found.sort(key=lambda one: -one.score)
    return tuple(_ordered(found))


def _ordered(found: list[Reason]) -> list[Reason]:
    """Consequences behind their reasons, the order kept otherwise."""
    names = {one.name for one in found}
    explained = {later for name in names for later in _EXPLAINS.get(name, ())}
    return [one for one in found if one.name not in explained] + [one for one in found if one.name in explained]


def _above(evidence: Evidence, name: str, normal: float) -> tuple[Value, ...]:
    measured = getattr(evidence, name)
    return (Value(name, float(measured), normal),) if measured is not None and measured > normal else ()


def _below(evidence: Evidence, name: str, normal: float) -> tuple[Value, ...]:
    measured = getattr(evidence, name)
    return (Value(name, float(measured), normal),) if measured is not None and measured < normal else ()


def _loss(values: tuple[Value, ...]) -> float:
    """Share of time lost where one part is slower by an excess: the largest x / (1 + x)."""
    return max((abs(v.measured) / (1.0 + abs(v.measured)) for v in values), default=0.0)


def _straggler(e: Evidence) -> Found:
    """One node's own time, or clocks, apart from the others'."""
    values = _above(e, "rank_excess", RANK_EXCESS) + _below(e, "slowest_clock_excess", -CLOCK_LOSS)
    return (_loss(values), values) if values else None


def _thermal(e: Evidence) -> Found:
    """Clocks held down by temperature; a hot GPU alone is none."""
    held = _above(e, "thermal_share", HELD_SHARE)
    if not held:
        return None
    slow = _below(e, "clock_excess", -CLOCK_LOSS) + _below(e, "slowest_clock_excess", -CLOCK_LOSS)
    return max(_loss(slow), 0.5 * held[0].measured), held + slow + _above(e, "temperature_c", HOT_C)


def _power(e: Evidence) -> Found:
    """The power limit holds clocks below a healthy run's, or was lowered; or the power supply brakes.

    At full load the limit holds clocks on healthy nodes too: that alone is none.
    """
    held, brake = _above(e, "power_share", HELD_SHARE), _above(e, "brake_share", HELD_SHARE)
    slow, lowered = _below(e, "clock_excess", -CLOCK_LOSS), _below(e, "power_limit_excess", -LIMIT_LOSS)
    if not brake and not (held and (slow or lowered)):
        return None
    if brake or lowered:
        slow += _below(e, "slowest_clock_excess", -CLOCK_LOSS)
    # assumed: clocks fall by half as much as the limit, where no clock tells.
    return max(_loss(slow), *(0.5 * abs(v.measured) for v in lowered + brake), 0.0), held + brake + lowered + slow


def _network(e: Evidence) -> Found:
    """Packets sent again, or collectives well below their rate."""
    resent, slow = _above(e, "retransmit_share", RETRANSMIT_SHARE), _below(e, "network_excess", -NETWORK_LOSS)
    if not resent and not slow:
        return None
    lost = max(e.step_excess or 0.0, 0.0)
    return max(lost / (1.0 + lost), 0.05 if resent else 0.02), resent + slow


def _exchange(e: Evidence) -> Found:
    """All-to-all beyond the predicted share while tokens gather on few experts."""
    if e.all_to_all_share is None or e.predicted_all_to_all_share is None:
        return None
    share = _above(e, "all_to_all_share", e.predicted_all_to_all_share + EXCHANGE_EXCESS)
    full = _above(e, "expert_load", EXPERT_LOAD)
    if not share or (e.expert_load is not None and not full):
        return None
    excess = e.all_to_all_share - e.predicted_all_to_all_share
    return excess if full else 0.5 * excess, share + full


def _data(e: Evidence) -> Found:
    """Steps that wait for their batch; slow single steps speak for it but do not tell alone."""
    waits = _above(e, "data_wait_share", DATA_WAIT)
    return (waits[0].measured, waits + _above(e, "slow_share", DATA_WAIT)) if waits else None


def _saves(e: Evidence) -> Found:
    """Saves that stall for well over what was predicted, and take a share of the time that counts."""
    longest = None if e.predicted_stall_s is None else STALL_RATIO * e.predicted_stall_s
    share = _above(e, "stall_share", STALL_SHARE)
    stall = () if longest is None else _above(e, "stall_s", longest)
    return (share[0].measured, share + stall) if share and (stall or longest is None) else None


def _restarts(e: Evidence) -> Found:
    """More restarts than the high end of what was predicted, and time lost by them."""
    usual = None if e.predicted_restarts_per_day is None else RESTART_RATIO * e.predicted_restarts_per_day
    often = _above(e, "restarts_per_day", usual) if usual is not None else ()
    lost = _above(e, "restart_share", RESTART_SHARE)
    return (lost[0].measured, lost + often) if lost and (often or usual is None) else None


def _host(e: Evidence) -> Found:
    """GPUs without work while the process that issues it has no pause."""
    idle, busy = _below(e, "gpu_active_share", 1.0 - IDLE_SHARE), _above(e, "host_busy_share", HOST_BUSY)
    return (1.0 - idle[0].measured, idle + busy) if idle and busy else None


def _memory(e: Evidence) -> Found:
    """The allocator frees and asks again; nearly full devices speak for it."""
    retries, full = _above(e, "retries_per_step", RETRIES), _above(e, "memory_share", MEMORY_SHARE)
    if not retries:
        return None
    lost = max(e.step_excess or 0.0, e.slow_share or 0.0, 0.05)
    return lost / (1.0 + lost), retries + full


def _losses(e: Evidence) -> Found:
    """Training that does not train: all of the time is at stake."""
    bad, spikes = _above(e, "nan_steps", 0.0), _above(e, "loss_spikes", float(SPIKES))
    return (1.0 if bad else 0.5, bad + spikes) if bad or spikes else None


RULES: tuple[tuple[str, Callable[[Evidence], Found], str], ...] = (
    (LOSS, _losses, "Stop, go back to a checkpoint before it, skip the batches it began with, lower the learning "
     "rate or clip harder. Where only one rank shows NaN, test its GPU."),
    (STRAGGLER, _straggler, "Find the slowest rank's node, run its health checks (clocks, HBM and PCIe errors, "
     "NVLink), drain it and put a spare in its place."),
    (THERMAL, _thermal, "Drain the hot nodes and report them: AWS cools them. Until then they pace the whole job."),
    (POWER, _power, "Compare the power limits of all GPUs (nvidia-smi -q -d POWER); reset those that were lowered. "
     "Where all are at their limit, the plan's clocks are too high: calibrate it with this run."),
    (NETWORK, _network, "Look for the nodes with retransmits or link errors and drain them; check that all "
     "interfaces are used, the placement of the nodes, and the versions of EFA, the NCCL plugin and NCCL."),
    (EXCHANGE, _exchange, "Look at tokens per expert: raise the balancing loss or bias update, or cap the capacity; "
     "keep expert parallelism inside the NVLink domain."),
    (DATA, _data, "More loader workers and prefetching, data on local disks or a faster file system, tokenised "
     "beforehand; see `reading_limit` of the plan."),
    (SAVES, _saves, "Save asynchronously, sharded by rank, to a file system of the planned rate; see whether saves "
     "and data share it."),
    (RESTARTS, _restarts, "Read the first error of each restart; drain nodes that come twice; keep spares and save "
     "more often while it lasts."),
    (HOST, _host, "CUDA graphs, torch.compile, larger micro batches or less tensor parallelism; pin processes to "
     "cores; look for logging, synchronisation or garbage collection in the step."),
    (MEMORY, _memory, "Leave room: smaller micro batch, more recomputation or sharding; expandable segments in the "
     "allocator. Retries stop all streams of a GPU."),
)  # fmt: skip
