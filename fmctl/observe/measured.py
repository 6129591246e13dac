"""What the metrics of nodes tell of a run: values of `fmctl.progress.evidence.Evidence` by name, and power.

A few instant queries, each over the whole window. What a rule recorded is used where it is there, else what exporters
say. A metric that is not there leaves its value out.

What these metrics cannot show, and nothing here fills: the rate of collectives (bytes of EFA are those of a slow step
whatever slowed it), the exposed share of the all-to-all, the load of experts, and what the main thread does. NVLink
and XIDs have alerts (`alerts`) and no value here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import Protocol

from fmctl.base.errors import FmctlError, ServiceUnavailable, UsageError
from fmctl.observe import names
from fmctl.observe.promql import selector, span

# assumed: points of a window: a minute of four hours, and never closer than metrics are scraped as a rule. Fewer for
# many GPUs: Prometheus 2.42 takes 1-6 s a query for 240 points of 1,024 GPUs on one core, and we wait for ten.
POINTS, FEWEST_POINTS, CLOSEST_S = 240, 48, 15.0
MANY_GPUS = 1024
# A quarter of the window, within these; a run that is younger has no more than half of what it has.
RATE_S = (60.0, 300.0)
# assumed: the run's own best of 24 parts stands for a healthy clock; shorter parts than a minute are noise.
PARTS, SHORTEST_PART_S = 24, 60.0
# assumed: GPUs without kernels for this share of a step are launches and synchronisation, not data.
USUAL_IDLE = 0.10
# assumed: a mean over less than this share of the GPUs says nothing about all of them.
ENOUGH_GPUS = 0.9


class Series(Protocol):
    """One series of an answer."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Without order."""

    @property
    def values(self) -> Sequence[float]:
        """One of an instant query."""


class Answer(Protocol):
    """What a query gave."""

    @property
    def series(self) -> Sequence[Series]:
        """All of them."""


class Source(Protocol):
    """A Prometheus: `fmctl.adapters.prometheus.client.Prometheus`, or what a test hands in."""

    def instant(self, query: str, at: float | None = None) -> Answer:
        """The query's value at a time, s since 1970."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at, s since 1970."""

    start: float
    end: float
    points: int = POINTS

    @property
    def length_s(self) -> float:
        """At least one point."""
        return max(self.end - self.start, CLOSEST_S)

    def over(self, expression: str, how: str = "avg", first: str = "") -> str:
        """A subquery: the expression at so many moments of the window, put together by `how`_over_time."""
        step_s = max(self.length_s / self.points, min(CLOSEST_S, self.length_s / 10))
        return f"{how}_over_time({first}({expression})[{span(self.length_s)}:{span(step_s)}])"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the metrics of a run's nodes told of it."""

    cluster: str
    window: Window
    values: Mapping[str, float]  # by field of Evidence
    where: Mapping[str, str]  # the node, or GPU of a node, that a value is of
    gpu_power_w: float | None  # GPUs alone, all of the run's together
    gpus: int  # of how many it was read
    warnings: tuple[str, ...] = ()  # what was not asked or answered, and why

    def as_dict(self) -> dict[str, object]:
        """For documents."""
        return {
            "cluster": self.cluster, "start": self.window.start, "end": self.window.end, "values": dict(self.values),
            "where": dict(self.where), "gpu_power_w": self.gpu_power_w, "gpus_metered": self.gpus,
        }  # fmt: skip


