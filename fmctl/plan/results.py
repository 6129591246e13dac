"""From a layout and its cluster to an `Estimate`: terms in full, fit, money, run length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance, Price
from fmctl.domain.layout import FIELDS, Layout, Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import Estimate, NearMiss
from fmctl.domain.terms import TERMS
from fmctl.domain.workload import Workload
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.perf.run import cost
from fmctl.perf.train.evaluate import evaluate

# A plan whose margin is under this share of device memory is called tight: allocators fragment, NCCL grows.
TIGHT_SHARE = 0.05


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cluster:
    """One instance type and count with the workload it would run and its price."""

    arch: ModelArch
    workload: Workload
    instance: Instance
    nodes: int
    framework: Framework
    price: Price
    calibration: Calibration = PRIOR

    @property
    def capacity_bytes(self) -> float:
        """Device memory as the API reports it."""
        return float(self.instance.accelerator.memory_bytes)

    @property
    def usd_per_h(self) -> float | None:
        """Price of all nodes."""
        return cost.usd_per_h(self.price.usd_per_h, self.nodes)

    @property
    def steps(self) -> float | None:
        """Optimizer steps of the run; None where no tokens were stated."""
        tokens = self.workload.tokens
        return tokens / self.workload.tokens_per_step if tokens else None


def fit_word(margin_bytes: float, capacity_bytes: float) -> str:
    """ok, tight (margin under 5 % of the device) or OOM."""
    if margin_bytes < 0:
        return "OOM"
    return "tight" if margin_bytes < TIGHT_SHARE * capacity_bytes else "ok"


def estimates(
    cluster: Cluster, layouts: list[Layout], fixed: Mapping[str, object], stated_batch: bool
) -> list[Estimate]:
    """Full estimates of single layouts on one cluster."""
    if not layouts:
        return []
    terms = evaluate(
        cluster.arch,
        cluster.workload,
        cluster.instance,
        Layouts.of(layouts),
        cluster.framework,
        cluster.calibration,
    )
    return [_estimate(cluster, layout, terms.row(i), fixed, stated_batch) for i, layout in enumerate(layouts)]


def _estimate(
    cluster: Cluster, layout: Layout, terms: dict[str, float], fixed: Mapping[str, object], stated_batch: bool
) -> Estimate:
    steps, hourly = cluster.steps, cluster.usd_per_h
    run_s = None if steps is None else steps * terms["step_s"]
    spelled = layout.as_dict()
    chosen = {name: str(spelled[name]) for name in FIELDS if name not in fixed}
    if not stated_batch:
        chosen["global_batch"] = str(cluster.workload.global_batch)
    return Estimate(
        arch=cluster.arch,
        workload=cluster.workload,
        instance=cluster.instance,
        nodes=cluster.nodes,
        framework=cluster.framework.name,
        layout=layout,
        terms=terms,
        price=cluster.price,
        fits=fit_word(terms["margin_bytes"], cluster.capacity_bytes),
        run_s=run_s,
        run_low_s=None if steps is None else steps * terms["step_low_s"],
        run_high_s=None if steps is None else steps * terms["step_high_s"],
        run_usd=cost.run_usd(hourly, run_s),
        usd_per_h=hourly,
        usd_per_billion_tokens=cost.usd_per_billion_tokens(hourly, terms["tokens_per_s"]),
        run_wh=None if run_s is None else terms["power_w"] * run_s / 3600.0,
        resolution=cluster.calibration.resolution(cluster.arch.is_moe),
        chosen=chosen,
        notes=_notes(cluster, layout),
    )


def _notes(cluster: Cluster, layout: Layout) -> tuple[str, ...]:
    notes = []
    if cluster.instance.member_count > 1:
        notes.append(f"one node is one UltraServer of {cluster.instance.member_count} {cluster.instance.member_type}")
    if cluster.arch.n_layers % (layout.pp * layout.vpp):
        notes.append("layers do not divide over the stages: end stages are shorter")
    if layout.ep * layout.etp > cluster.instance.fabric.domain_gpus:
        notes.append("expert parallelism crosses EFA")
    return tuple(notes)


def near_miss(estimate: Estimate) -> NearMiss:
    """What of `estimate` is too big and what would help."""
    short = max(-estimate.terms["margin_bytes"], 0.0)
    largest = max((term for term in TERMS if term.advice), key=lambda term: estimate.terms[term.name])
    advice = largest.advice if short > 0 else "more nodes or a later deadline; fewer nodes or a larger budget"
    return NearMiss(estimate, short, largest.name, advice)
