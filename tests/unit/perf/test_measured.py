"""Median errors of kernels and collectives on published tables (tests/data) stay under stated bounds.

`pytest -s` prints the figures. Errors are |model / measured - 1|.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmctl.perf.ops.collectives import all_reduce_s, all_to_all_s, fabric_rates, gather_s
from fmctl.perf.ops.kernels import kernel_rates
from fmctl.validation.collective_rows import KINDS, efa_tables
from fmctl.validation.kernel_rows import BURST, ON, attention_tables, gemm_tables
from tests.unit.perf.helpers import instance

DATA = Path(__file__).parents[2] / "data"
NVLINK = {
    "8xA100 SXM": "p4de.24xlarge",
    "8xH100 SXM": "p5.48xlarge",
    "8xB200 SXM": "p6-b200.48xlarge",
    "GB200 4-GPU tray": "u-p6e-gb200x72",
    "GB300 4-GPU tray": "u-p6e-gb200x72",
}
Row = dict[str, str]


def table(name: str) -> list[Row]:
    with (DATA / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["source"] for row in rows)
    return rows


def report(label: str, ratio: np.ndarray, bound: float) -> None:
    error = np.abs(ratio - 1.0)
    print(f"{label}: {len(ratio)} rows, median {np.median(error):.1%}, p90 {np.quantile(error, 0.9):.1%}, "
          f"bias {np.median(ratio) - 1.0:+.1%}")  # fmt: skip
    assert np.median(error) <= bound, label


TABLES = {
    f"{t.kind} {t.on} {t.of} {t.source[:24]}": t
    for t in (
        *gemm_tables(table("gemm.csv")),
        *attention_tables(table("attention.csv")),
        *efa_tables(table("collectives.csv")),
    )
    if t.shipped is not None
}
BOUNDS = {"GEMM": 0.09, "attention": 0.10, "EFA collective": 0.12}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_shipped_constants(name: str) -> None:
    of = TABLES[name]
    assert of.shipped is not None
    report(name, of.model(of.shipped) / of.measured_s, BOUNDS[of.kind])


def nvlink() -> dict[str, list[Row]]:
    """Rows inside one NVLink domain by system and by the constants they rest on: rings, all-to-all."""
    families: dict[str, list[Row]] = defaultdict(list)
    for row in table("collectives.csv"):
        if row["system"] in NVLINK:
            families[f"{row['system']} {KINDS[row['collective']]}"].append(row)
    return families


def nvlink_ratio(row: Row) -> float:
    fabric = replace(instance(NVLINK[row["system"]]).fabric, domain_gpus=int(row["gpus"]))
    n, size = np.array([float(row["gpus"])]), np.array([float(row["bytes"])])
    called = {"all_reduce": all_reduce_s, "alltoall": all_to_all_s}.get(row["collective"], gather_s)
    return float(called(fabric_rates(fabric), size, n, n)[0]) / (float(row["time_us"]) * 1e-6)


@pytest.mark.parametrize("group", sorted(nvlink()))
def test_nvlink(group: str) -> None:
    report(f"NVLink {group}", np.array([nvlink_ratio(row) for row in nvlink()[group]]), 0.12)


def test_stream_rates() -> None:
    # Triad on A100-80, H100 and H200: 1,700, 2,970 and 4,150 GB/s (Azure/AI-benchmarking-guide, ND_*_results); GB200
    # 7,350 (Microsoft Azure HPC blog on ND GB200 v6).
    measured = {"A100 SXM": 1.70e12, "H100 SXM": 2.97e12, "H200 SXM": 4.15e12, "GB200": 7.35e12}
    for gpu, rate in measured.items():
        rates = kernel_rates(instance(ON[gpu]).accelerator, "best", BURST)
        assert rates.hbm_bytes_per_s == pytest.approx(rate, rel=0.06), gpu
