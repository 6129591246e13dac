"""How a person reads an estimate: the answer first, then layout, time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from fmctl.base.errors import UsageError
from fmctl.report.runs import run_sections, run_usd, wall_s
from fmctl.report.view import Column, Report, Section, Table, by_name, facts, terms_of
from fmctl.report.words import FIT_WORDS, compact_layout, label, plural, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import EstimateDocument, EstimateRow, PlanInputs, PlanProvenance
    from fmctl.domain.rows.terms import EnergyTerms, LayoutRow

Result: TypeAlias = "EstimateRow"


def estimate_report(document: EstimateDocument) -> Report:
    """The whole report of a `fmctl.estimate/1` document. Raises UsageError where nothing fits."""
    result = document["result"]
    if result is None:
        raise UsageError("this estimate shows nothing", why="no layout fits", next="fmctl plan MODEL")
    return row_report(document, result)


def row_report(document: PlanOrEstimate, result: EstimateRow) -> Report:
    """The whole report of one row of a document."""
    defaulted = defaulted_of(document["inputs"])
    sections = (
        Section(table=_answer(result)),
        Section("Layout", _layout(result, defaulted), _also_chosen(result, defaulted)),
        Section("Step", _parts(result, "time", "step_s")),
        Section("Memory per GPU", _parts(result, "memory", "used_bytes")),
        *run_sections(document["inputs"], result, "The whole run"),
        Section("Sources", _sources(result, document["provenance"])),
    )
    return Report(title_of(result), tuple(s for s in sections if (s.table is not None and s.table.rows)))


class Titled(TypedDict):
    """What a title says of a row, or of what is explained."""

    model: str
    framework: str
    instance: str
    nodes: int
    gpus: int


def title_of(result: Titled) -> str:
    """`llama-3.1-70b on 16 x p5.48xlarge (128 GPUs), megatron`."""
    return (
        f"{result['model']} on {result['nodes']} x {result['instance']} ({plural(result['gpus'], 'GPU')}), "
        f"{result['framework']}"
    )


def _answer(result: Result) -> Table:
    flop, run, cost, energy = result["flop"], result["run"], result["cost"], result["energy"]
    time, memory = result["time"], result["memory"]
    span = (
        f"{say('_s', time['step_low_s'])} to {say('_s', time['step_high_s'])} (80 %)"
        if "step_low_s" in by_name(time)
        else ""
    )
    whole = result.get("whole_run")
    ends = (
        (whole["wall_p10_s"] if whole else None) or run.get("run_low_s"),
        (whole["wall_p90_s"] if whole else None) or run.get("run_high_s"),
    )
    run_span = f"{say('_s', ends[0])} to {say('_s', ends[1])}" if ends[0] else ""
    price = f"{say('usd_per_h', cost['price_usd_per_h'])} each, {cost['price_option']}, {cost['price_region']}"
    price += f", {cost['price_date']}" if cost["price_date"] else ""
    return facts(
        ("memory", result["fits"], f"{FIT_WORDS[result['fits']]}, margin {say('_bytes', memory.get('margin_bytes'))}"),
        ("step", say("_s", time["step_s"]), span),
        ("MFU", say("mfu", flop.get("mfu")), f"HFU {say('hfu', flop.get('hfu'))}{_of_bf16(result)}"),
        (
            "tokens",
            say("tokens_per_s", run.get("tokens_per_s")),
            f"{say('tokens_per_s', run.get('tokens_per_s_per_gpu'))} per GPU",
        ),
        ("run", "" if run["run_s"] is None else say("_s", wall_s(result)), run_span),
        ("cost", "" if run["run_s"] is None else say("_usd", run_usd(result)), "the run"),
        ("", say("usd_per_billion_tokens", cost["usd_per_billion_tokens"]), "per 10⁹ tokens"),
        ("", say("usd_per_h", cost["usd_per_h"]), price),
        ("energy", say("_wh", energy.get("wh_per_million_tokens")), "per 10⁶ tokens" + _power(energy)),
        ("checkpoint", say("_bytes", result["checkpoint"].get("checkpoint_bytes")), _save(result)),
    )


def _of_bf16(result: Result) -> str:
    """What utilisation is measured against, where the products run faster than that: it may pass 100 %."""
    return "" if result["layout"]["precision"] == "bf16" else ", both of the bf16 peak"


def _power(energy: EnergyTerms) -> str:
    parts = f", {say('_w', energy['power_w'])} in all"
    return parts + (f", {say('_wh', energy['run_wh'])} the run" if energy["run_wh"] is not None else "")


def _save(result: Result) -> str:
    save = by_name(result["checkpoint"]).get("checkpoint_save_s")
    return "" if save is None else f"saved in {say('_s', save)} to FSx for Lustre"


def defaulted_of(inputs: PlanInputs) -> Sequence[str]:
    """What nobody stated, and so was chosen."""
    names = inputs.get("options", {}).get("defaulted", ())
    return tuple(str(name) for name in names) if isinstance(names, list | tuple) else ()


def _layout(result: Result, defaulted: Sequence[str]) -> Table:
    layout, work, chosen = result["layout"], result["workload"], result["chosen"]
    rows = [("layout", compact_layout(layout), _stated(layout, chosen))]
    rows += [
        (label(name), _switch(name, by_name(layout)[name]), "")
        for name in _SPELLED
        if by_name(layout)[name] or name in chosen
    ]
    rows += [
        ("sequence length", str(work["seq_len"]), "chosen" if "seq_len" in defaulted else ""),
        ("global batch", str(work["global_batch"]), f"{say('tokens', work['tokens_per_step'])} tokens per step"),
    ]
    return facts(*rows)


def _also_chosen(result: Result, defaulted: Sequence[str]) -> tuple[str, ...]:
    """What else nobody stated, beside the layout and the sequence length."""
    others = (*defaulted, *(name for name in result["chosen"] if name not in result["layout"]))
    names = [label(name) for name in others if name != "seq_len"]
    return (f"Also chosen, because nobody stated it: {', '.join(names)}.",) if names else ()


_SPELLED = ("precision", "sharding", "recompute", "schedule", "sequence_parallel")


def _switch(name: str, value: object) -> str:
    return ("yes" if value else "no") if name == "sequence_parallel" else str(value)


def _stated(layout: LayoutRow, chosen: Mapping[str, str]) -> str:
    """Which fields of the layout were stated and which chosen, whichever is shorter to say."""
    stated, picked = [n for n in layout if n not in chosen], [n for n in layout if n in chosen]
    if not stated or not picked:
        return "" if not picked else "chosen"
    return f"stated: {', '.join(stated)}" if len(stated) < len(picked) else f"chosen: {', '.join(picked)}"


def _parts(result: Result, group: str, total: str) -> Table:
    """The parts of one total, largest first, with their share of it."""
    from fmctl.domain.terms import TERM_BY_NAME, TERMS

    values = terms_of(result, group)
    whole = values.get(total)
    names = [n for n in values if n in TERM_BY_NAME and TERM_BY_NAME[n].parent]
    names.sort(key=lambda n: -(values[n] or 0))
    shown = [(n, value) for n in names if (value := values[n])]
    columns = (Column(""), Column("", "right"), Column("", "right"))
    rows = [(TERM_BY_NAME[n].title, say(n, value), f"{value / whole:.0%}" if whole else "") for n, value in shown]
    if rows and group == "memory":
        # Reserved is the sum of the parts with what the allocator loses; with the context it is all in use.
        sums = [term for term in TERMS if term.group == group and not term.parent]
        rows += [(term.title, say(term.name, values[term.name]), "") for term in sums if term.name in values]
        rows.append(("device memory", say("_bytes", values["device_bytes"]), ""))
    return Table(columns, tuple(rows), header=False)


def _sources(result: Result, provenance: PlanProvenance) -> Table:
    calibration = by_name(provenance.get("calibration") or {})
    share = result["measured_fraction"]
    measured = "" if share is None else f"{say('share', share)} of kernel time inside measured tables"
    return facts(
        ("kernels", measured),
        ("calibration", ", ".join(str(v) for v in calibration.values() if isinstance(v, str))),
        ("prices", "; ".join(dict.fromkeys(p["source"] for p in provenance["prices"] if p["source"]))),
        ("model", provenance["model"]["source"]),
    )
