"""Running statistics against hand-worked runs, and their memory against endless ones."""

from __future__ import annotations

import random
import tracemalloc
from math import log
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.domain.logged import Event, Job, Record
from fmctl.progress.follow import Follower
from fmctl.progress.formats import Parser
from fmctl.progress.sketch import ACCURACY, Level, Sketch
from fmctl.progress.state import Progress
from fmctl.progress.summary import Summary, advance
from tests.unit.progress.logs import JOB, megatron, parse_lines, titan


def summed(*items: Record | Event, job: Job = JOB) -> Progress:
    summary = Summary(job)
    summary.add_all(items)
    return summary.progress()


def steady(first: int, count: int, at: float = 0.0, step_s: float = 4.0) -> list[Record]:
    return [Record(first + i, at + i * step_s, step_s, None, 2.5, 1.0) for i in range(count)]


def test_nothing_is_known_of_an_empty_log() -> None:
    p = summed()
    assert (p.records, p.step_s, p.goodput, p.finish_s, p.last_step, p.rank_excess) == (0, None, None, None, None, None)


def test_a_steady_run_by_hand() -> None:
    job = Job(64, 8192, 1000.0, 1001, model_flop=8e18, peak_flop_per_s=4e18)
    p = summed(*steady(0, 101), job=job)
    assert p.step_s == pytest.approx(4.0, rel=ACCURACY)
    assert p.tokens_per_s == pytest.approx(250.0, rel=ACCURACY)
    assert p.mfu == pytest.approx(0.5, rel=ACCURACY)
    assert p.goodput == pytest.approx(1.0, rel=2 * ACCURACY)
    assert p.finish_s == pytest.approx(400.0 + 900 * 4.0, rel=3 * ACCURACY)
    assert p.wall_s == pytest.approx(4000.0, rel=3 * ACCURACY)
    assert (p.slow_share, p.restarts, p.saves, p.loss_spikes, p.nan_steps) == (0.0, 0, 0, 0, 0)


def test_the_median_is_not_moved_by_the_first_step_nor_by_slow_ones() -> None:
    slow = [Record(50 + i, 300.0 + 30.0 * i, 30.0) for i in range(10)]
    p = summed(Record(0, 0.0, 300.0), *steady(1, 49, 4.0), *slow)
    assert p.step_s == pytest.approx(4.0, rel=ACCURACY)
    assert p.slow_share == pytest.approx(10 * (30.0 - 6.0) / (49 * 4.0 + 10 * 30.0), rel=0.01)


def test_steps_without_times_are_timed_by_the_clock() -> None:
    p = summed(*(item for i in range(30) for item in parse_lines([titan(i, at=2.5 * i)], Job())), job=Job())
    assert p.step_s == pytest.approx(2.5, rel=ACCURACY)
    assert p.tokens_per_s is None


def test_a_save_stalls_for_as_long_as_is_logged() -> None:
    save = [Event("saving", 40.0, 10), Event("saved", 52.0, 10), Event("save-time", 52.0, None, 12.0)]
    p = summed(*steady(0, 11), *save, *steady(11, 9, 56.0))
    assert (p.saves, p.stall_s) == (1, pytest.approx(12.0, rel=ACCURACY))
    assert p.stall_share == pytest.approx(12.0 / 88.0, rel=ACCURACY)
    assert p.goodput == pytest.approx(76.0 / 88.0, rel=ACCURACY)


def test_a_save_without_a_time_stalls_for_the_gap() -> None:
    p = summed(*steady(0, 11), Event("saving", 40.0, 10), *steady(11, 9, 56.0))
    assert (p.saves, p.stall_s) == (1, pytest.approx(12.0, rel=0.01))


def test_a_restart_counts_once_and_what_was_lost_is_done_again() -> None:
    back = [
        Event("interrupted", 100.0), Event("interrupted", 101.0), Event("restart", 110.0), Event("start", 200.0),
        Event("loaded", 210.0, 10),
    ]  # fmt: skip
    p = summed(*steady(0, 21), *back, *steady(11, 20, 240.0))
    assert (p.restarts, p.last_step, p.errors) == (1, 30, {"interrupted": 2})
    assert p.goodput == pytest.approx(30 * 4.0 / (240.0 + 19 * 4.0), rel=0.01)


def test_a_restart_that_no_line_tells_of() -> None:
    assert summed(*steady(0, 21), *steady(11, 20, 240.0)).restarts == 1
    assert summed(*(r._replace(at=None) for r in (*steady(0, 21), *steady(11, 20)))).restarts == 1


def test_a_rank_that_writes_late_is_no_restart() -> None:
    items = [Record(step, step * 4.0, 4.0, rank=rank) for step in range(30) for rank in range(4)]
    late = sorted(items, key=lambda r: (r.step + (2 if r.rank == 3 else 0), r.rank))
    assert summed(*late).restarts == 0
    assert summed(*(r._replace(rank=None) for r in late)).restarts == 0


def test_a_late_line_after_the_end_is_no_second_restart() -> None:
    broken = [Event("interrupted", 81.0), Record(20, 80.5, 4.0, rank=1), Event("start", 200.0)]
    assert summed(*steady(0, 21), *broken, *steady(11, 20, 240.0)).restarts == 1


