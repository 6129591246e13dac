"""How a job saves, step by step with numbers of its own, and the choices that storage comes to at their edges."""

from __future__ import annotations

from math import exp, inf, log, nan

import numpy as np
import pytest

from fmctl.catalog import load_instance
from fmctl.domain.storage import LustreConfig, S3Bucket
from fmctl.perf.run.reliability import rate_of
from fmctl.perf.store import lustre, saving, sizing, storage
from fmctl.perf.store.checkpoint import contents
from fmctl.perf.store.reading import reading_bound, s3_limits, token_id_bytes
from fmctl.perf.store.saving import SavingJob
from fmctl.perf.store.sizing import LocalSaves, LustreChoice, Need, local_beats, wanted_tib
from fmctl.perf.store.storage import ClientLimits

PRICES = {
    "fsx-lustre/persistent-2-125": 0.145, "fsx-lustre/persistent-2-250": None, "fsx-lustre/persistent-2-500": None,
    "fsx-lustre/persistent-2-1000": 0.6, "s3/standard-first-50tb": 0.023, "s3/standard-next-450tb": 0.022,
    "s3/standard-over-500tb": 0.021,
}  # fmt: skip
P5 = storage.client_limits(load_instance("p5.48xlarge"))
# One instance of 8 GPUs: 12.5 GB/s over ENA, 400 over EFA, 8 disks of 3.84 TB; file systems over EFA and GPUDirect.
CLIENT = ClientLimits(8.0, 2e12, 12.5e9, 400e9, 16e9, 8e9, 30.72e12, 1.0, 1.0)


def job(share: float = 0.01, spares: int = 0, clients: tuple[float, ...] = (16.0, 4.0), kept: float = 3.0) -> SavingJob:
    nodes = np.array(clients)
    held = contents(70e9, nodes * 8.0)
    rate = rate_of(nodes / 1000.0, np.asarray(np.inf))
    return SavingJob(held, np.full(nodes.shape, 4.0), nodes, nodes * 8.0, nodes, rate, spares, kept, share)


def test_a_job_s_bytes() -> None:
    # 14 bytes of 70e9 parameters, 1.016 MB of each GPU; four copies of 2 bytes of the weights are read.
    one = job()
    assert one.total_bytes.tolist() == [980e9 + 128 * 1.016e6, 980e9 + 32 * 1.016e6]
    assert one.read_bytes.tolist() == [8 * 70e9 + 12 * 70e9 + 128 * 1.016e6, 8 * 70e9 + 12 * 70e9 + 32 * 1.016e6]


def test_saving_by_hand() -> None:
    """16 nodes stage 980 GB in 4.79 s, which a hundredth of 1,200 s allows; four nodes take 19 s: too long."""
    found = saving.saving(job(), P5, PRICES, 1200.0)
    total = 980e9 + 128 * 1.016e6
    staging = total / (128 * 1.6e9)
    assert found.process.stall_s[0] == pytest.approx(staging)
    # 980 GB in 1,200 s are 817 MB/s: 6.5 TiB of 125 MB/s. Three checkpoints of them at 85 % are 3.2 TiB.
    assert (found.choice.option.tolist(), found.choice.capacity_tib[0]) == ([0, -1], pytest.approx(7.2))
    assert found.choice.usd_per_month[0] == pytest.approx(7200 * 0.145)
    drain = total / (7.2 * 125e6)
    assert found.process.drain_s[0] == pytest.approx(drain)
    read = 1400e9 + 128 * 1.016e6
    # What is read four times over does not fit the servers' memory (3.4 GiB a TiB): all of it comes from disk.
    assert found.load_s[0] == pytest.approx(read / (7.2 * 125e6))
    short = 150.0 + 60.0 + 60.0 + 10.0 + 0.002 * 128 + read / (7.2 * 125e6)
    assert found.short_s[0] == pytest.approx(short)
    mtbf = 3600.0 / 0.016
    assert found.process.mtbf_s.tolist() == [pytest.approx(mtbf), pytest.approx(3600.0 / 0.004)]
    assert found.process.recovery_s[0] == pytest.approx(short - mtbf * log(1.0 - 0.78 + 0.78 * exp(-1050.0 / mtbf)))
    # The best interval is longer than the drain, and goodput is what it makes of it.
    tau = float(found.process.interval_s[0])
    assert 1.0 - tau / mtbf == pytest.approx(exp(-(tau + staging) / mtbf), abs=1e-9)
    spent = exp(-(float(found.process.recovery_s[0]) + drain) / mtbf)
    assert found.goodput[0] == pytest.approx(tau / mtbf * spent / np.expm1((tau + staging) / mtbf))
    assert np.isnan([found.load_s[1], found.goodput[1], found.process.drain_s[1]]).all()


