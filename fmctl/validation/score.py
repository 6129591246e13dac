"""Errors of predictions: by source family, GPU, framework, kind of model, parallelism, precision; and all together.

Rows are weighed by family: the score of a family is its median, the score of a file the mean over its families. Runs
set apart (marked SUSPECT by the source's reader, or of the large sweep above 64 GPUs, where a third of the runs stall)
are scored beside the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from fmctl.validation import ranking

Record = Mapping[str, Any]
AXES: Mapping[str, str] = {
    "family": "source_family",
    "gpu": "gpu",
    "framework": "framework",
    "kind": "kind",
    "parallelism": "parallelism",
    "precision": "precision",
}


def relative_error(record: Record, name: str = "tokens_per_s_per_gpu") -> float | None:
    """Predicted / measured - 1, None where either is not known."""
    predicted, measured = record[f"predicted_{name}"], record[f"measured_{name}"]
    return None if predicted is None or not measured else predicted / measured - 1.0


def covered(record: Record) -> bool | None:
    """Whether the interval holds the measured throughput; None where nothing was measured or predicted."""
    low, measured = record["interval_low_tokens_per_s_per_gpu"], record["measured_tokens_per_s_per_gpu"]
    if low is None or not measured:
        return None
    return bool(low <= measured <= record["interval_high_tokens_per_s_per_gpu"])


def half_width(record: Record) -> float | None:
    """Half of the interval relative to the prediction."""
    low, high = record["interval_low_tokens_per_s_per_gpu"], record["interval_high_tokens_per_s_per_gpu"]
    return None if low is None else (high - low) / 2.0 / record["predicted_tokens_per_s_per_gpu"]


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, linear between neighbours."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    i = int(place)
    return ordered[i] + (place - i) * (ordered[min(i + 1, len(ordered) - 1)] - ordered[i])


def errors(records: Sequence[Record], name: str) -> dict[str, Any]:
    """Rows compared, median absolute error, median ratio, and the ratio's 10th and 90th percentiles."""
    found = [e for r in records if (e := relative_error(r, name)) is not None]
    if not found:
        return {"rows": 0, "median_error": None, "median_ratio": None, "ratio_p10": None, "ratio_p90": None}
    ratios = [1.0 + e for e in found]
    return {
        "rows": len(found),
        "median_error": median(abs(e) for e in found),
        "median_ratio": median(ratios),
        "ratio_p10": quantile(ratios, 0.1),
        "ratio_p90": quantile(ratios, 0.9),
    }


def group(records: Sequence[Record]) -> dict[str, Any]:
    """Errors of one group of rows: throughput, memory, intervals."""
    kept = [r for r in records if not r["apart"]]
    inside = [c for r in kept if (c := covered(r)) is not None]
    return {
        "total": len(records),
        "skipped": sum(r["skipped"] is not None for r in records),
        "throughput": errors(kept, "tokens_per_s_per_gpu"),
        "memory": errors(records, "peak_memory_bytes"),
        "coverage": fmean(inside) if inside else None,
    }


def by(records: Sequence[Record], axis: str) -> list[dict[str, Any]]:
    """Groups along one axis of AXES, in alphabetical order."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[str(record[AXES[axis]])].append(record)
    return [{"name": name, **group(found[name])} for name in sorted(found)]


def over_families(records: Sequence[Record], value: Callable[[Sequence[Record]], float | None]) -> float | None:
    """Mean over families of a value of each family's rows, None where no family has one."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record["source_family"]].append(record)
    values = [v for rows in found.values() if (v := value(rows)) is not None]
    return fmean(values) if values else None


def _median_error(name: str) -> Callable[[Sequence[Record]], float | None]:
    return lambda rows: errors(rows, name)["median_error"]


def _coverage(rows: Sequence[Record]) -> float | None:
    inside = [c for r in rows if (c := covered(r)) is not None]
    return fmean(inside) if inside else None


def throughput(records: Sequence[Record]) -> dict[str, float | None]:
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


def memory(records: Sequence[Record]) -> dict[str, Any]:
    """Mean over families of the median absolute error of peak memory, and the median over all rows."""
    value = _median_error("peak_memory_bytes")
    return {"mean_family_error": over_families(records, value), **errors(records, "peak_memory_bytes")}


def fits(records: Sequence[Record]) -> dict[str, Any]:
    """Runs whose outcome is recorded, predicted rightly: that fitted, that did not, that ran at all."""
    known = [r for r in records if r["fits"] is not None]
    fitted, oom = ([r["fits"] for r in known if r["measured_oom"] is state] for state in (False, True))
    ran = [r["fits"] for r in known if r["measured_tokens_per_s_per_gpu"]]
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


def intervals(records: Sequence[Record]) -> dict[str, float | None]:
    """Share of measured runs inside their 80 % interval, by rows and by families, and the median half widths."""
    kept = [r for r in records if not r["apart"]]
    widths = {kind: [w for r in kept if r["kind"] == kind and (w := half_width(r)) is not None] for kind in KINDS}
    return {
        "coverage_rows": _coverage(kept),
        "coverage_families": over_families(kept, _coverage),
        **{f"{kind}_half_width": median(found) if found else None for kind, found in widths.items()},
    }


KINDS = ("dense", "moe")


def order(records: Sequence[Record]) -> dict[str, Any]:
    """Mean Kendall tau and mean regret over groups of at least five layouts."""
    found = ranking.groups(records)
    return {
        "groups": len(found),
        "mean_tau": fmean(g["tau"] for g in found) if found else None,
        "mean_regret": fmean(g["regret"] for g in found) if found else None,
    }


def coverage(records: Sequence[Record]) -> dict[str, Any]:
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


def summary(records: Sequence[Record]) -> dict[str, Any]:
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
