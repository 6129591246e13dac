"""Times of checkpoints on each kind of storage, by hand: 70B, 988 GB on 16 p5 (128 GPUs), a save each 600 s."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.domain.storage import LustreConfig, S3Bucket
from fmctl.perf.store import storage
from tests.unit.perf import saves
from tests.unit.perf.helpers import instance
from tests.unit.perf.saves import SaveJob, SaveTimes

P5 = storage.client_limits(instance("p5"))
P5EN = storage.client_limits(instance("p5en"))
FS = saves.lustre_rates(LustreConfig("persistent-2", 24.0, 1000))
TIMES = ("sync_stall_s", "async_stall_s", "drain_s", "load_s", "reload_s")


def job(**other: float) -> SaveJob:
    values = {
        "total_bytes": 987.8e9, "read_bytes": 987.8e9, "clients": 16.0, "processes": 128.0, "interval_s": 600.0,
        "lost": 1.0,
    }  # fmt: skip
    return SaveJob(**{name: np.array([value]) for name, value in (values | other).items()})


def seconds(times: SaveTimes) -> list[float]:
    return [float(getattr(times, name)[0]) for name in TIMES]


def test_on_a_file_system() -> None:
    # Staging 4.823 s, disks 24 GB/s: 41.16 s, both ways. 8 replicas reading weights and states: 7.9 TB. 988 GB do not
    # fit in 703 GB of cache, so all of it comes from disk: 329 s.
    assert seconds(saves.on_lustre(FS, P5, job())) == pytest.approx([41.16, 4.823, 41.16, 41.16, 41.16], rel=1e-3)
    again = saves.on_lustre(FS, P5, job(read_bytes=8 * 987.8e9))
    assert seconds(again)[3:] == pytest.approx([329.3, 329.3], rel=1e-3)
    # One process gathers and writes: 1,098 s, more than the interval: the next save waits for 498.
    gathered = saves.on_lustre(FS, P5, job(processes=1.0))
    assert seconds(gathered)[:3] == pytest.approx([1097.6, 4.823 + 497.6, 1097.6], rel=1e-3)


def test_loads_with_gpudirect_pass_no_process() -> None:
    # One p5en: 96 GB/s of disks, 10.3 s; through 8 processes 7.2 GB/s, 137.2 s.
    wide = saves.lustre_rates(LustreConfig("persistent-2", 96.0, 1000, efa=True, gds=True))
    one = job(clients=1.0, processes=8.0)
    assert float(saves.on_lustre(wide, P5EN, one).load_s[0]) == pytest.approx(10.29, rel=1e-3)
    host = saves.on_lustre(replace(wide, gds=0.0), P5EN, one)
    assert float(host.load_s[0]) == pytest.approx(137.2, rel=1e-3)


def test_on_s3() -> None:
    # 128 processes 115.2 GB/s, one prefix 234.9 for writes: 8.575 s; reads the same and 0.2 s for the first byte.
    assert seconds(saves.on_s3(S3Bucket(), P5, job())) == pytest.approx([8.575, 4.823, 8.575, 8.775, 8.775], rel=1e-3)


def test_on_local_disks() -> None:
    # Write: 128 disks' 128 GB/s against 115.2 of the processes, 8.575 s; read 256 GB/s. Drain to FS 41.16 s. One lost
    # client has 61.7 GB to fetch at 6.25 GB/s, 9.878 s; the others read theirs at 16 GB/s, 3.859.
    durable = saves.on_lustre(FS, P5, job())
    fetch = np.array([6.25e9])
    local = saves.on_nvme(P5, job(), durable, fetch)
    assert seconds(local) == pytest.approx([8.575, 4.823, 41.16, 41.16, 9.878], rel=1e-3)
    assert float(saves.on_nvme(P5, job(lost=0.0), durable, fetch).reload_s[0]) == pytest.approx(3.859, rel=1e-3)
    # Each 30 s: the drain holds the next save up by 11.16 s, whichever way it is made.
    hasty = saves.on_nvme(P5, job(interval_s=30.0), durable, fetch)
    assert seconds(hasty)[:2] == pytest.approx([8.575 + 11.16, 4.823 + 11.16], rel=1e-3)


def test_in_the_memory_of_peers() -> None:
    # Copy 987.8 / 5,440 = 0.18 s behind a staging of 4.823. A lost client fetches 61.7 GB at 340 GB/s, 0.18 s; all copy
    # to their GPUs at 12.8 GB/s, 4.823 s.
    durable = saves.on_lustre(FS, P5, job())
    peers = saves.on_peers(saves.PeerMemory(), P5, job(), durable)
    assert seconds(peers) == pytest.approx([4.823, 4.823, 41.16, 41.16, 4.823], rel=1e-3)


def test_lost_clients_fetch_side_by_side() -> None:
    # EFA of 1 GB/s: 61.7 GB at 0.85 are 72.6 s, for one lost client and for eight.
    slow = replace(P5, efa_bytes_per_s=1e9)
    for lost in (1.0, 8.0):
        asked = job(lost=lost)
        peers = saves.on_peers(saves.PeerMemory(), slow, asked, saves.on_lustre(FS, P5, asked))
        assert float(peers.reload_s[0]) == pytest.approx(72.63, rel=1e-3)


rows = st.lists(
    st.tuples(st.floats(1e9, 1e13), st.floats(1.0, 8.0), st.integers(1, 512), st.floats(1.0, 3600.0)), min_size=2,
    max_size=5,
)  # fmt: skip


def of(rows: list[tuple[float, float, int, float]]) -> SaveJob:
    size, copies, clients, interval = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return SaveJob(size, size * copies, clients, 8.0 * clients, interval, np.ones_like(size))


def everywhere(asked: SaveJob) -> list[SaveTimes]:
    durable = saves.on_lustre(FS, P5, asked)
    fetch = np.full_like(asked.clients, 6.25e9)
    bucket = saves.on_s3(S3Bucket(), P5, asked)
    return [
        durable,
        bucket,
        saves.on_nvme(P5, asked, bucket, fetch),
        saves.on_peers(saves.PeerMemory(), P5, asked, durable),
    ]


@given(rows)
def test_batch_equals_single(rows: list[tuple[float, float, int, float]]) -> None:
    batch = everywhere(of(rows))
    for i, row in enumerate(rows):
        for many, single in zip(batch, everywhere(of([row])), strict=True):
            assert [getattr(many, name)[i] for name in TIMES] == [getattr(single, name)[0] for name in TIMES]


@given(rows)
def test_a_longer_interval_never_stalls_more(rows: list[tuple[float, float, int, float]]) -> None:
    asked = of(rows)
    longer = everywhere(replace(asked, interval_s=2.0 * asked.interval_s))
    for short, long in zip(everywhere(asked), longer, strict=True):
        assert np.all(long.async_stall_s <= short.async_stall_s)
        assert np.all(long.sync_stall_s <= short.sync_stall_s)


@given(rows)
def test_the_drain_is_the_shortest_interval_that_a_target_keeps(rows: list[tuple[float, float, int, float]]) -> None:
    asked = of(rows)
    for k, times in enumerate(everywhere(asked)):
        kept = everywhere(replace(asked, interval_s=times.drain_s))[k]
        missed = everywhere(replace(asked, interval_s=0.9 * times.drain_s))[k]
        assert kept.async_stall_s == pytest.approx(saves.staging_s(asked, P5))
        assert np.all(missed.async_stall_s > kept.async_stall_s)