def test_more_time_for_saves_and_a_spare() -> None:
    # A share of 5 % lets four nodes save too; with a spare hardly anybody waits for a node.
    found = saving.saving(job(0.05, 1), P5, PRICES, 1200.0)
    assert found.choice.option.tolist() == [0, 0]
    alone = saving.saving(job(0.05, 0), P5, PRICES, 1200.0)
    assert (found.process.recovery_s < alone.process.recovery_s - 100.0).all()
    assert found.short_s.tolist() == alone.short_s.tolist()


def test_many_checkpoints_take_a_larger_file_system() -> None:
    held = saving.saving(job(kept=30.0), P5, PRICES, 1200.0).choice
    # 30 checkpoints at 85 % of a TiB of 1,000 GiB: 32.2 TiB, 14 servers of 2.4.
    assert held.capacity_tib[0] == pytest.approx(2.4 * np.ceil(30 * 980.13e9 / 0.85 / 1000 / 2.0**30 / 2.4))


def test_disks_against_the_file_system() -> None:
    found = saving.saving(job(0.05), P5, PRICES, 1200.0)
    # 16 x 8 disks write 128 GB/s, serialised by 128 processes at 115; S3 takes 16 x 12.5 GB/s or fewer by requests.
    total = 980e9 + 128 * 1.016e6
    assert found.disks.stall_s[0] == pytest.approx(total / (128 * 0.9e9))
    assert found.disks.drain_s[0] == pytest.approx(
        total / min(storage.s3_write_bytes_per_s(P5, np.array(16.0), S3Bucket(prefixes=16)), 256e9)
    )
    assert found.disks.usd_per_month[0] == pytest.approx(3 * total / 2.0**30 * 0.023)
    # It stalls longer than the copy to host memory: the file system it is.
    assert found.disks_win.tolist() == [False, False]


def test_gib_of_what_was_chosen() -> None:
    choice = LustreChoice(np.array([0, -1, 2, 0]), np.array([2.4, nan, 9.6, 1.2]), np.ones(4), np.ones(4), ("a", "b"))
    assert [saving.gib(choice, index).tolist() for index in (0, 1, 2)] == [
        [2400.0, 0.0, 0.0, 1200.0], [0.0] * 4, [0.0, 0.0, 9600.0, 0.0],
    ]  # fmt: skip
    assert choice.config(1) is None
    assert choice.config(0) == LustreConfig("persistent-2", 2.4, 125, efa=False)
    assert choice.config(2) == LustreConfig("persistent-2", 9.6, 500, efa=False)
    assert choice.word() == "no price on file for a, b: not compared"


@pytest.mark.parametrize(
    ("works", "stall", "usd", "option", "wins"),
    [
        (True, 5.0, 9.0, 0, True),  # as long a stall, and cheaper
        (True, 5.1, 9.0, 0, False),
        (True, 5.0, 10.0, 0, False),  # as dear
        (True, 5.0, nan, 0, False),
        (True, 9.0, nan, -1, True),  # no file system does
        (False, 1.0, 1.0, -1, False),
        (False, 1.0, 1.0, 0, False),
        (True, 5.1, 11.0, 3, False),
    ],
)
def test_when_disks_beat_a_file_system(works: bool, stall: float, usd: float, option: int, wins: bool) -> None:
    one = np.array([1.0])
    local = LocalSaves(stall * one, one, usd * one, np.array([works]))
    choice = LustreChoice(np.array([option]), one, 10.0 * one, one, ())
    assert local_beats(local, 5.0 * one, choice).tolist() == [wins]


