"""Contents of checkpoints, rates of storage, stalls and loads: worked by hand, batch equals single, monotonic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import LustreConfig, S3Bucket
from fmctl.perf.layer.counts import parameters
from fmctl.perf.store import lustre, storage
from fmctl.perf.store.checkpoint import (
    ADAM_BF16_MOMENTS,
    ADAM_FP32,
    checkpoint_bytes,
    contents,
    copied_bytes,
)
from tests.unit.perf import saves
from tests.unit.perf.helpers import instance, model

P4D, P5, P5EN, B300 = (storage.client_limits(instance(f"{name}")) for name in ("p4d.24xlarge", "p5", "p5en", "p6-b300"))
GB200 = storage.client_limits(instance("p6e-gb200"))
NODES = np.array([1.0, 2.0, 16.0, 128.0])


def test_contents_by_part() -> None:
    count = parameters(model("llama-3.1-70b")).total
    c = contents(count, 512.0)
    assert (c.weights_bytes, c.master_bytes, c.moments_bytes) == (2.0 * count, 4.0 * count, 8.0 * count)
    assert c.rank_bytes == pytest.approx(512 * 1.016e6)
    # What belongs to ranks is nothing beside 988 GB.
    assert c.total_bytes == pytest.approx(checkpoint_bytes(model("llama-3.1-70b")), rel=1e-3)
    assert contents(1e9, 0.0, ADAM_FP32).total_bytes == 12e9
    assert contents(1e9, 0.0, ADAM_BF16_MOMENTS).total_bytes == 10e9


def test_copies_that_are_written_or_read() -> None:
    # 1e9 parameters, ZeRO-1 over 8: every rank has the weights (8 x 2 GB), each eighth of the states lies once (12 GB).
    c = contents(np.array([1e9]), np.array([0.0]))
    assert copied_bytes(c, 8.0, 1.0) == pytest.approx([28e9])
    assert copied_bytes(c, 8.0, 8.0) == pytest.approx([112e9])
    assert copied_bytes(c, 1.0, 1.0) == pytest.approx(c.total_bytes)


def test_limits_of_clients() -> None:
    # p5: ENA 800 of 3,200 Gbit/s, 8 disks of 3.8 TB; p4d: ENA not published, first EFA; GB200: 9 or 18 members.
    assert (P5.ena_bytes_per_s, P5.efa_bytes_per_s, P5.gpus) == (100e9, 400e9, 8.0)
    assert (P5.nvme_read_bytes_per_s, P5.nvme_write_bytes_per_s, P5.nvme_bytes) == (16e9, 8e9, 30.4e12)
    assert (P4D.ena_bytes_per_s, P4D.lustre_efa, P4D.gds) == (12.5e9, 0.0, 0.0)
    assert (B300.lustre_efa, B300.gds) == (1.0, 0.0)
    assert (GB200.gpus, GB200.ena_bytes_per_s, GB200.efa_bytes_per_s) == (4.0, 12.5e9, 200e9)
    assert GB200.nvme_bytes == 22.5e12


def config(tib: float, tier: int = 1000, **more: bool) -> lustre.LustreRates:
    return saves.lustre_rates(LustreConfig("persistent-2", tib, tier, **more))


def test_one_client_of_a_file_system() -> None:
    # TCP: 1.2 TiB is one server, 0.625 GB/s; 12 TiB five, 3.125; 96 TiB forty, but 12.5 is the most.
    tcp = [float(lustre.lustre_client_bytes_per_s(config(tib), P5)) for tib in (1.2, 12.0, 96.0)]
    assert tcp == [0.625e9, 3.125e9, 12.5e9]
    # EFA: 700 Gbit/s, with GPUDirect Storage 1,200 where the type has it, never more than the type's EFA.
    efa, gds = config(96.0, efa=True), config(96.0, efa=True, gds=True)
    assert float(lustre.lustre_client_bytes_per_s(efa, P5EN)) == 87.5e9
    assert float(lustre.lustre_client_bytes_per_s(gds, P5EN)) == 150e9
    assert float(lustre.lustre_client_bytes_per_s(gds, B300)) == 87.5e9
    single = storage.client_limits(instance("p5.4xlarge"))
    assert float(lustre.lustre_client_bytes_per_s(gds, single)) == 12.5e9
    # The first EFA does not mount over EFA: 20 servers by TCP.
    assert float(lustre.lustre_client_bytes_per_s(gds, P4D)) == 12.5e9


def test_writes_to_a_file_system() -> None:
    # 9.6 TiB of 250: 2.4 GB/s of disks over four flows of 0.625: one client 2.4 (2.5 by flows), more no faster.
    fs = config(9.6, 250)
    assert lustre.lustre_write_bytes_per_s(fs, P5, NODES) == pytest.approx([2.4e9] * 4)
    # 96 TiB over EFA: 87.5, then 96 of the disks.
    wide = config(96.0, efa=True)
    assert lustre.lustre_write_bytes_per_s(wide, P5, NODES) == pytest.approx([87.5e9, 96e9, 96e9, 96e9])
    # Scratch writes at half its rate; persistent-1 has no published network, which does not bind.
    scratch = saves.lustre_rates(LustreConfig("scratch-2", 12.0, 200))
    assert lustre.lustre_write_bytes_per_s(scratch, P5, NODES) == pytest.approx([1.2e9] * 4)
    old = saves.lustre_rates(LustreConfig("persistent-1", 12.0, 200))
    assert lustre.lustre_write_bytes_per_s(old, P5, NODES) == pytest.approx([2.4e9] * 4)
    # Intelligent-Tiering: three steps of 4,000 MB/s on three servers.
    tiering = saves.lustre_rates(LustreConfig("intelligent-tiering", 0.0, throughput_mb_per_s=12000.0, efa=True))
    assert lustre.lustre_write_bytes_per_s(tiering, P5, NODES) == pytest.approx([12e9] * 4)
    assert float(tiering.cache_bytes) == pytest.approx(3 * 76.8e9)


def test_reads_through_the_cache() -> None:
    # 48 TiB of 1000: disks 48 GB/s, network 124.8, cache 48 x 27.3 GiB = 1.407e12 bytes. 1 TB read by 8 replicas comes
    # from disk once: 8 TB at 124.8 = 64.1 s. 2 TB do not fit: 16 TB at 48 = 333 s.
    fs = config(48.0, efa=True)
    unique = np.array([1e12, 2e12])
    rate = lustre.lustre_read_bytes_per_s(fs, P5, np.array([16.0, 16.0]), unique, 8.0 * unique)
    assert rate == pytest.approx([124.8e9, 48e9])
    assert storage.load_s(8.0 * unique, rate) == pytest.approx([64.10, 333.3], rel=1e-3)
    # One reader of 1 TB: disks, 48 GB/s.
    assert lustre.lustre_read_bytes_per_s(fs, P5, NODES[:1], unique[:1], unique[:1]) == pytest.approx([48e9])
    # Over TCP 16 clients have 10 servers' flows each: 16 x 6.25 = 100 GB/s.
    tcp = config(24.0)
    assert lustre.lustre_read_bytes_per_s(
        tcp, P5, np.array([8.0]), np.array([0.5e12]), np.array([8e12])
    ) == pytest.approx([50e9])


def test_buckets() -> None:
    # Parts of 64 MiB: one prefix takes 3,500 x 67.1 MB = 234.9 GB/s. p5: 50 GB/s per client (its client library).
    assert storage.s3_write_bytes_per_s(P5, NODES, S3Bucket()) == pytest.approx(
        [50e9, 100e9, 234.9e9, 234.9e9], rel=1e-3
    )
    assert storage.s3_write_bytes_per_s(P5, NODES, S3Bucket(prefixes=64))[-1] == 128 * 50e9
    assert saves.s3_read_bytes_per_s(GB200, NODES, S3Bucket())[0] == 12.5e9
    assert saves.s3_read_bytes_per_s(P5, NODES, S3Bucket(part_bytes=8.0 * 2**20))[-1] == pytest.approx(
        46.14e9, rel=1e-3
    )
    load = storage.load_s(np.array([100e9]), np.array([50e9]), first_byte_s=saves.S3_FIRST_BYTE_S)
    assert load == pytest.approx([2.2])


def test_stalls_of_a_save() -> None:
    # 70B, 988 GB on 16 p5 (128 GPUs). Staging 128 x 1.6 = 204.8 GB/s: 4.82 s. 24 TiB of 1000: 24 GB/s, 41.2 s.
    size, nodes = np.array([987.8e9]), np.array([16.0])
    staging = size / storage.staging_bytes_per_s(P5, nodes)
    write = storage.drain_s(size, lustre.lustre_write_bytes_per_s(config(24.0), P5, nodes))
    assert (staging[0], write[0]) == (pytest.approx(4.823, rel=1e-3), pytest.approx(41.16, rel=1e-3))
    assert storage.sync_stall_s(staging, write) == write
    # An asynchronous save hides all of it from 41.2 s of training on; at 30 s it waits for 11.2 s of drain.
    stalls = saves.async_stall_s(staging, write, np.array([600.0, 41.16, 30.0]))
    assert stalls == pytest.approx([4.823, 4.823, 4.823 + 11.16], rel=1e-3)
    # One process that gathers everything: 987.8 / 0.9 = 1,098 s.
    assert storage.drain_s(size, storage.processes_bytes_per_s(np.array([1.0])))[0] == pytest.approx(1097.6, rel=1e-3)


def test_memory_of_a_peer() -> None:
    # p5 sends at 0.85 x 400 = 340 GB/s: 16 of them 5.44 TB/s, half of that with two copies. The slower leg is staging.
    rate = saves.peer_write_bytes_per_s(P5, np.array([16.0]), saves.PeerMemory())
    assert rate == pytest.approx([5.44e12])
    assert saves.peer_write_bytes_per_s(P5, np.array([16.0]), saves.PeerMemory(2)) == pytest.approx([2.72e12])
    size = np.array([987.8e9])
    drained = storage.drain_s(size, storage.staging_bytes_per_s(P5, np.array([16.0])), rate)
    assert drained == pytest.approx([4.823], rel=1e-3)


def test_load_after_a_failure() -> None:
    # 16 nodes, 61.7 GB each. From NVMe at 16 GB/s 3.86 s; one lost node fetches from S3 at 50 GB/s, 1.23 s, hidden
    # behind it; from a file system at 0.625 GB/s 98.8 s.
    size, nodes, one = np.array([987.8e9]), np.array([16.0]), np.array([1.0])
    assert saves.local_reload_s(size, nodes, one, P5.nvme_read_bytes_per_s, 50e9) == pytest.approx([3.859], rel=1e-3)
    assert saves.local_reload_s(size, nodes, one, P5.nvme_read_bytes_per_s, 0.625e9) == pytest.approx([98.78], rel=1e-3)
    assert saves.local_reload_s(size, nodes, 0.0 * one, 16e9, 1.0) == pytest.approx([3.859], rel=1e-3)


def test_share_and_stall_are_inverse() -> None:
    # 30 s in 570 s of training: 5 % of 600 s.
    assert storage.stall_share(np.array([30.0]), np.array([570.0])) == pytest.approx([0.05])
    assert storage.longest_stall_s(np.array([0.05]), np.array([570.0])) == pytest.approx([30.0])


sizes = st.floats(1e9, 1e14)
nodes = st.floats(1.0, 2048.0)
tibs = st.floats(1.2, 1e4)


def rates_of(tib: FloatArray, clients: FloatArray) -> FloatArray:
    fs = lustre.tier_rates(lustre.TIERS["persistent-2", 250], tib, lustre.SERVER_TIB, 0.0, 0.0)
    return lustre.lustre_write_bytes_per_s(fs, P5, clients)


@given(st.lists(st.tuples(tibs, nodes, sizes), min_size=1, max_size=6))
def test_batch_equals_single(rows: list[tuple[float, float, float]]) -> None:
    tib, clients, size = (np.array(column) for column in zip(*rows, strict=True))
    rate = rates_of(tib, clients)
    stall = saves.async_stall_s(size / storage.staging_bytes_per_s(P5, clients), size / rate, np.full(len(rows), 600.0))
    for i in range(len(rows)):
        one = slice(i, i + 1)
        assert rate[one].tobytes() == rates_of(tib[one], clients[one]).tobytes()
        staging = size[one] / storage.staging_bytes_per_s(P5, clients[one])
        assert stall[one] == saves.async_stall_s(staging, size[one] / rate[one], np.array([600.0]))


@given(tibs, tibs, nodes, nodes)
def test_more_capacity_and_clients_are_never_slower(a: float, b: float, m: float, n: float) -> None:
    tib, clients = np.array(sorted((a, b))), np.array(sorted((m, n)))
    rate = rates_of(tib, clients)
    assert rate[1] >= rate[0]
    assert rates_of(tib, clients[:1])[0] == rate[0]


@given(sizes, sizes, nodes)
def test_larger_checkpoints_take_longer(a: float, b: float, n: float) -> None:
    size, clients, fs = np.array(sorted((a, b))), np.array([n, n]), config(48.0, efa=True)
    write = storage.drain_s(size, lustre.lustre_write_bytes_per_s(fs, P5, clients))
    load = storage.load_s(4.0 * size, lustre.lustre_read_bytes_per_s(fs, P5, clients, size, 4.0 * size))
    assert write[1] >= write[0]
    assert load[1] >= load[0] * (1.0 - 1e-12)


def test_a_type_without_disks_or_efa() -> None:
    bare = replace(P5, nvme_write_bytes_per_s=0.0, lustre_efa=0.0)
    assert float(lustre.lustre_client_bytes_per_s(config(96.0, efa=True), bare)) == 12.5e9
