"""All errors of a file of measured runs, as `fmctl validate` reports them: see `score` for one group of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, TypedDict

from fmctl.validation import ranking
from fmctl.validation.score import AXES, Measure, by, covered, errors, half_width, over_families

if TYPE_CHECKING:
    from fmctl.domain.rows.validation import Fits, Intervals, MemoryErrors, Ranking, Throughput, ValidateSummary
    from fmctl.validation.records import Record

KINDS = ("dense", "moe")


class Coverage(TypedDict):
    """How many rows there are, and how many of them are predicted."""

    rows: int
    predicted: int
    skipped: int
    stating_a_layout: int
    predicted_share: float | None


def _median_error(name: Measure) -> Callable[[Sequence[Record]], float | None]:
    return lambda rows: errors(rows, name)["median_error"]


def _coverage(rows: Sequence[Record]) -> float | None:
    inside = [c for r in rows if (c := covered(r)) is not None]
    return fmean(inside) if inside else None


def throughput(records: Sequence[Record]) -> Throughput:
    """Mean over families of the median absolute error: all, dense, MoE, and with the runs set apart."""
    kept = [r for r in records if not r["apart"]]
    value = _median_error("tokens_per_s_per_gpu")
    return {
        "mean_family_error": over_families(kept, value),
        "dense_mean_family_error": over_families([r for r in kept if r["kind"] == "dense"], value),
        "moe_mean_family_error": over_families([r for r in kept if r["kind"] == "moe"], value),
        "mean_family_error_all_rows": over_families(records, value),
        "median_error_apart": errors([r for r in records if r["apart"]], "tokens_per_s_per_gpu")["median_error"],
    }


def memory(records: Sequence[Record]) -> MemoryErrors:
    """Mean over families of the median absolute error of peak memory, and the median over all rows."""
    value = _median_error("peak_memory_bytes")
    return {"mean_family_error": over_families(records, value), **errors(records, "peak_memory_bytes")}


def fits(records: Sequence[Record]) -> Fits:
    """Runs whose outcome is recorded, predicted rightly: that fitted, that did not, that ran at all."""
    known = [(r, fits) for r in records if (fits := r["fits"]) is not None]
    fitted, oom = ([fits for r, fits in known if r["measured_oom"] is state] for state in (False, True))
    ran = [fits for r, fits in known if r["measured_tokens_per_s_per_gpu"]]
    right = sum(fitted) + len(oom) - sum(oom)
    recorded = len(fitted) + len(oom)
    return {
        "recorded_fitting": len(fitted),
        "fitting_right": sum(fitted) / len(fitted) if fitted else None,
        "recorded_oom": len(oom),
        "oom_right": 1.0 - sum(oom) / len(oom) if oom else None,
        "right": right / recorded if recorded else None,
        "ran": len(ran),
        "ran_right": sum(ran) / len(ran) if ran else None,
    }


def intervals(records: Sequence[Record]) -> Intervals:
    """Share of measured runs inside their 80 % interval, by rows and by families, and the median half widths."""
    kept = [r for r in records if not r["apart"]]
    widths = {kind: [w for r in kept if r["kind"] == kind and (w := half_width(r)) is not None] for kind in KINDS}
    return {
        "coverage_rows": _coverage(kept),
        "coverage_families": over_families(kept, _coverage),
        "dense_half_width": median(widths["dense"]) if widths["dense"] else None,
        "moe_half_width": median(widths["moe"]) if widths["moe"] else None,
    }


def order(records: Sequence[Record]) -> Ranking:
    """Mean Kendall tau and mean regret over groups of at least five layouts."""
    found = ranking.groups(records)
    return {
        "groups": len(found),
        "mean_tau": fmean(g["tau"] for g in found) if found else None,
        "mean_regret": fmean(g["regret"] for g in found) if found else None,
    }


def coverage(records: Sequence[Record]) -> Coverage:
    """Rows read, predicted and skipped, and the share predicted of those that state a layout."""
    predicted = sum(r["skipped"] is None for r in records)
    stated = sum(r["states_layout"] for r in records)
    with_layout = sum(r["skipped"] is None and r["states_layout"] for r in records)
    return {
        "rows": len(records),
        "predicted": predicted,
        "skipped": len(records) - predicted,
        "stating_a_layout": stated,
        "predicted_share": with_layout / stated if stated else None,
    }


def summary(records: Sequence[Record]) -> ValidateSummary:
    """Everything: counts, throughput, memory, fits, ranking, intervals, and groups along every axis."""
    return {
        **coverage(records),
        "throughput": throughput(records),
        "memory": memory(records),
        "fits": fits(records),
        "ranking": order(records),
        "intervals": intervals(records),
        "by": {axis: by(records, axis) for axis in AXES},
        "groups": ranking.groups(records),
    }