def measure(source: Source, cluster: str, window: Window, gpus: int, gpu_limit_w: float | None = None) -> Measured:
    """Ask for everything once. Never raises for what a server does not have or does not answer.

    Args:
        source: where the metrics are.
        cluster: value of the label `cluster`, as in the rules and scrape jobs of `observe render`.
        window: of the run.
        gpus: of the run.
        gpu_limit_w: power limit of its type of GPU, by the catalogue.
    """
    window = replace(window, points=max(min(POINTS, POINTS * MANY_GPUS // max(gpus, 1)), FEWEST_POINTS))
    found: dict[str, Sequence[Series]] = {}
    warnings: list[str] = []
    for name, query in queries(cluster, window).items():
        try:
            found[name] = [one for one in source.instant(query, window.end).series if _finite(one)]
        except ServiceUnavailable as error:  # the next would wait as long
            warnings.append(f"{error.what}{_because(error)}: metrics that it had not answered by then are missing")
            break
        except UsageError as error:  # this query alone: too many samples, or a server that speaks less PromQL
            warnings.append(f"{error.what}{_because(error)}: {name}")
        except FmctlError as error:
            warnings.append(f"{error.what}{_because(error)}")
            break
    if not warnings and not any(found.values()):
        between = " to ".join(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (window.start, window.end))
        why = (
            f"Prometheus has no metrics with cluster={cluster!r} from {between} UTC, as which the log's clock is taken"
        )
        warnings.append(why)
    return _told(_ours(found, gpus), Measured(cluster, window, {}, {}, None, 0, tuple(warnings)), gpus, gpu_limit_w)


def _ours(found: Mapping[str, Sequence[Series]], gpus: int) -> Mapping[str, Sequence[Series]]:
    """Without spares and other jobs' nodes: of more GPUs than the run has, the busiest; idle clocks are low ones."""
    active = sorted(found.get("active", ()), key=_value, reverse=True)
    if len(active) <= gpus:
        return found
    busiest = {_named(one) for one in active[:gpus]}
    nodes = {_node(one) for one in active[:gpus]}
    return {
        name: [one for one in some if _named(one) in busiest or ("gpu" not in one.labels and _node(one) in nodes)]
        if name != "steady"  # of the cluster's median busy GPU
        else some
        for name, some in found.items()
    }


def _because(error: FmctlError) -> str:
    return f" ({error.why})" if error.why else ""


def _finite(one: Series) -> bool:
    return bool(one.values) and math.isfinite(one.values[-1])


def queries(cluster: str, window: Window) -> dict[str, str]:
    """What is asked, by name."""
    sel = selector({"cluster": cluster})
    rate_s = min(max(window.length_s / 4, min(RATE_S[0], window.length_s / 2)), RATE_S[1])

    def seen(signal: names.Signal) -> str:
        """Without a name: in a window that a rule began in, both would be series of the same labels."""
        return f"max by ({signal.by}) ({signal.record}{sel} or {signal.expression(sel, rate_s)})"

    mask, clock, busy = seen(names.GPU_CLOCK_REASONS), seen(names.GPU_CLOCK), seen(names.GPU_BUSY)
    hot = f"clamp_max({_bit(mask, 0x20)} + {_bit(mask, 0x40)}, 1)"
    found = {
        "clock": window.over(clock),
        "active": window.over(busy, "quantile", "0.5, "),
        "power": window.over(seen(names.GPU_POWER)),
        "temperature": window.over(seen(names.GPU_TEMPERATURE), "max"),
        "thermal": window.over(hot),
        "capped": window.over(_bit(mask, 0x4)),
        "brake": window.over(_bit(mask, 0x80)),
        "slowed": window.over(_bit(mask, 0x8)),
        "limit": window.over(seen(names.GPU_POWER_LIMIT), "min"),
        "resent": window.over(_resent(seen)),
        "io": window.over(seen(names.HOST_IO_WAIT), "quantile", "0.5, "),
    }
    if window.length_s >= PARTS * SHORTEST_PART_S:
        found["steady"] = _against_best(f"{clock} and on ({names.GPU}) ({busy} > 0.5)", window)
    return found


def _resent(seen: Callable[[names.Signal], str]) -> str:
    """Of packets; of bytes where an exporter does not count packets."""
    again, sent = seen(names.EFA_RESENT_PACKETS), seen(names.EFA_SENT_PACKETS)
    again_bytes, sent_bytes = seen(names.EFA_RESENT), seen(names.EFA_SENT)
    return f"({again} / ({sent} > 0)) or ({again_bytes} / ({sent_bytes} > 0))"


def _bit(mask: str, bit: int) -> str:
    return f"(floor({mask} / {bit}) % 2)"


def _against_best(clock: str, window: Window) -> str:
    """Mean clock of the median busy GPU over that of the run's best part: idle GPUs run at higher clocks."""
    middle = f"quantile by (cluster) (0.5, {clock})"
    part = window.length_s / PARTS
    parts = f"avg_over_time(({middle})[{span(part)}:{span(max(window.length_s / window.points, CLOSEST_S))}])"
    best = f"max_over_time(({parts})[{span(window.length_s - part)}:{span(part)}])"
    return f"{window.over(middle)} / {best}"


def _told(found: Mapping[str, Sequence[Series]], base: Measured, gpus: int, gpu_limit_w: float | None) -> Measured:
    values: dict[str, float] = {}
    where: dict[str, str] = {}

    def most(name: str, query: str) -> None:
        one = max(found.get(query, ()), key=_value, default=None)
        if one is not None:
            values[name], where[name] = _value(one), _named(one)

    most("temperature_c", "temperature")
    most("thermal_share", "thermal")
    most("power_share", "capped")
    _braked(found, values, where)
    most("retransmit_share", "resent")
    for one in found.get("steady", ()):
        values["clock_excess"] = _value(one) - 1.0
    _slowest(found.get("clock", ()), values, where)
    lowest = min(found.get("limit", ()), key=_value, default=None)
    if lowest is not None and gpu_limit_w:
        values["power_limit_excess"], where["power_limit_excess"] = _value(lowest) / gpu_limit_w - 1.0, _named(lowest)
    _waiting(found, values)
    power_w, metered, why = _power(found.get("power", ()), gpus)
    return Measured(base.cluster, base.window, values, where, power_w, metered, base.warnings + why)


def _value(one: Series) -> float:
    return float(one.values[-1])


def _node(one: Series) -> str:
    return str(one.labels.get("node", "?"))


def _named(one: Series) -> str:
    gpu = one.labels.get("gpu")
    return _node(one) if gpu is None else f"{_node(one)} GPU {gpu}"


def _braked(found: Mapping[str, Sequence[Series]], values: dict[str, float], where: dict[str, str]) -> None:
    """The brake's own bit, or a slowdown of the hardware for as long as it was not heat."""
    hot = {_named(one): _value(one) for one in found.get("thermal", ())}
    shares = {_named(one): _value(one) for one in found.get("brake", ())}
    for one in found.get("slowed", ()):
        name = _named(one)
        shares[name] = max(shares.get(name, 0.0), _value(one) - hot.get(name, 0.0))
    if shares:
        worst = max(shares, key=lambda name: shares[name])
        values["brake_share"], where["brake_share"] = shares[worst], worst


def _slowest(clocks: Sequence[Series], values: dict[str, float], where: dict[str, str]) -> None:
    """The slowest GPU of a node is the node's clock: one is enough to hold a job up."""
    nodes: dict[str, float] = {}
    for one in clocks:
        node = _node(one)
        nodes[node] = min(_value(one), nodes.get(node, math.inf))
    usual = median(nodes.values()) if len(nodes) > 1 else 0.0
    if usual > 0.0:
        slowest = min(nodes, key=lambda node: nodes[node])
        values["slowest_clock_excess"], where["slowest_clock_excess"] = nodes[slowest] / usual - 1.0, slowest


def _waiting(found: Mapping[str, Sequence[Series]], values: dict[str, float]) -> None:
    """Idle GPUs, and of that what tasks on the median node wait for storage; medians leave saves and restarts out."""
    active = [_value(one) for one in found.get("active", ())]
    if not active:
        return
    values["gpu_active_share"] = min(median(active), 1.0)
    waits = [_value(one) for one in found.get("io", ())]
    if waits:
        idle = 1.0 - values["gpu_active_share"]
        values["data_wait_share"] = min(max(idle - USUAL_IDLE, 0.0), median(waits))


def _power(found: Sequence[Series], gpus: int) -> tuple[float | None, int, tuple[str, ...]]:
    """(W of the run's GPUs, of how many it was read, what is missing). Spares draw least and are left out."""
    drawn = sorted((_value(one) for one in found), reverse=True)[:gpus]
    if not drawn:
        return None, 0, ()
    if len(drawn) < ENOUGH_GPUS * gpus:
        why = f"power was read of {len(drawn)} of {gpus} GPUs: the others may draw more or less"
        return None, len(drawn), (why,)
    return math.fsum(drawn) / len(drawn) * gpus, len(drawn), ()