def need(
    total: float, clients: float = 10.0, allowed: float = 100.0, kept: float = 0.0, processes: float = 1e4
) -> Need:
    one = np.array([1.0])
    return Need(total * one, kept * one, clients * one, processes * one, allowed * one)


OPTION = {(o.mb_per_s_per_tib, o.efa): o for o in sizing.OPTIONS}


def test_capacity_by_hand() -> None:
    def tib(tier: int, efa: bool, asked: Need, client: ClientLimits = CLIENT) -> float:
        return float(wanted_tib(OPTION[tier, efa], asked, client)[0])

    # 1 TB in 100 s are 10 GB/s: 80 TiB of 125 MB/s, 10 of 1,000. One TCP flow of 0.625 GB/s carries what each sends.
    assert tib(125, False, need(1e12)) == pytest.approx(80.0)
    assert tib(1000, False, need(1e12)) == pytest.approx(10.0)
    # Two clients send 5 GB/s each: eight flows, eight servers of 2.4 TiB; over EFA there is no such limit.
    assert tib(1000, False, need(1e12, clients=2.0)) == pytest.approx(19.2)
    assert tib(1000, True, need(1e12, clients=2.0)) == pytest.approx(10.0)
    old = ClientLimits(8.0, 2e12, 12.5e9, 400e9, 16e9, 8e9, 30.72e12, 0.0, 1.0)
    assert tib(1000, True, need(1e12, clients=2.0), old) == pytest.approx(8 * 4.8)
    # What lies there, at 85 %.
    assert tib(1000, False, need(1e12, kept=85e12)) == pytest.approx(85e12 / 0.85 / 1000.0 / 2.0**30)
    # Beyond 12.5 GB/s of ENA a client, 87.5 of EFA: no size will do. GPUDirect is not counted on.
    assert tib(1000, False, need(12.5e12)) == pytest.approx(125.0)
    assert tib(1000, False, need(12.6e12)) == inf
    assert tib(1000, True, need(87.4e12, processes=1e9)) == pytest.approx(874.0)
    assert tib(1000, True, need(87.6e12, processes=1e9)) == inf
    # 0.9 GB/s a process.
    assert tib(1000, False, need(0.9e11, processes=1.0)) == pytest.approx(0.9)
    assert tib(1000, False, need(0.91e11, processes=1.0)) == inf
    # 1,024 connections over EFA, and no limit over TCP.
    assert tib(1000, True, need(1e12, clients=1024.0)) == pytest.approx(10.0)
    assert tib(1000, True, need(1e12, clients=1025.0)) == inf
    assert tib(1000, False, need(1e12, clients=1025.0)) == pytest.approx(10.0)
    assert tib(1000, True, need(1e12, clients=1025.0), old) == pytest.approx(10.0)


def test_longest_writes() -> None:
    assert sizing.async_allowed_s(np.array(0.01), np.array([990.0]), np.array([10.0])).tolist() == [990.0]
    assert np.isnan(sizing.async_allowed_s(np.array(0.01), np.array([990.0]), np.array([10.1])))[0]


def test_ties_go_to_the_first_option() -> None:
    """Over EFA and over TCP a file system costs the same where it is as large: without EFA it is."""
    found = sizing.cheapest_lustre(need(1e12, clients=100.0, kept=30e12), CLIENT, {"fsx-lustre/persistent-2-1000": 0.6})
    assert found.option.tolist() == [3]
    assert found.unpriced == tuple(f"fsx-lustre/persistent-2-{tier}" for tier in (125, 250, 500))


