"""What checkpoints that are kept hold, and what storage costs per month, line by line."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import GIB_PER_TIB, LustreConfig, StorageLine
from fmctl.perf.store.sizing import GIB, s3_usd_per_month

Prices = Mapping[str, float | None]
_UNPRICED = "no price on file"


def kept_bytes(
    total_bytes: FloatArray, kept: FloatArray, exported_bytes: FloatArray, exports: FloatArray
) -> FloatArray:
    """Bytes that lie in storage: full checkpoints kept x size + weights-only exports x size. All [n]."""
    return total_bytes * kept + exported_bytes * exports


def kept_every(run_s: FloatArray, interval_s: FloatArray, every: FloatArray, last: FloatArray) -> FloatArray:
    """Checkpoints kept at the end of a run: the last ones + each `every`-th of those before. every inf: only the last.

    Formula: min(saves, last) + floor(max(0, saves - last) / every), saves = floor(run / interval).
    """
    saves = np.floor(run_s / interval_s)
    return np.minimum(saves, last) + np.floor(np.maximum(0.0, saves - last) / every)


def lustre_line(config: LustreConfig, prices: Prices) -> StorageLine:
    """One file system, USD per month: provisioned GiB x price of its tier; None where the tier has no price."""
    tier = f"-{config.mb_per_s_per_tib}" if config.deployment == "persistent-2" else ""
    item = f"fsx-lustre/{config.deployment}{tier}"
    gb_months = config.capacity_tib * GIB_PER_TIB
    price = prices.get(item)
    if price is None:
        return StorageLine(item, gb_months, None, _UNPRICED)
    return StorageLine(item, gb_months, gb_months * price)


def s3_line(held_bytes: float, prices: Prices) -> StorageLine:
    """Objects in S3 Standard, USD per month by `sizing.s3_usd_per_month`; None where a band in use has no price."""
    usd = float(s3_usd_per_month(np.asarray(held_bytes), prices))
    unknown = math.isnan(usd)
    return StorageLine("s3/standard", held_bytes / GIB, None if unknown else usd, _UNPRICED if unknown else "")


def s3_requests_line() -> StorageLine:
    """Requests to S3: billed by AWS, price not on file, so unknown."""
    return StorageLine("s3/requests", 0.0, None, _UNPRICED)


def lines_usd(lines: tuple[StorageLine, ...]) -> float | None:
    """Sum of lines, USD per month; None where any of them is unknown."""
    known = [line.usd for line in lines if line.usd is not None]
    return sum(known) if len(known) == len(lines) else None
