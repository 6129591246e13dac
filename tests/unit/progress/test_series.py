"""A run's steps as a curve that never grows."""

from __future__ import annotations

import pytest

from fmctl.progress.items import Job, Record
from fmctl.progress.series import MOST, Series


def test_a_curve_keeps_its_ends_and_its_mean_however_long_the_run() -> None:
    series = Series(Job(model_flop=2e15, peak_flop_per_s=1e15))
    series.add_all(Record(step, step_s=4.0 + (step % 2)) for step in range(1, 100_001))
    points = series.points
    assert len(points) <= MOST and points[-1].step == 100_000
    assert sum(point.count for point in points) == 100_000
    mean = sum(point.step_s * point.count for point in points) / 100_000
    assert mean == pytest.approx(4.5)
    assert points[0].mfu == pytest.approx(2.0 / points[0].step_s)


def test_ranks_that_share_a_log_count_once_and_lines_without_a_time_do_not() -> None:
    series = Series(Job())
    series.add_all([Record(1, step_s=2.0), Record(1, step_s=9.0), Record(2), Record(3, step_s=3.0)])
    assert [(point.step, point.step_s, point.mfu) for point in series.points] == [(1, 2.0, None), (3, 3.0, None)]