def test_saves_to_disks_by_hand() -> None:
    one = np.array([1.0])
    bucket = S3Bucket(prefixes=16)
    # Ten clients: 80 GB/s to disks, 125 GB/s to S3, read at 160. 1 TB: 12.5 s, 8 s behind training.
    found = sizing.nvme_then_s3(need(1e12), 100.0 * one, CLIENT, bucket, PRICES)
    assert (found.stall_s[0], found.drain_s[0], bool(found.works[0])) == (12.5, 8.0, True)
    # A drain that is longer than the interval stops training for the rest, and does not do.
    late = sizing.nvme_then_s3(need(1e12), 7.0 * one, CLIENT, bucket, PRICES)
    assert (late.stall_s[0], bool(late.works[0])) == (13.5, False)
    assert bool(sizing.nvme_then_s3(need(1e12), 8.0 * one, CLIENT, bucket, PRICES).works[0])
    # Two checkpoints on 85 % of 307 TB.
    most = 0.85 * 307.2e12 / 2.0
    assert bool(sizing.nvme_then_s3(need(most), 1e6 * one, CLIENT, bucket, PRICES).works[0])
    assert not bool(sizing.nvme_then_s3(need(most * 1.001), 1e6 * one, CLIENT, bucket, PRICES).works[0])


def test_a_file_system_s_capacity_on_sale() -> None:
    sizes = np.array([0.5, 1.2, 1.3, 2.4, 2.5, 14.4])
    assert lustre.provisioned_tib(sizes, 2.4).tolist() == pytest.approx([1.2, 1.2, 2.4, 2.4, 4.8, 14.4])
    assert lustre.provisioned_tib(sizes, 4.8).tolist() == pytest.approx([4.8, 4.8, 4.8, 4.8, 4.8, 14.4])
    assert lustre.servers(np.array([0.0, 2.4, 2.5, 7.2]), 2.4).tolist() == [1.0, 1.0, 2.0, 3.0]
    assert lustre.server_tib("persistent-2", 500, True) == 9.6
    assert lustre.server_tib("persistent-2", 500, False) == lustre.server_tib("scratch-2", 200, True) == 2.4


def test_the_limit_of_reading() -> None:
    clients = np.array([1.0, 100.0])
    limits = s3_limits(CLIENT, clients, S3Bucket(prefixes=2, part_bytes=8e6))
    assert {name: np.broadcast_to(each, (2,)).tolist() for name, each in limits.items()} == {
        "S3 requests": [2 * 5500 * 8e6] * 2, "S3 client": [50e9, 5000e9], "client network": [12.5e9, 1250e9],
    }  # fmt: skip
    found = reading_bound(np.array([1e9, 2e9]), limits | {"unpublished": np.array([nan, nan])})
    assert found.limit_bytes_per_s.tolist() == [12.5e9, 88e9]
    assert [found.name(row) for row in (0, 1)] == ["client network", "S3 requests"]
    assert found.share.tolist() == [1e9 / 12.5e9, 2e9 / 88e9]
    assert token_id_bytes(np.array([65_535.0, 65_536.0, 65_537.0])).tolist() == [2.0, 2.0, 4.0]


def test_a_member_has_its_share_of_an_ultraserver() -> None:
    rack = load_instance("p6e-gb200")
    assert rack.member_count == 18
    disks, limits = storage.nvme_disks(rack), storage.client_limits(rack)
    assert (disks.disks * 18, disks.total_bytes * 18) == (rack.nvme_disks, pytest.approx(rack.nvme_bytes))
    assert (limits.gpus, limits.ram_bytes * 18) == (4.0, pytest.approx(rack.ram_bytes))
    assert (limits.nvme_read_bytes_per_s, limits.nvme_write_bytes_per_s) == (disks.disks * 2e9, disks.disks * 1e9)
    assert limits.efa_bytes_per_s * 8.0 * 18 == pytest.approx(rack.efa_bits_per_s)
    own = load_instance("p5.48xlarge")
    assert (storage.nvme_disks(own).disks, storage.nvme_disks(own).total_bytes) == (own.nvme_disks, own.nvme_bytes)
