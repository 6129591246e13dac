"""The cheapest file system by hand and by brute force over what is on sale; disks against it; cost lines; reading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.catalog.pricing import find_storage_price, storage_prices
from fmctl.domain.storage import LustreConfig, S3Bucket
from fmctl.perf.store import lustre, reading, sizing, storage
from fmctl.perf.store.sizing import OPTIONS, Need
from tests.unit.perf import saves
from tests.unit.perf.helpers import instance

P4D, P5, P5EN = (storage.client_limits(instance(name)) for name in ("p4d", "p5", "p5en"))
GB200 = storage.client_limits(instance("p6e-gb200"))
PRICES = {row.item: find_storage_price(row.item, "us-east-1").usd for row in storage_prices()}
ALL_PRICED = PRICES | {"fsx-lustre/persistent-2-250": 0.21, "fsx-lustre/persistent-2-500": 0.34}  # invented
SIZE = 987.8e9  # 70B


def need(size: float, kept: float, clients: float, allowed_s: float, processes: float = 1e5) -> Need:
    """So many processes that they do not bind, unless said."""
    return Need(*(np.array([x]) for x in (size, size * kept, clients, processes, allowed_s)))


def test_a_slow_interval_is_bought_by_capacity() -> None:
    # 10 kept: 9.878e12 / (0.85 x 1.0737e12 per TiB) = 10.82 TiB: 12.0 of tier 125, 12,000 GB x 0.145 = 1,740 USD. In
    # 1,800 s it need not write faster than 0.549 GB/s, and writes at 1.5: 658.5 s.
    choice = sizing.cheapest_lustre(need(SIZE, 10.0, 16.0, 1800.0), P5, PRICES)
    assert choice.config(0) == LustreConfig("persistent-2", 12.0, 125)
    assert choice.usd_per_month == pytest.approx([1740.0])
    assert choice.write_s == pytest.approx([658.5], rel=1e-3)
    # 13.5 kept would fit into 14.4 TiB at 87 %; at 85 % they need 14.61, and 16.8 are bought.
    fuller = sizing.cheapest_lustre(need(SIZE, 13.5, 16.0, 1800.0), P5, PRICES)
    assert fuller.capacity_tib == pytest.approx([16.8])
    assert choice.unpriced == ("fsx-lustre/persistent-2-250", "fsx-lustre/persistent-2-500")
    assert (
        choice.word() == "no price on file for fsx-lustre/persistent-2-250, fsx-lustre/persistent-2-500: not compared"
    )


def test_a_short_stall_is_bought_by_throughput() -> None:
    # In 30 s: 32.93 GB/s. Tier 1000: 32.93 TiB, 33.6 on sale (14 servers), 20,160 USD; tier 125: 263.4 TiB, 264.0 on
    # sale, 38,280 USD. With EFA 33.6 TiB too (7 servers of 4.8): the same price, so the plain one is taken.
    choice = sizing.cheapest_lustre(need(SIZE, 3.0, 16.0, 30.0), P5, PRICES)
    assert choice.config(0) == LustreConfig("persistent-2", 33.6, 1000)
    assert choice.usd_per_month == pytest.approx([20_160.0])
    assert float(choice.write_s[0]) <= 30.0


def test_efa_is_bought_where_tcp_clients_are_too_slow() -> None:
    # One client, 50 s: 19.8 GB/s, above 12.5 of TCP. Over EFA 19.8 TiB of 1000 are five servers, 24 TiB.
    choice = sizing.cheapest_lustre(need(SIZE, 3.0, 1.0, 50.0), P5, PRICES)
    assert choice.config(0) == LustreConfig("persistent-2", 24.0, 1000, efa=True)
    # Two clients and 100 s: 4.94 GB/s each, eight TCP flows, hence 8 x 2.4 = 19.2 TiB where 9.9 would be enough for the
    # disks; tier 125 needs 79.0, 79.2 on sale: 11,484 USD against 11,520. With EFA 14.4 TiB of 1000: 8,640.
    choice = sizing.cheapest_lustre(need(SIZE, 3.0, 2.0, 100.0), P5, PRICES)
    assert choice.config(0) == LustreConfig("persistent-2", 14.4, 1000, efa=True)
    # The first EFA has no such way out.
    assert sizing.cheapest_lustre(need(SIZE, 3.0, 1.0, 50.0), P4D, PRICES).config(0) is None


def test_nothing_is_said_where_nothing_is_fast_enough_or_priced() -> None:
    # One client cannot write 988 GB in 1 s; without prices nothing is chosen, never a guess.
    for prices, allowed in ((PRICES, 1.0), ({}, 1800.0)):
        choice = sizing.cheapest_lustre(need(SIZE, 3.0, 1.0, allowed), P5, prices)
        assert choice.config(0) is None
        assert np.isnan([choice.capacity_tib[0], choice.usd_per_month[0], choice.write_s[0]]).all()
    assert len(sizing.cheapest_lustre(need(SIZE, 3.0, 1.0, 1800.0), P5, {}).unpriced) == 4
    # A consolidated file passes one process, 0.9 GB/s: 1,098 s, whatever the file system.
    assert sizing.cheapest_lustre(need(SIZE, 3.0, 16.0, 1090.0, processes=1.0), P5, PRICES).config(0) is None
    gathered = sizing.cheapest_lustre(need(SIZE, 3.0, 16.0, 1100.0, processes=1.0), P5, PRICES)
    assert gathered.write_s == pytest.approx([1097.6], rel=1e-3)
    # 2,000 clients are more than an EFA file system connects; on type 1000 EFA would not be cheaper anyway.
    crowd = need(1e14, 1.0, 2000.0, 8.0)
    assert np.isinf(sizing.option_tib(sizing.persistent(1000, True), crowd, P5))
    assert np.isfinite(sizing.option_tib(sizing.persistent(1000, False), crowd, P5))


def test_a_target_share_becomes_a_time_to_write_in() -> None:
    # 5 % of wall time beside 570 s of training: 30 s. A staging of 31 s is too long.
    share, interval, staging = np.full(2, 0.05), np.full(2, 570.0), np.array([4.8, 31.0])
    assert sizing.async_allowed_s(share, interval, staging) == pytest.approx([570.0, np.nan], nan_ok=True)
    # Hidden behind training the cheap tier has time enough: 3 kept take 3.25 TiB, 1.73 GB/s 13.9: 14.4 TiB, 2,088 USD.
    hidden = sizing.async_allowed_s(share, interval, staging)[:1]
    relaxed = sizing.cheapest_lustre(
        Need(*(np.full(1, x) for x in (SIZE, 3.0 * SIZE, 16.0, 128.0)), hidden), P5, PRICES
    )
    assert relaxed.config(0) == LustreConfig("persistent-2", 14.4, 125)
    assert relaxed.usd_per_month == pytest.approx([2088.0])


def brute_usd(size: float, kept: float, clients: float, allowed_s: float, c: storage.ClientLimits) -> float:
    """The cheapest of every size on sale up to 4,000 servers, by the rates of `perf.store.lustre` alone."""
    best = np.inf
    for option in OPTIONS:
        step = lustre.server_tib("persistent-2", option.mb_per_s_per_tib, option.efa)
        tib = np.arange(1, 4001) * step
        tib = tib if option.efa else np.append(1.2, tib)
        fs = lustre.tier_rates(lustre.TIERS["persistent-2", option.mb_per_s_per_tib], tib, step, float(option.efa), 0.0)
        rate = lustre.lustre_write_bytes_per_s(fs, c, np.full_like(tib, clients))
        holds = tib * 1000.0 * 2.0**30 * sizing.FULL_SHARE >= size * kept
        good = tib[(size / rate <= allowed_s) & holds]
        price = ALL_PRICED[option.item]
        assert price is not None
        best = min(best, *(good[:1] * 1000.0 * price), np.inf)
    return best


@given(st.floats(1e10, 2e13), st.floats(1.0, 6.0), st.integers(1, 512), st.floats(20.0, 3600.0))
def test_closed_form_finds_what_brute_force_finds(size: float, kept: float, clients: int, allowed_s: float) -> None:
    for c in (P5, P4D, GB200):
        # Sizes on sale are steps: at the very edge of one, rounding may go either way.
        low, high = (brute_usd(size * edge, kept, float(clients), allowed_s, c) for edge in (1.0 - 1e-6, 1.0 + 1e-6))
        ours = sizing.cheapest_lustre(need(size, kept, float(clients), allowed_s), c, ALL_PRICED)
        if np.isfinite(high):
            assert low * (1.0 - 1e-9) <= ours.usd_per_month[0] <= high * (1.0 + 1e-9)
            assert ours.write_s[0] <= allowed_s * (1.0 + 1e-6)
        assert np.isfinite(low) or ours.option[0] == -1


@given(
    st.lists(st.tuples(st.floats(1e10, 1e13), st.floats(1.0, 512.0), st.floats(5.0, 3600.0)), min_size=2, max_size=6)
)
def test_batch_equals_single(rows: list[tuple[float, float, float]]) -> None:
    size, clients, allowed = (np.array(column) for column in zip(*rows, strict=True))
    batch = sizing.cheapest_lustre(Need(size, 3.0 * size, clients, 8.0 * clients, allowed), P5, PRICES)
    for i in range(len(rows)):
        one = slice(i, i + 1)
        single = sizing.cheapest_lustre(
            Need(size[one], 3.0 * size[one], clients[one], 8.0 * clients[one], allowed[one]), P5, PRICES
        )
        for name in ("option", "capacity_tib", "usd_per_month", "write_s"):
            assert getattr(batch, name)[one].tobytes() == getattr(single, name).tobytes()


@given(st.floats(1e10, 1e13), st.floats(5.0, 3600.0), st.floats(5.0, 3600.0))
def test_less_time_never_costs_less(size: float, a: float, b: float) -> None:
    short, long = (sizing.cheapest_lustre(need(size, 3.0, 16.0, s), P5, PRICES) for s in sorted((a, b)))
    assert not short.usd_per_month[0] < long.usd_per_month[0] - 1e-6


def test_local_disks_against_a_file_system() -> None:
    # 16 p5: NVMe writes 128 GB/s, 7.72 s; drain to S3 by one prefix at 234.9 GB/s, from 256 of the disks: 4.2 s. Three
    # kept: 2,760 GB at 0.023 = 63.5 USD. A file system with a stall of 30 s is 20,160 USD: the disks win.
    asked, interval = need(SIZE, 3.0, 16.0, 30.0), np.array([570.0])
    local = sizing.nvme_then_s3(asked, interval, P5, S3Bucket(), PRICES)
    assert (local.stall_s[0], local.drain_s[0]) == (pytest.approx(7.717, rel=1e-3), pytest.approx(4.206, rel=1e-3))
    assert local.usd_per_month == pytest.approx([3 * 987.8 / 1.073742 * 0.023], rel=1e-5)
    choice = sizing.cheapest_lustre(asked, P5, PRICES)
    assert sizing.local_beats(local, choice.write_s, choice).tolist() == [True]
    # A file system that stalls less than 7.7 s is kept whatever it costs, and an unknown S3 price beats none.
    assert sizing.local_beats(local, np.array([5.0]), choice).tolist() == [False]
    unknown = sizing.nvme_then_s3(asked, interval, P5, S3Bucket(), {})
    assert sizing.local_beats(unknown, choice.write_s, choice).tolist() == [False]
    # Where no file system has a price the disks are all there is.
    nothing = sizing.cheapest_lustre(asked, P5, {})
    assert sizing.local_beats(local, nothing.write_s, nothing).tolist() == [True]


def test_local_disks_that_do_not_do() -> None:
    # 16 TB on one p5: two of them do not fit on 0.85 x 30.4 TB. 4 s of interval are too short for a drain of 4.2 s.
    large = sizing.nvme_then_s3(need(16e12, 1.0, 1.0, 3600.0), np.array([3600.0]), P5, S3Bucket(), PRICES)
    hasty = sizing.nvme_then_s3(need(SIZE, 3.0, 16.0, 4.0), np.array([4.0]), P5, S3Bucket(), PRICES)
    assert not large.works[0]
    assert not hasty.works[0]
    assert hasty.stall_s == pytest.approx([7.717 + 0.206], rel=1e-3)


def test_price_of_s3_by_bands() -> None:
    # 600 TB: 51,200 GB at 0.023, 460,800 at 0.022, 102,400 at 0.021 = 1,177.6 + 10,137.6 + 2,150.4.
    held = np.array([0.0, 1024.0, 600.0 * 1024.0]) * 2.0**30
    assert sizing.s3_usd_per_month(held, PRICES) == pytest.approx([0.0, 23.552, 13_465.6])
    partly = PRICES | {"s3/standard-over-500tb": None}
    assert np.isnan(sizing.s3_usd_per_month(held, partly)).tolist() == [False, False, True]


def test_reading_text() -> None:
    # Llama 3: vocabulary 128,256, 4 bytes per id; 2e6 tokens/s are 8 MB/s. 1.2 TiB of tier 125: 150 MB/s of disk, below
    # its network (384) and the clients.
    assert reading.token_id_bytes(np.array([50_257.0, 65_536.0, 128_256.0])).tolist() == [2.0, 2.0, 4.0]
    demand = reading.text_bytes_per_s(np.array([2e6, 1e8]), np.array([4.0, 4.0]))
    fs = saves.lustre_rates(LustreConfig("persistent-2", 1.2, 125))
    bound = reading.reading_bound(demand, saves.lustre_limits(fs, P5, np.array([16.0, 16.0])))
    assert bound.limit_bytes_per_s == pytest.approx([150e6, 150e6])
    assert bound.share == pytest.approx([8 / 150, 400 / 150])
    assert [bound.name(i) for i in (0, 1)] == ["file system disks"] * 2


def test_reading_media_is_bound_elsewhere() -> None:
    # 20,000 images/s of 500 kB: 10 GB/s. One p5 on 96 TiB of 1000 by TCP is bound by its network, 12.5 GB/s.
    demand = np.array([20e3 * 5e5])
    wide = saves.lustre_rates(LustreConfig("persistent-2", 96.0, 1000))
    bound = reading.reading_bound(demand, saves.lustre_limits(wide, P5, np.array([1.0])))
    assert (bound.name(0), bound.share[0]) == ("client network", pytest.approx(0.8))
    # The network of persistent-1 is not published: it does not bind.
    old = saves.lustre_rates(LustreConfig("persistent-1", 4.8, 50))
    assert reading.reading_bound(demand, saves.lustre_limits(old, P5, np.array([1.0]))).limit_bytes_per_s == [240e6]
    # S3: one p5 by its client library, a GB200 member by its ENA, 16 p5 with small parts by requests.
    found = [
        reading.reading_bound(demand, reading.s3_limits(c, np.array([n]), S3Bucket(part_bytes=part))).name(0)
        for c, n, part in ((P5, 1.0, 2.0**26), (GB200, 1.0, 2.0**26), (P5, 16.0, 1e6))
    ]
    assert found == ["S3 client", "client network", "S3 requests"]
