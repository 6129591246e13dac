"""Estimates and plans as plain documents: what the domain objects hold, renamed to keys, nothing added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from fmctl.base.read import part
from fmctl.domain.hardware import Price
from fmctl.domain.layout import CODES
from fmctl.domain.result import Estimate, NearMiss, Plan, PlanRequest
from fmctl.domain.terms import TERMS_OF
from fmctl.report.envelope import envelope
from fmctl.report.runs import levers_document, run_document
from fmctl.report.view import Document

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Price as PriceRow
    from fmctl.domain.rows.results import Cost, EstimateDocument, EstimateRow, PlanDocument, PlanResult, Workload
    from fmctl.domain.rows.results import NearMiss as NearMissRow

_GROUPS = ("time", "communication", "memory", "flop", "run", "checkpoint", "energy")


def estimate_document(plan: Plan, request: PlanRequest, provenance: Mapping[str, object]) -> EstimateDocument:
    """`fmctl.estimate/1` out of the best row, or out of the nearest miss where nothing fits."""
    estimate = plan.rows[0] if plan.rows else plan.nearest.estimate if plan.nearest else None
    result = estimate_result(estimate) if estimate else None
    sources = _provenance(request, provenance, [estimate] if estimate else [])
    warnings = [*plan.notes, *_warnings([estimate] if estimate else [])]
    document: EstimateDocument = envelope(
        "estimate", result, inputs=inputs(request), provenance=sources, warnings=warnings
    )
    return document


def plan_document(plan: Plan, request: PlanRequest, provenance: Mapping[str, object]) -> PlanDocument:
    """`fmctl.plan/1`: the ranked rows, what was rejected and why, the nearest miss where nothing fits."""
    sources = _provenance(request, provenance, plan.rows)
    left_out = [f"{name} was left out: {why}" for name, why in part(request.options.get("left_out")).items()]
    warnings = [*plan.notes, *left_out, *_warnings(plan.rows)]
    document: PlanDocument = envelope(
        "plan", plan_result(plan), inputs=inputs(request), provenance=sources, warnings=warnings
    )
    return document


def plan_result(plan: Plan) -> PlanResult:
    """The ranked rows, and what became of the other candidates."""
    front = set(plan.pareto)
    return {
        "objective": plan.objective,
        "rows": [
            {"rank": i + 1, "pareto": i in front, "told_apart": apart, **estimate_result(row)}
            for i, (row, apart) in enumerate(zip(plan.rows, plan.told_apart, strict=True))
        ],
        "rejects": [{"reason": r.reason, "sentence": r.sentence, "count": r.count} for r in plan.rejects],
        "nearest": _nearest(plan.nearest),
        "levers": levers_document(plan.levers),
        "candidates": plan.candidates,
        "evaluated": plan.evaluated,
        "fitting": plan.fitting,
        "search_s": plan.search_s,
    }


def estimate_result(estimate: Estimate) -> EstimateRow:
    """One row: identity, layout, workload, then the terms by group."""
    terms: dict[str, dict[str, object]] = {group: {} for group in _GROUPS}
    for term in TERMS_OF[estimate.workload.kind]:
        if term.name in estimate.terms and term.group in terms:
            terms[term.group][term.name] = estimate.terms[term.name]
    terms["memory"]["device_bytes"] = estimate.instance.accelerator.memory_bytes
    terms["run"] |= {"run_s": estimate.run_s, "run_low_s": estimate.run_low_s, "run_high_s": estimate.run_high_s}
    terms["energy"]["run_wh"] = estimate.run_wh
    found = {
        "model": estimate.arch.name,
        "framework": estimate.framework,
        "instance": estimate.instance.name,
        "nodes": estimate.nodes,
        "gpus": estimate.nodes * estimate.instance.gpus,
        "fits": estimate.fits,
        "layout": estimate.layout.as_dict(),
        "workload": _workload(estimate),
        **terms,
        "cost": _cost(estimate),
        "measured_fraction": estimate.terms.get("measured_fraction"),
        "resolution": estimate.resolution,
        "whole_run": None if estimate.whole is None else run_document(estimate.whole),
        "chosen": dict(estimate.chosen),
        "notes": list(estimate.notes),
    }
    return cast("EstimateRow", found)  # its groups are those of the table of terms


def inputs(request: PlanRequest) -> Document:
    """What was asked, with the defaults that were filled in."""
    return {
        "model": request.arch.name,
        "instances": [instance.name for instance in request.instances],
        "node_counts": list(request.node_counts),
        "seq_len": request.seq_len,
        "global_batch": request.global_batch,
        "tokens": request.tokens or None,
        "framework": request.framework,
        "objective": request.objective,
        "fixed": {name: [_spelled(name, v) for v in values] for name, values in request.fixed.items()},
        "deadline_s": request.deadline_s,
        "budget_usd": request.budget_usd,
        "top": request.top,
        "options": dict(request.options),
    }


def price_document(price: Price) -> PriceRow:
    """One price with its date and source."""
    return {
        "instance": price.instance,
        "region": price.region,
        "option": price.option,
        "usd_per_h": price.usd_per_h,
        "date": price.date,
        "source": price.source,
        "note": price.note,
    }


def _workload(estimate: Estimate) -> Workload:
    work = estimate.workload
    return {
        "seq_len": work.seq_len,
        "global_batch": work.global_batch,
        "tokens_per_step": work.tokens_per_step,
        "tokens": work.tokens or None,
        "optimizer": work.optimizer,
    }


def _cost(estimate: Estimate) -> Cost:
    return {
        "usd_per_h": estimate.usd_per_h,
        "usd_per_billion_tokens": estimate.usd_per_billion_tokens,
        "run_usd": estimate.run_usd,
        "price_usd_per_h": estimate.price.usd_per_h,
        "price_region": estimate.price.region,
        "price_option": estimate.price.option,
        "price_date": estimate.price.date,
    }


def _nearest(miss: NearMiss | None) -> NearMissRow | None:
    if miss is None:
        return None
    return {
        "short_bytes": miss.short_bytes,
        "largest_term": miss.largest_term,
        "advice": miss.advice,
        "estimate": estimate_result(miss.estimate),
    }


def _provenance(request: PlanRequest, given: Mapping[str, object], rows: Sequence[Estimate]) -> Document:
    arch = request.arch
    shares = [row.terms["measured_fraction"] for row in rows if "measured_fraction" in row.terms]
    return {
        "prices": [price_document(price) for price in request.prices.values()],
        "model": {"name": arch.name, "hf_id": arch.hf_id, "source": arch.source, "retrieved": arch.retrieved},
        "instances": [{"name": i.name, "source": i.source, "retrieved": i.retrieved} for i in request.instances],
        "measured_fraction": min(shares) if shares else None,
        **given,
    }


def _warnings(rows: Sequence[Estimate]) -> list[str]:
    unknown = {
        f"the {row.price.option} price of {row.instance.name} in {row.price.region} is not known: cost is left open"
        for row in rows
        if row.price.usd_per_h is None
    }
    long = {
        f"sequences of {row.workload.seq_len} tokens are longer than the {row.arch.max_seq} that {row.arch.name} states"
        for row in rows
        if 0 < row.arch.max_seq < row.workload.seq_len
    }
    return sorted(unknown | long)


def _spelled(name: str, value: int) -> object:
    return CODES[name](value).label if name in CODES else value
