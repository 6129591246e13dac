"""When nothing was found: which of memory, deadline and budget stood in the way, by how much, and what to type next."""

from __future__ import annotations

from math import ceil
from shlex import quote
from typing import TYPE_CHECKING, cast

from fmctl.base.read import texts
from fmctl.base.settings import DEFAULT_FRAMEWORK
from fmctl.domain.layout import CODES
from fmctl.domain.result import Estimate, Plan, PlanRequest
from fmctl.report.plans import term_title
from fmctl.report.results import plan_result
from fmctl.report.words import compact_layout, say

if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanResult
    from fmctl.domain.rows.terms import LayoutRow

_DAY_S, _HOUR_S = 86_400, 3_600
_TARGETS = ("deadline", "budget")
# More nodes are proposed for a deadline up to this ratio: a fixed global batch stops scaling somewhere.
_MOST_SPEEDUP = 64
# What the proposed values allow for: speed-up is not quite linear, and a proposal that just misses is none.
_SLACK = 1.1


def what_failed(plan: Plan, request: PlanRequest) -> str:
    """`no layout of llama-3.1-405b fits 1 x p4d.24xlarge`, or that none meets the deadline or the budget there."""
    missed = _missed(plan, request)
    verb = f"meets the {' and the '.join(missed)} on" if missed else "fits" if plan.evaluated else "is possible on"
    return f"no layout of {request.arch.name} {verb} {_where(plan, request)}"


def why_it_failed(plan: Plan, request: PlanRequest) -> str:
    """The reasons with their counts, and what came closest."""
    parts = (why_nothing(plan_result(plan)), _nearest(plan, request))
    return ". ".join(part for part in parts if part)


def why_nothing(result: PlanResult, limit: int = 3) -> str:
    """The reasons with their counts, missed targets first, then the most frequent, in one sentence."""
    rejects = sorted(result["rejects"], key=lambda r: (r["reason"] not in _TARGETS, -r["count"]))
    said = [f"{r['sentence']} ({r['count']:,})" for r in rejects[:limit]]
    left = sum(r["count"] for r in rejects[limit:])
    said += [f"other reasons ({left:,})"] if left else []
    return "; ".join(said)


def next_command(plan: Plan, request: PlanRequest, model: str) -> str:
    """The command that is likeliest to find something: enough nodes for the model, or targets that can be met.

    Args:
        plan: what was found: nothing.
        request: what was asked.
        model: the model as the user spelled it.
    """
    row = plan.nearest.estimate if plan.nearest else None
    name = row.instance.name if row else request.instances[0].name
    words = ["fmctl plan", quote(model), f"--instances {name}"]
    missed = _missed(plan, request)
    if row is None or not missed:
        words += [f"--nodes {nodes}"] if (nodes := _enough_nodes(request, row)) else []
        return " ".join([*words, *_stated(request)])
    nodes, deadline_s, budget_usd = row.nodes, request.deadline_s, request.budget_usd
    over = (_wall_s(row) or 0.0) / deadline_s if deadline_s else 0.0
    if missed == ["deadline"] and over * _SLACK <= _MOST_SPEEDUP:
        nodes = _power_of_two(nodes * over * _SLACK)
    elif "deadline" in missed:
        deadline_s = (_wall_s(row) or 0.0) * _SLACK
    if "budget" in missed:
        budget_usd = (_usd(row) or 0.0) * _SLACK
    words += [f"--nodes {nodes}"]
    words += [f"--deadline {_duration(deadline_s)}"] if deadline_s is not None else []
    words += [f"--budget {_dollars(budget_usd)}"] if budget_usd is not None else []
    return " ".join([*words, *_stated(request)])


def _missed(plan: Plan, request: PlanRequest) -> list[str]:
    """Which targets the nearest layout misses; none where what it lacks is memory."""
    if plan.nearest is None or plan.nearest.short_bytes > 0:
        return []
    row, missed = plan.nearest.estimate, []
    wall_s, usd = _wall_s(row), _usd(row)
    if request.deadline_s is not None and wall_s is not None and wall_s > request.deadline_s:
        missed.append("deadline")
    if request.budget_usd is not None and usd is not None and usd > request.budget_usd:
        missed.append("budget")
    return missed


