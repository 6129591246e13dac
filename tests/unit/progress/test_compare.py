"""A run held against its plan's row: inside, outside, or why that is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmctl.domain.logged import Event, Record
from fmctl.perf.run.energy import power_ends
from fmctl.progress.compare import Compared, compare, job_of, outside
from fmctl.progress.state import Progress
from fmctl.progress.summary import Summary
from tests.unit.progress.logs import plan_row

ROW = plan_row()


def run(step_s: float = 4.0, save_s: float = 10.0) -> Progress:
    """Half of the thousand steps, a save after every hundredth."""
    summary, at = Summary(job_of(ROW)), 0.0
    for step in range(501):
        summary.add(Record(step, at, step_s, None, 2.5, 1.0, 63e9))
        if step and step % 100 == 0:
            summary.add(Event("saved", at + save_s, step, save_s))
            at += save_s
        at += step_s
    return summary.progress()


def by_name(progress: Progress, **known: float) -> dict[str, Compared]:
    return {one.name: one for one in compare(ROW, progress, **known)}  # type: ignore[arg-type]


def test_the_job_of_a_row() -> None:
    job = job_of(ROW)
    assert (job.gpus, job.seq_len, job.tokens_per_step, job.total_steps) == (64, 8192, 4194304, 1000)
    assert job.peak_flop_per_s == pytest.approx(4e18 / (0.4 * 4.0))


def test_a_run_as_planned_is_inside_everywhere() -> None:
    found = by_name(run(), power_w=58e3)
    assert {name: one.verdict for name, one in found.items()} == dict.fromkeys(found, "inside")
    assert found["mfu"].measured == pytest.approx(0.4, rel=0.002)
    assert (found["mfu"].low, found["mfu"].high) == (pytest.approx(0.4 * 4.0 / 4.6), pytest.approx(0.4 * 4.0 / 3.5))
    assert found["power_w"].low == pytest.approx(60e3 * power_ends("")[0])
    assert found["wall_s"].measured == pytest.approx(1000 * 4.0 + 100.0, rel=0.01)
    assert found["total_usd"].measured == pytest.approx(360.0 * 4100.0 / 3600.0, rel=0.01)
    assert outside(tuple(found.values())) == ()


def test_a_slow_run_is_outside_where_time_counts() -> None:
    found = by_name(run(step_s=6.0))
    verdicts = {one.name: one.verdict for one in outside(tuple(found.values()))}
    assert verdicts == {
        "step_s": "above", "tokens_per_s": "below", "mfu": "below", "wall_s": "above", "total_usd": "above",
        "goodput": "above",  # saves weigh less beside longer steps
    }  # fmt: skip


def test_long_saves_are_outside() -> None:
    found = by_name(run(save_s=150.0))
    assert {n: found[n].verdict for n in ("step_s", "save_stall_s", "goodput")} == {
        "step_s": "inside", "save_stall_s": "above", "goodput": "below",
    }  # fmt: skip


def test_what_is_not_known_says_why() -> None:
    found = by_name(Summary(job_of(ROW)).progress())
    assert {one.verdict for one in found.values()} == {"unknown"}
    assert all(one.why and one.measured is None for one in found.values())
    bare = {**ROW, "whole_run": None, "cost": {**ROW["cost"], "usd_per_h": None}}
    unplanned = {one.name: one for one in compare(bare, run())}
    assert unplanned["goodput"].why == unplanned["total_usd"].why == "the plan is of no whole run"
    assert unplanned["step_s"].verdict == "inside"
    assert unplanned["power_w"].why == "power was not metered"


def test_what_was_spent_counts_where_it_is_known_and_what_is_left_at_its_price() -> None:
    half_s = 499 * 4.0 / (500 * 4.0 / 2050.0)  # steps that are left, at the goodput so far
    found = by_name(run(), spent_usd=1000.0)["total_usd"]
    assert (found.verdict, found.measured) == ("above", pytest.approx(1000.0 + 360.0 * half_s / 3600.0, rel=0.01))
    cheaper = by_name(run(), spent_usd=1000.0, usd_per_h=36.0)["total_usd"]
    assert cheaper.measured == pytest.approx(1000.0 + 36.0 * half_s / 3600.0, rel=0.01)


def test_memory_is_held_against_what_the_framework_counts() -> None:
    (memory,) = (one for one in compare({**ROW, "framework": "deepspeed"}, run()) if one.name == "memory_bytes")
    assert memory.predicted == 60e9


def test_a_log_that_begins_late_forecasts_the_whole_run() -> None:
    late = Summary(job_of(ROW))
    late.add_all(Record(step, step * 4.0, 4.0) for step in range(400, 600))
    assert late.progress().wall_s == pytest.approx(4000.0, rel=0.01)
    assert replace(late.progress(), step_s=None).step_s is None


def test_a_run_of_a_document_is_read_back_and_an_older_one_lacks_what_is_new() -> None:
    held = {name: getattr(run(), name) for name in Progress.__slots__}
    assert {name: getattr(Progress.from_dict(held | {"finished": True}), name) for name in held} == held
    older = Progress.from_dict({name: held[name] for name in ("records", "last_step", "total_steps")})
    assert (older.records, older.saved_at, older.finished) == (held["records"], None, False)
