"""Errors of predictions: by source family, GPU, framework, kind of model, parallelism, precision; and all together.

Rows are weighed by family: the score of a family is its median, the score of a file the mean over its families. Runs
set apart (marked SUSPECT by the source's reader, or of the large sweep above 64 GPUs, where a third of the runs stall)
are scored beside the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fmctl.domain.rows.validation import Errors, ValidateGroup
    from fmctl.validation.records import Record

Measure = Literal["tokens_per_s_per_gpu", "peak_memory_bytes"]
AXES: Mapping[str, str] = {
    "family": "source_family",
    "gpu": "gpu",
    "framework": "framework",
    "kind": "kind",
    "parallelism": "parallelism",
    "precision": "precision",
}


def relative_error(record: Record, name: Measure = "tokens_per_s_per_gpu") -> float | None:
    """Predicted / measured - 1, None where either is not known."""
    if name == "peak_memory_bytes":
        predicted, measured = record["predicted_peak_memory_bytes"], record["measured_peak_memory_bytes"]
    else:
        predicted, measured = record["predicted_tokens_per_s_per_gpu"], record["measured_tokens_per_s_per_gpu"]
    return None if predicted is None or not measured else predicted / measured - 1.0


def covered(record: Record) -> bool | None:
    """Whether the interval holds the measured throughput; None where nothing was measured or predicted."""
    low, high = record["interval_low_tokens_per_s_per_gpu"], record["interval_high_tokens_per_s_per_gpu"]
    measured = record["measured_tokens_per_s_per_gpu"]
    return None if low is None or high is None or not measured else low <= measured <= high


def half_width(record: Record) -> float | None:
    """Half of the interval relative to the prediction."""
    low, high = record["interval_low_tokens_per_s_per_gpu"], record["interval_high_tokens_per_s_per_gpu"]
    predicted = record["predicted_tokens_per_s_per_gpu"]
    return None if low is None or high is None or predicted is None else (high - low) / 2.0 / predicted


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, linear between neighbours."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    i = int(place)
    return ordered[i] + (place - i) * (ordered[min(i + 1, len(ordered) - 1)] - ordered[i])


def errors(records: Sequence[Record], name: Measure) -> Errors:
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


def group(name: str, records: Sequence[Record]) -> ValidateGroup:
    """Errors of one group of rows: throughput, memory, intervals."""
    kept = [r for r in records if not r["apart"]]
    inside = [c for r in kept if (c := covered(r)) is not None]
    return {
        "name": name,
        "total": len(records),
        "skipped": sum(r["skipped"] is not None for r in records),
        "throughput": errors(kept, "tokens_per_s_per_gpu"),
        "memory": errors(records, "peak_memory_bytes"),
        "coverage": fmean(inside) if inside else None,
    }


def by(records: Sequence[Record], axis: str) -> list[ValidateGroup]:
    """Groups along one axis of AXES, in alphabetical order."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        fields: Mapping[str, object] = record
        found[str(fields[AXES[axis]])].append(record)
    return [group(name, found[name]) for name in sorted(found)]


def over_families(records: Sequence[Record], value: Callable[[Sequence[Record]], float | None]) -> float | None:
    """Mean over families of a value of each family's rows, None where no family has one."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record["source_family"]].append(record)
    values = [v for rows in found.values() if (v := value(rows)) is not None]
    return fmean(values) if values else None
