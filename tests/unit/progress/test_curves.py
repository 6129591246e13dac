"""A run's steps as curves that never grow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmctl.domain.logged import Event, Job, Record
from fmctl.progress.curves import CURVE_POINTS, Curves


def test_a_curve_keeps_its_ends_and_its_mean_however_long_the_run() -> None:
    curves = Curves(Job(model_flop=2e15, peak_flop_per_s=1e15))
    curves.add_all(Record(step, step_s=4.0 + (step % 2)) for step in range(1, 100_001))
    points = curves.points
    assert points[-1].step == 100_000
    assert sum(point.count for point in points) == 100_000
    assert points[0].step_s is not None
    assert points[0].mfu == pytest.approx(2.0 / points[0].step_s)


def test_ranks_that_share_a_log_count_once_and_lines_without_figures_do_not() -> None:
    curves = Curves()
    lines = [Record(1, step_s=2.0, rank=0), Record(1, step_s=9.0, rank=1), Event("saved"), Record(2)]
    curves.add_all(lines)
    assert [(point.step, point.step_s, point.mfu) for point in curves.points] == [(1, 2.0, None)]


def test_steps_that_were_lost_and_done_again_are_drawn_again() -> None:
    curves = Curves()
    curves.add_all(Record(step, loss=2.0) for step in (10, 20, 20, 30))
    assert [point.step for point in curves.points] == [10, 20, 20, 30]


@given(st.integers(0, 5 * CURVE_POINTS), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_curves_are_bounded_and_lose_nothing(count: int, every: int) -> None:
    curves = Curves()
    for i in range(count):
        curves.add(Record(i, float(i), 1.0 + i, None, float("nan") if i % every == 0 else 2.0))
    points = curves.points
    assert len(points) < 2 * CURVE_POINTS
    assert all(point.loss in (None, 2.0) for point in points)
    assert sum(point.count for point in points) == count
    if count:
        assert points[-1].step == count - 1
        assert [point.step for point in points] == sorted({point.step for point in points})
        total = sum(point.count * (point.step_s or 0.0) for point in points)
        assert total == pytest.approx(sum(1.0 + i for i in range(count)))
