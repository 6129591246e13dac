"""Checkpoint sizes, rates and limits against every row of tests/data/checkpoint_io.csv: compared, or left out and why.

Fitted on their own row, so that agreement says nothing: the stall of an asynchronous save (STAGING_BYTES_PER_S), the
CPU path (PROCESS_BYTES_PER_S), the burst of tier 50. Predicted: sizes, the rate over GPUDirect Storage and the load
time that follows, the small file system on p5.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.domain.storage import LustreConfig
from fmctl.perf.layer.counts import parameters
from fmctl.perf.store import lustre, storage
from fmctl.perf.store.checkpoint import ADAM_FP32, checkpoint_bytes, contents
from tests.unit.perf import saves
from tests.unit.perf.helpers import instance, model

DATA = Path(__file__).parents[2] / "data" / "checkpoint_io.csv"
GIB = 2.0**30
ONE = np.array([1.0])
P5 = storage.client_limits(instance("p5.48xlarge"))
P5EN = storage.client_limits(instance("p5en.48xlarge"))
# 20 servers of the 1000 MB/s/TiB tier, 4.8 TiB each.
WIDE = saves.lustre_rates(LustreConfig("persistent-2", 96.0, 1000, efa=True, gds=True))
# 4.5 TB as mounted: 4.8 TiB on two servers. The tier is not stated; on this one the two TCP flows bind.
SMALL = saves.lustre_rates(LustreConfig("persistent-2", 4.8, 1000))
TIER_50 = saves.lustre_rates(LustreConfig("persistent-1", 4.8, 50))


@cache
def llama_1t() -> ModelArch:
    # 128 layers of h 25872 and f 98304, 32 heads of 808 each with keys and values of its own, V 128256 untied: the
    # configuration of the benchmark's generator, argonne-lcf/dlio_benchmark@41f865a (llama_1t.yaml).
    mixer = Mixer("attention", n_heads=32, n_kv_heads=32, head_dim=808, v_head_dim=808)
    kind = LayerKind("dense", mixer, FeedForward(gated=True, ffn=98304))
    return ModelArch("llama-1t", "llama", 25872, 128256, 8192, (kind,), (0,) * 128)


def full_gib(name: str) -> float:
    return checkpoint_bytes(model(name)) / GIB


def per_param(name: str) -> float:
    # The file divided a GiB figure by parameters as if it were GB: 14 bytes / 1.0737.
    return full_gib(name) * 1e9 / parameters(model(name)).total


def wide_read_bytes_per_s() -> float:
    size = np.array([weights_405b()])
    return float(lustre.lustre_read_bytes_per_s(WIDE, P5EN, ONE, size, size)[0])


def weights_405b() -> float:
    return 2.0 * parameters(model("llama-3.1-405b")).total


def small_read_gib_per_s() -> float:
    # A model larger than the cache: two flows of 5 Gbit/s, 1.25 GB/s = 1.164 GiB/s.
    size = np.array([800e9])
    return float(lustre.lustre_read_bytes_per_s(SMALL, P5, ONE, size, size)[0]) / GIB


def staging_7b_s() -> float:
    # assumed for the row: FSDP (12 bytes per parameter) on 8 GPUs.
    size = contents(parameters(model("llama-2-7b")).total, 8.0, ADAM_FP32).total_bytes
    return float((size / storage.staging_bytes_per_s(P5, ONE))[0])


def cpu_load_min() -> float:
    return float(storage.load_s(np.array([weights_405b()]), storage.processes_bytes_per_s(ONE))[0]) / 60.0


def rows() -> list[dict[str, str]]:
    with DATA.open(newline="") as file:
        return list(csv.DictReader(file))


def key(row: dict[str, str]) -> tuple[str, str, str]:
    return row["subject"], row["metric"], row["value"]


# Row: our value in the row's unit, and how near it has to be (relative).
COMPARED: dict[tuple[str, str, str], tuple[Callable[[], float], float]] = {
    ("MLPerf Storage v2.0 checkpoint", "checkpoint_size", "105"): (lambda: full_gib("llama-3.1-8b"), 0.01),
    ("MLPerf Storage v2.0 checkpoint", "checkpoint_size", "912"): (lambda: full_gib("llama-3.1-70b"), 0.01),
    ("MLPerf Storage v2.0 checkpoint", "checkpoint_size", "5290"): (lambda: full_gib("llama-3.1-405b"), 0.01),
    # 18 TB stands for 17.5 to 18.5: `test_size_of_the_1t_checkpoint`. Of the bare figure it is 4 % off, not 3.
    ("MLPerf Storage v2.0 checkpoint", "checkpoint_size", "18000"): (lambda: checkpoint_bytes(llama_1t()) / GIB, 0.04),
    ("MLPerf Storage v2.0", "bytes_per_param", "13.08"): (lambda: per_param("llama-3.1-8b"), 0.03),
    ("MLPerf Storage v2.0", "bytes_per_param", "12.92"): (lambda: per_param("llama-3.1-70b"), 0.03),
    ("MLPerf Storage v2.0", "bytes_per_param", "13.03"): (lambda: per_param("llama-3.1-405b"), 0.03),
    ("Llama 3.1 405B BF16 weights", "checkpoint_size", "~800"): (lambda: weights_405b() / 1e9, 0.03),
    ("FSx for Lustre P2 EFA+GDS, 1000 MBps/TiB, 20 OST", "read_throughput", "94"): (
        lambda: wide_read_bytes_per_s() / GIB, 0.25),
    ("Llama 3.1 405B over GDS", "implied_load_time", "7.9"): (lambda: weights_405b() / wide_read_bytes_per_s(), 0.25),
    ("FSx for Lustre, file system of 4.5 TB", "read_throughput", "1.13"): (small_read_gib_per_s, 0.25),
    ("DCP async save", "blocking_time_async", "6.3"): (staging_7b_s, 0.25),
    ("PERSISTENT_1-50, 4.8 TiB", "baseline", "240"): (lambda: float(TIER_50.read_bytes_per_s) / 1e6, 1e-9),
    # Printed as GiB/s; 4.8 x 240 is 1,152 MB/s.
    ("PERSISTENT_1-50, 4.8 TiB", "burst", "1.152"): (lambda: float(TIER_50.burst_bytes_per_s) / 1e9, 1e-9),
    ("S3 prefix", "put_rps", "3500"): (lambda: storage.S3_PUT_PER_S, 0.0),
    ("S3 prefix", "get_rps", "5500"): (lambda: storage.S3_GET_PER_S, 0.0),
    ("S3 CRT client p5.48xlarge", "target_throughput", "400"): (lambda: storage.S3_CLIENT_BYTES_PER_S * 8 / 1e9, 0.0),
    ("non-EFA file system, any NIC", "max_per_client", "100"): (lambda: lustre.TCP_CLIENT_BYTES_PER_S * 8e-9, 1e-9),
    ("EFA file system over ENA", "max_per_client", "100"): (lambda: lustre.TCP_CLIENT_BYTES_PER_S * 8e-9, 1e-9),
    ("EFA file system over ENA Express", "max_per_client", "100"): (lambda: lustre.TCP_CLIENT_BYTES_PER_S * 8e-9, 1e-9),
    ("EFA file system over EFA", "max_per_client", "700"): (lambda: lustre.EFA_CLIENT_BYTES_PER_S * 8e-9, 1e-9),
    ("EFA file system over EFA + GDS", "max_per_client", "1200"): (lambda: lustre.GDS_CLIENT_BYTES_PER_S * 8e-9, 1e-9),
    ("client to one OSS over TCP", "max", "5"): (lambda: lustre.TCP_FLOW_BYTES_PER_S * 8e-9, 1e-9),
    ("non-EFA P2 SSD any tier", "storage_per_oss", "2.4"): (lambda: lustre.SERVER_TIB, 0.0),
    ("Intelligent-Tiering", "throughput_increment", "4000"): (lambda: saves.TIERING_STEP_MB_PER_S, 0.0),
}  # fmt: skip
# Metrics of the tier table, and the field of TierSpec that holds them.
FIELDS = {
    "network_baseline": "network", "network_burst": "network_burst", "disk_baseline": "read", "disk_burst": "burst",
    "cache_ram": "ram_gib",
}  # fmt: skip
INSIDE = {
    # Bounds that our value has to lie within, in the row's unit.
    ("Llama 3.1 405B traditional CPU path", "load_time", "10-20"): cpu_load_min,
    ("S3 first byte latency", "latency", "100-200"): lambda: saves.S3_FIRST_BYTE_S * 1e3,
}
MEAN_SHARD = "bounds of one GPU's shard: test_shards_of_llama_3"
OTHER_STORAGE = "another storage system, whose servers are not those of AWS"
NOT_A_RATE = "a share or a description of a managed service, neither size nor rate"
LEFT_OUT = {
    ("MLPerf Storage v2.0", "write_read_protocol"): "how the benchmark is run",
    ("Tectonic fabric", "capacity"): OTHER_STORAGE,
    ("Tectonic fabric", "sustained_throughput"): OTHER_STORAGE,
    ("Tectonic fabric", "peak_throughput"): OTHER_STORAGE,
    ("Llama 3 checkpoint shard", "per_gpu_checkpoint_min"): MEAN_SHARD,
    ("Llama 3 checkpoint shard", "per_gpu_checkpoint_max"): MEAN_SHARD,
    ("DCP async save", "blocking_time_sync"): "the storage system is not stated",
    ("DCP async save", "speedup"): "a ratio, of which the storage system that is not stated is one part",
    ("S3 CRT connections", "formula"): "a client setting",
    ("HyperPod checkpointless", "recovery_time_reduction"): NOT_A_RATE,
    ("HyperPod checkpointless", "goodput"): NOT_A_RATE,
    ("HyperPod checkpointless", "downtime_reduction"): NOT_A_RATE,
    ("HyperPod managed tiered checkpointing", "tiers"): NOT_A_RATE,
    ("metadata IOPS SSD user-provisioned", "valid_values"): "a list: test_rows_of_metadata_iops",
    ("metadata IOPS Intelligent-Tiering", "valid_values"): "a list: test_rows_of_metadata_iops",
}


def tier_of(subject: str) -> lustre.TierSpec | None:
    if subject == "SCRATCH_2":
        return lustre.TIERS["scratch-2", 200]
    name, _, tier = subject.partition("-")
    return lustre.TIERS["persistent-2", int(tier)] if name == "PERSISTENT" else None


@pytest.mark.parametrize("wanted", COMPARED, ids=" ".join)
def test_rows_that_are_compared(wanted: tuple[str, str, str]) -> None:
    row = next(row for row in rows() if key(row) == wanted)
    ours, near = COMPARED[wanted]
    assert ours() == pytest.approx(float(row["value"].lstrip("~")), rel=near)


@pytest.mark.parametrize("wanted", INSIDE, ids=" ".join)
def test_rows_that_are_bounds(wanted: tuple[str, str, str]) -> None:
    low, high = (float(bound) for bound in next(row for row in rows() if key(row) == wanted)["value"].split("-"))
    assert low <= INSIDE[wanted]() <= high


@pytest.mark.parametrize(
    "row", [r for r in rows() if tier_of(r["subject"])], ids=lambda r: f"{r['subject']} {r['metric']}"
)
def test_rows_of_the_tier_table(row: dict[str, str]) -> None:
    spec = tier_of(row["subject"])
    assert spec is not None
    if "/" in row["value"]:
        assert row["value"] == f"{spec.read:.0f} read/{spec.write:.0f} write"
    else:
        assert getattr(spec, FIELDS[row["metric"]]) == float(row["value"])


@pytest.mark.parametrize("tier", [125, 250, 500, 1000])
def test_rows_of_the_increments(tier: int) -> None:
    row = next(row for row in rows() if row["subject"] == f"EFA-enabled P2 SSD {tier} MBps/TiB")
    assert lustre.EFA_SERVER_TIB[tier] == float(row["value"])
    # One server moves 4,800 MB/s from disk in every tier.
    assert lustre.EFA_SERVER_TIB[tier] * tier == pytest.approx(4800.0)


def test_rows_of_metadata_iops() -> None:
    said = {row["subject"]: row["value"] for row in rows() if row["metric"] == "valid_values"}
    first, rest = said["metadata IOPS SSD user-provisioned"].split(", then ")
    assert tuple(float(x) for x in first.split(",")) == saves.METADATA_IOPS[:4]
    assert rest == "multiples of 12000 up to 192000"
    assert saves.METADATA_IOPS[3:] == tuple(12000.0 * k for k in range(1, 17))
    assert tuple(float(x) for x in said["metadata IOPS Intelligent-Tiering"].split(",")) == saves.TIERING_METADATA_IOPS


def test_every_row_is_accounted_for() -> None:
    increments = {f"EFA-enabled P2 SSD {tier} MBps/TiB" for tier in lustre.EFA_SERVER_TIB}
    for row in rows():
        named = key(row) in COMPARED or key(row) in INSIDE or (row["subject"], row["metric"]) in LEFT_OUT
        assert named or tier_of(row["subject"]) or row["subject"] in increments, row
    found = {key(row) for row in rows()}
    assert found >= {*COMPARED, *INSIDE}
    assert {(subject, metric) for subject, metric, _ in found} >= set(LEFT_OUT)


def test_size_of_the_1t_checkpoint() -> None:
    # 14 x 1.3258e12 / 2^30 = 17,287 GiB; 18 TB is printed with two digits, 17.5 to 18.5 of 1000 GiB. The rules of the
    # benchmark give 192 heads and 32 for keys and values, with which it would be 15,425: not what they print.
    ours = checkpoint_bytes(llama_1t()) / GIB
    assert ours == pytest.approx(17_287, rel=1e-4)
    assert 17_500 * 0.97 < ours < 18_500 * 1.03


def test_shards_of_llama_3() -> None:
    # 1 MB to 4 GB per GPU (arXiv 2407.21783 section 3.3.1), 405B on 8,192 and 16,384 GPUs: mean 694 and 347 MB.
    size = checkpoint_bytes(model("llama-3.1-405b"))
    shards = np.array([size, size]) / np.array([8192.0, 16384.0])
    assert shards == pytest.approx([693.6e6, 346.8e6], rel=1e-3)
    assert np.all((shards > 1e6) & (shards < 4e9))


def test_the_rate_over_gpudirect_is_that_of_the_disks() -> None:
    # 96 TiB x 1000 MB/s = 96 GB/s: below the client (150 GB/s) and the servers' network (249.6 GB/s).
    assert wide_read_bytes_per_s() == 96e9
    assert small_read_gib_per_s() == pytest.approx(1.25e9 / GIB)
