"""Predictions as flat records: what `fmctl validate` prints and `score` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from fmctl.domain.layout import Sharding
from fmctl.validation.cases import Case, Skipped
from fmctl.validation.predict import Prediction
from fmctl.validation.rows import Row, Skip

if TYPE_CHECKING:
    from fmctl.domain.rows.validation import ValidateRow

    class Record(ValidateRow):
        """A run with its prediction, and a word that two runs of one layout share."""

        layout_key: str | None


# The sweep whose large runs are scored apart: a third of its runs at 256 GPUs and nearly all at 512 stall.
SWEEP, SWEEP_GPUS = "hf-ultrascale", 64


class Head(TypedDict):
    """What a run is, predicted or not."""

    id: str
    source_family: str
    model: str
    gpu: str
    n_gpus: int | None
    framework: str
    precision: str
    seq_len: int | None
    global_batch: int | None
    apart: bool


def records(answers: Sequence[Prediction | Skipped]) -> list[Record]:
    """One record per row, in order."""
    return [_skipped(a) if isinstance(a, Skipped) else _predicted(a) for a in answers]


def is_apart(row: Row) -> bool:
    """Whether a run is set apart from the others: marked SUSPECT, or of the large sweep above 64 GPUs."""
    large = row.text("source_family").startswith(SWEEP) and (_count(row, "n_gpus") or 0) > SWEEP_GPUS
    return "suspect" in row.lower("notes") or large


def _head(row: Row) -> Head:
    gpus = _count(row, "n_gpus")
    family = row.text("source_family") or "not stated"
    return {
        "id": row.id,
        "source_family": family,
        "model": row.text("model"),
        "gpu": row.text("gpu"),
        "n_gpus": gpus,
        "framework": row.text("framework"),
        "precision": row.text("precision") or "not stated",
        "seq_len": _count(row, "seq_len"),
        "global_batch": _count(row, "global_batch"),
        "apart": is_apart(row),
    }


def _count(row: Row, name: str) -> int | None:
    try:
        return row.whole(name)
    except Skip:
        return None


def _skipped(skipped: Skipped) -> Record:
    row = skipped.row
    return {
        **_head(row),
        "kind": "moe" if row.text("n_experts") or row.text("topk") else "dense",
        "parallelism": "skipped",
        "states_layout": skipped.stated_layout,
        "predicted_tokens_per_s_per_gpu": None,
        "measured_tokens_per_s_per_gpu": None,
        "interval_low_tokens_per_s_per_gpu": None,
        "interval_high_tokens_per_s_per_gpu": None,
        "predicted_peak_memory_bytes": None,
        "measured_peak_memory_bytes": None,
        "memory_kind": None,
        "fits": None,
        "margin_bytes": None,
        "measured_oom": None,
        "layout": None,
        "layout_key": None,
        "skipped": skipped.reason,
        "assumed": [],
    }


def _predicted(p: Prediction) -> Record:
    case, measured = p.case, p.case.measured
    low, high = p.interval
    return {
        **_head(case.row),
        "seq_len": case.workload.seq_len,
        "global_batch": case.workload.global_batch,
        "kind": "moe" if case.arch.is_moe else "dense",
        "parallelism": parallelism(case),
        "states_layout": True,
        "predicted_tokens_per_s_per_gpu": p.tokens_per_s_per_gpu,
        "measured_tokens_per_s_per_gpu": measured.tokens_per_s_per_gpu,
        "interval_low_tokens_per_s_per_gpu": low,
        "interval_high_tokens_per_s_per_gpu": high,
        "predicted_peak_memory_bytes": p.memory_bytes,
        "measured_peak_memory_bytes": measured.memory_bytes,
        "memory_kind": measured.memory_kind,
        "fits": p.fits,
        "margin_bytes": p.terms["margin_bytes"],
        "measured_oom": measured.oom,
        "skipped": None,
        "assumed": list(case.assumed),
        "layout": {**case.layout.as_dict()},
        "layout_key": repr((case.layout, case.changes)),
    }


def parallelism(case: Case) -> str:
    """The kinds of parallelism in use, such as `tp+pp`, `fsdp`, `tp+ep`; `dp` where data are all that is split."""
    layout = case.layout
    used: Mapping[str, bool] = {
        "fsdp": layout.sharding == Sharding.ZERO3 and layout.dp * layout.cp > 1,
        "tp": layout.tp > 1,
        "pp": layout.pp > 1,
        "cp": layout.cp > 1,
        "ep": layout.ep > 1,
    }
    names = [name for name, on in used.items() if on]
    return "+".join(names) or ("dp" if layout.dp > 1 else "one GPU")
