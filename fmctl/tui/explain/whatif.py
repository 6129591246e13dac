"""What if: the fields of a layout, changed in place and estimated at once by the planner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fmctl.report.view import by_name
from fmctl.tui.plan.form import FieldSpec, Form

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.domain.rows.terms import LayoutRow

# What a plan asks and an estimate does not.
_AIMS = ("deadline", "budget", "objective", "max_nodes", "top", "save", "exhaustive", "nodes", "instances", "model")
_NUMBERS = ("tp", "pp", "vpp", "cp", "ep", "etp", "dp", "dp_replicate", "micro_batch", "recompute_layers")
_WORDS = ("precision", "sharding", "recompute", "schedule", "cp_comm", "dispatcher", "cuda_graph")

FIELDS = (
    FieldSpec("tp", "TP", "chosen", "Tensor parallel."),
    FieldSpec("pp", "PP", "chosen", "Pipeline stages."),
    FieldSpec("vpp", "VPP", "chosen", "Model chunks per stage."),
    FieldSpec("cp", "CP", "chosen", "Context parallel."),
    FieldSpec("ep", "EP", "chosen", "Expert parallel."),
    FieldSpec("micro_batch", "micro", "chosen", "Sequences per micro batch."),
    FieldSpec("sharding", "sharding", "chosen", "Sharded state.", "sharding"),
    FieldSpec("recompute", "recompute", "chosen", "Recomputation.", "recompute"),
    FieldSpec("precision", "precision", "chosen", "Arithmetic of the matrix products.", "precision"),
    FieldSpec("global_batch", "batch", "chosen", "Sequences per optimizer step."),
    FieldSpec("nodes", "nodes", "fewest", "Instances."),
    FieldSpec("instances", "instance", "p5.48xlarge", "One instance type.", "instances"),
)


class WhatIfForm(Form):
    """The fields of the layout; data parallel follows from the others."""

    SPECS = FIELDS


def exact_options(row: EstimateRow, asked: Mapping[str, str]) -> dict[str, str]:
    """The options under which `estimate` and `explain` answer with exactly this row.

    asked: what the plan was asked, by option; empty where that is not known.
    """
    layout, work = row["layout"], row["workload"]
    found = {name: value for name, value in asked.items() if name not in _AIMS}
    found |= {"instances": row["instance"], "nodes": str(row["nodes"]), "framework": row["framework"]}
    found |= {"seq_len": str(work["seq_len"]), "global_batch": str(work["global_batch"])}
    if work["tokens"] and "tokens" not in found:
        found["tokens"] = f"{work['tokens']:.0f}"
    found |= {name: str(by_name(layout)[name]) for name in (*_NUMBERS, *_WORDS) if _is_said(name, layout)}
    found["sequence_parallel"] = "true" if layout["sequence_parallel"] else "false"
    return found


def _is_said(name: str, layout: LayoutRow) -> bool:
    """Whether a field has a value that an option can state: zero copies or zero layers are the option left out."""
    return name in layout and (name == "recompute_layers" or by_name(layout)[name] != 0)


def prefilled(options: Mapping[str, str]) -> dict[str, str]:
    """What the form starts with."""
    return {spec.name: options[spec.name] for spec in FIELDS if spec.name in options}


def changed_options(options: Mapping[str, str], edited: Mapping[str, str]) -> dict[str, str]:
    """The exact options with the edits in them.

    Whatever the edits do not fix and depends on them is chosen anew: data parallel from the GPUs, the schedule and the
    chunks from the stages, the layers to recompute from what is recomputed.
    """
    before = prefilled(options)
    different = {name for name in before | dict(edited) if before.get(name) != edited.get(name)}
    if not different:
        return dict(options)
    dropped = {"dp", "dp_replicate", *different}
    dropped |= {"schedule"} if different & {"pp", "vpp"} else set()
    dropped |= {"vpp"} if "pp" in different and "vpp" not in different else set()
    dropped |= {"recompute_layers"} if "recompute" in different else set()
    dropped |= {"sequence_parallel"} if "tp" in different else set()
    dropped |= {"etp"} if different & {"tp", "ep"} else set()
    kept = {name: value for name, value in options.items() if name not in dropped}
    return kept | {name: value for name, value in edited.items() if name in different}


def asked_of(document: PlanOrEstimate) -> dict[str, str]:
    """What a saved plan was asked, by option, as far as it says; for `exact_options`."""
    given = document["inputs"]
    options = by_name(given.get("options", {}))
    found = {name: ",".join(texts) for name in ("regions", "purchase") if (texts := _texts(options.get(name)))}
    tokens = given.get("tokens")
    return found | ({"tokens": f"{tokens:.0f}"} if tokens else {})


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []
