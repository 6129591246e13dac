"""What would help a run most: one thing changed at a time, the same layout, the same way to buy it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import isnan

from fmctl.domain.layout import Layouts
from fmctl.domain.result import Estimate, PlanRequest
from fmctl.domain.run import MOST_SPARES, Lever
from fmctl.domain.terms import names
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR
from fmctl.perf.run.reliability import NODE_PER_H
from fmctl.perf.train.evaluate import evaluate
from fmctl.runs.grids import grid_of
from fmctl.runs.runs import Runs, compose
from fmctl.runs.trained import HOUR_S, train
from fmctl.runs.whole import columns_of, setting_of

PRICE_CUT, FASTER, WIDER = 0.10, 1.10, 1.25
_DAY_S = 24.0 * HOUR_S

Change = Callable[[Estimate, PlanRequest], tuple[Estimate, PlanRequest] | None]


def levers(row: Estimate, request: PlanRequest) -> tuple[Lever, ...]:
    """Changes by what they save, in USD where the price is known, else in days; those that cannot be made are out."""
    if row.whole is None or request.run is None:
        return ()
    base = _composed(row, request)
    found = [_price(base), *_changed(row, request, base)]
    return tuple(sorted(found, key=lambda one: (0.0 if one.usd is None else one.usd, one.days)))


def _changed(row: Estimate, request: PlanRequest, base: Runs) -> Iterator[Lever]:
    for name, change in CHANGES.items():
        made = change(row, request)
        if made is None:
            continue
        runs = _composed(*made)
        if bool(runs.possible[0]):
            days = float(runs.wall_s[0, 1] - base.wall_s[0, 1]) / _DAY_S
            usd = float(runs.comparable_usd[0] - base.comparable_usd[0])
            yield Lever(name, days, None if isnan(usd) else usd)


def _composed(row: Estimate, request: PlanRequest) -> Runs:
    assert row.whole is not None
    assert request.run is not None
    offer = row.whole.offer
    trained = train(setting_of(request, row.instance, [offer]), columns_of([row], request))
    return compose(trained, offer, grid_of(offer.region, request.run))


def _price(base: Runs) -> Lever:
    nodes = [line.usd for line in base.bill.lines(0) if line.name in ("compute nodes", "spare nodes")]
    known = [usd for usd in nodes if usd is not None]
    return Lever("nodes 10 % cheaper", 0.0, -PRICE_CUT * sum(known) if len(known) == len(nodes) else None)


def _again(row: Estimate, request: PlanRequest) -> Estimate:
    """The row evaluated anew, after something of it was replaced."""
    framework = (request.frameworks or FRAMEWORKS)[request.framework]
    terms = evaluate(
        row.arch, row.workload, row.instance, Layouts.of([row.layout]), framework, request.calibration or PRIOR
    )
    return replace(row, terms=terms.row(0))


def _fewer_failures(row: Estimate, request: PlanRequest) -> tuple[Estimate, PlanRequest] | None:
    assert request.run is not None
    now = request.run.per_1000_node_days
    half = NODE_PER_H * 24_000.0 / 2.0 if now is None else now / 2.0
    return row, replace(request, run=replace(request.run, per_1000_node_days=half))


def _spare(row: Estimate, request: PlanRequest) -> tuple[Estimate, PlanRequest] | None:
    assert request.run is not None
    more = request.run.spares + 1
    return None if more > MOST_SPARES else (row, replace(request, run=replace(request.run, spares=more)))


def _wider_efa(row: Estimate, request: PlanRequest) -> tuple[Estimate, PlanRequest] | None:
    fabric = row.instance.fabric
    link = replace(fabric.network, bytes_per_s=fabric.network.bytes_per_s * WIDER)
    instance = replace(row.instance, fabric=replace(fabric, network=link))
    return _again(replace(row, instance=instance), request), request


def _faster_kernels(row: Estimate, request: PlanRequest) -> tuple[Estimate, PlanRequest] | None:
    """Kernels 10 % faster; bubbles and stragglers, which are as long as stages are, with them."""
    terms = dict(row.terms)
    saved = sum(terms.get(name, 0.0) for name in names("compute", "stream", "wait")) * (1.0 - 1.0 / FASTER)
    ratio = 1.0 - saved / terms["step_s"]
    terms |= {name: terms[name] * ratio for name in ("step_s", "step_low_s", "step_high_s")}
    return replace(row, terms=terms), request


def _larger_batch(row: Estimate, request: PlanRequest) -> tuple[Estimate, PlanRequest] | None:
    work = replace(row.workload, global_batch=row.workload.global_batch * 2)
    return _again(replace(row, workload=work), request), request


def _more_nodes(row: Estimate, request: PlanRequest) -> tuple[Estimate, PlanRequest] | None:
    layout = row.layout
    per_step = layout.dp * 2 * layout.micro_batch
    if row.workload.global_batch % per_step:
        return None
    twice = replace(layout, dp=layout.dp * 2)
    return _again(replace(row, nodes=row.nodes * 2, layout=twice), request), request


CHANGES: dict[str, Change] = {
    "half as many interruptions": _fewer_failures,
    "one spare node more": _spare,
    "EFA 25 % wider": _wider_efa,
    "kernels 10 % faster": _faster_kernels,
    "global batch twice as large (training may need more tokens)": _larger_batch,
    "twice the nodes": _more_nodes,
}