def _wall_s(row: Estimate) -> float | None:
    return row.run_s if row.whole is None else row.whole.wall_s[1]


def _usd(row: Estimate) -> float | None:
    return row.run_usd if row.whole is None else row.whole.comparable_usd


def _where(plan: Plan, request: PlanRequest) -> str:
    names = ", ".join(instance.name for instance in request.instances)
    counts = request.node_counts or ((plan.nearest.estimate.nodes,) if plan.nearest else ())
    if not counts:
        return names
    return f"{counts[0]} x {names}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} x {names}"


def _nearest(plan: Plan, request: PlanRequest) -> str:
    """What came closest, what it lacks, and what would help."""
    if plan.nearest is None:
        return ""
    miss, row = plan.nearest, plan.nearest.estimate
    layout = f"nearest: {compact_layout(cast('LayoutRow', row.layout.as_dict()))} on {row.nodes} x {row.instance.name}"
    if miss.short_bytes > 0:
        largest = f"most of it {term_title(miss.largest_term)}"
        return f"{layout} is short of {say('_bytes', miss.short_bytes)} per GPU, {largest}. To make room: {miss.advice}"
    said = []
    missed = _missed(plan, request)
    if "deadline" in missed:
        late = (_wall_s(row) or 0.0) - (request.deadline_s or 0.0)
        limit = say("_s", request.deadline_s)
        said.append(f"takes {say('_s', _wall_s(row))} ({say('_s', late)} past the deadline of {limit})")
    if "budget" in missed:
        over = (_usd(row) or 0.0) - (request.budget_usd or 0.0)
        limit = say("usd", request.budget_usd)
        said.append(f"costs {say('usd', _usd(row))} ({say('usd', over)} over the budget of {limit})")
    return f"{layout} fits but {' and '.join(said)}" if said else f"{layout} fits"


def _enough_nodes(request: PlanRequest, row: Estimate | None) -> int | None:
    """Nodes that should hold the model; None where the counts that plan tries by itself are the better answer."""
    from fmctl.plan.space import smallest_nodes

    instance = row.instance if row else request.instances[0]
    smallest = smallest_nodes(request.arch, instance)
    tried = max(request.node_counts, default=smallest)
    if smallest > tried:
        return smallest
    free = set(request.fixed) <= {"precision"}
    return 2 * tried if free else (tried if request.node_counts else None)


def _stated(request: PlanRequest) -> list[str]:
    """What was stated about the training run, as options; what was stated about the layout is left free."""
    words = [f"--tokens {_count(request.tokens)}"] if request.tokens else []
    words += [] if "seq_len" in texts(request.options.get("defaulted")) else [f"--seq-len {request.seq_len}"]
    words += [f"--global-batch {request.global_batch}"] if request.global_batch is not None else []
    words += [f"--framework {request.framework}"] if request.framework != DEFAULT_FRAMEWORK else []
    labels = ",".join(CODES["precision"](value).label for value in request.fixed.get("precision", ()))
    return words + ([f"--precision {labels}"] if labels else [])


def _power_of_two(least: float) -> int:
    return 1 << max(ceil(least) - 1, 0).bit_length()


def _count(count: float) -> str:
    """As `--tokens` reads it, exactly."""
    for unit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if count * 100 % unit == 0 and count >= unit:
            return f"{count / unit:g}{letter}"
    return f"{count:.0f}"


def _duration(span_s: float) -> str:
    """As `--deadline` reads it: whole days where that is exact or long enough, else hours, else seconds."""
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h")):
        if span_s % unit_s == 0 or span_s >= 10 * unit_s:
            return f"{ceil(span_s / unit_s)}{unit}"
    return f"{ceil(span_s)}s"


def _dollars(amount_usd: float) -> str:
    """As `--budget` reads it, rounded up."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if amount_usd >= unit:
            return f"{ceil(amount_usd / unit * 100) / 100:g}{letter}"
    return f"{ceil(amount_usd)}"