def test_the_slow_rank_is_named() -> None:
    items = [
        Record(step, step * 4.0 + (0.3 if rank == 5 else 0.0), 4.4 if rank == 5 else 4.0, rank=rank)
        for step in range(40)
        for rank in range(8)
    ]
    p = summed(*items)
    assert (p.slowest_rank, p.rank_excess) == (5, pytest.approx(0.1))
    assert p.late_s[5] == pytest.approx(0.3)
    assert p.late_s[0] == 0.0


def test_nan_spikes_and_errors_are_counted() -> None:
    fine = [Record(i, i * 4.0, 4.0, loss=2.5 + 0.01 * (i % 7)) for i in range(200)]
    bad = [Record(200, 800.0, 4.0, loss=9.0), Record(201, 804.0, 4.0, loss=float("nan"))]
    p = summed(*fine, *bad, Event("xid", 805.0, value=79.0), Event("alloc-retries", 806.0, value=37.0))
    assert (p.loss_spikes, p.nan_steps, p.errors, p.alloc_retries) == (1, 1, {"xid": 1}, 37)
    assert p.lowest_loss == 2.5
    assert p.last_at == 806.0


def test_one_by_one_is_as_all_at_once() -> None:
    items = parse_lines([megatron(i, at=4.0 * i) for i in range(1, 60)], JOB)
    one = Summary(JOB)
    for item in items:
        one.add(item)
        one.progress()
    whole = Summary(JOB)
    whole.add_all(items)
    a, b = one.progress(), whole.progress()
    assert [getattr(a, f) for f in Progress.__slots__] == [getattr(b, f) for f in Progress.__slots__]


@given(st.lists(st.floats(1e-5, 1e7), min_size=1, max_size=200), st.floats(0.0, 1.0))
def test_quantiles_are_within_the_promised_error(values: list[float], share: float) -> None:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    exact = sorted(values)[int(share * (len(values) - 1))]
    assert abs(log((sketch.quantile(share) or 0.0) / exact)) < 1.01 * ACCURACY


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=100))
def test_quantiles_rise(values: list[float]) -> None:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    found = [sketch.quantile(share / 10) or 0.0 for share in range(11)]
    assert found == sorted(found)


def test_a_falling_loss_has_no_spikes() -> None:
    random.seed(3)
    level = Level()
    losses = [2.0 + 8.0 / (1 + i / 50) + random.gauss(0.0, 0.03) for i in range(3000)]
    assert not any(level.spikes(loss, 6.0, 0.1) for loss in losses)
    assert level.mean == pytest.approx(median(losses[-50:]), rel=0.03)


def test_a_log_that_grows_is_summed_up_as_it_does(tmp_path: Path) -> None:
    path = tmp_path / "log"
    follower, summary = Follower(path), Summary()
    assert advance(follower, summary).records == 0
    for first in (1, 101):
        with path.open("a") as stream:
            stream.writelines(f"{megatron(i, at=4.0 * i)}\n" for i in range(first, first + 100))
        p = advance(follower, summary)
        assert (p.last_step, p.records, p.total_steps) == (first + 99, first + 99, 1000)
        assert (p.finish_s or 0.0) - (p.last_at or 0.0) == pytest.approx((1000 - first - 99) * 4.0, rel=3 * ACCURACY)


def test_memory_does_not_grow_with_the_run() -> None:
    random.seed(1)
    summary, job = Summary(JOB), Parser(JOB)

    def run(first: int, count: int) -> int:
        for i in range(first, first + count):
            summary.add(Record(i, i * 4.0, random.lognormvariate(1.4, 0.05), 1e6, 2.5, 1.0, 6e10, i % 8))
            if i % 100 == 0:
                summary.add_all(job.line(f"saving checkpoint at iteration {i} to /fsx"))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = run(0, 20_000)
        assert run(20_000, 60_000) < before + 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("first", "every", "steps", "finished"),
    [
        (1, 1, 1000, True), (1, 1, 999, False),
        (0, 1, 1000, True), (0, 1, 999, False),  # counted from 0: ends with 999
        (10, 10, 100, True), (10, 10, 99, False),
        (7, 7, 142, True), (7, 7, 141, False),  # 994 is the last record that 1000 steps have
    ],
)  # fmt: skip
def test_a_run_is_finished_when_no_record_is_to_come(first: int, every: int, steps: int, finished: bool) -> None:
    found = summed(*(Record(first + i * every, i * 4.0 * every, 4.0) for i in range(steps)))
    assert found.finished is finished


def test_the_last_step_and_the_last_save() -> None:
    items = [*steady(1, 5), Event("saving", 20.0, 5), Event("saved", 31.0, 5), *steady(6, 3, 40.0, 6.0)]
    assert (summed(*items).last_step_s, summed(*items).saved_at) == (6.0, 31.0)
    assert summed(*steady(1, 5), Event("saved", None, 5)).saved_at == 16.0  # the line before it
    assert summed(*steady(1, 5), Event("saving", 20.0, 5)).saved_at is None
    untimed = [record._replace(step_s=None) for record in steady(10, 3)]
    assert summed(*untimed, Record(22, 28.0)).last_step_s == 2.0
