"""A run that is kept and gone on with is the run that was never put down; another log is read from its beginning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.base.errors import UnreadableFile
from fmctl.progress.feeds import FileFeed, JobFeed
from fmctl.progress.formats import Parser
from fmctl.progress.saved import keep, resume
from fmctl.progress.state import Progress
from fmctl.progress.summary import Summary
from tests.unit.progress.logs import JOB, megatron, titan
from tests.unit.progress.test_feeds import Clock, Slurm, line

EVENT = "successfully saved checkpoint from iteration      20"


def opened(log: Path, job: object = JOB) -> tuple[FileFeed, Summary]:
    return FileFeed(str(log), Parser(job, source="a")), Summary(job)  # type: ignore[arg-type]


def told(summary: Summary) -> Progress | dict[str, object]:
    return {name: getattr(summary.progress(), name) for name in Progress.__slots__}


def lines(first: int, last: int) -> str:
    """Ranks, a save, a NaN and a restart: everything that is kept."""
    found = []
    for step in range(first, last):
        found.append(megatron(step, step * 4.0, 4.0 + step % 3, "nan" if step == 33 else "2.5E+00"))
        found += [titan(step, step * 4.0 + rank / 10, rank=rank) for rank in range(3)]
        if step % 20 == 0:
            found.append(EVENT)
    return "".join(one + "\n" for one in found)


@given(cuts=st.lists(st.integers(0, 20_000), max_size=4))
def test_kept_at_any_byte_it_comes_to_the_same(cuts: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("kept")
    log, state = folder / "a.log", folder / "state"
    text = (lines(1, 40) + lines(30, 50)).encode()
    log.write_bytes(b"")
    for number, cut in enumerate([*sorted(cuts), len(text)]):
        log.write_bytes(text[:cut])
        feed, summary = opened(log)
        assert resume(state, feed, summary) is (number > 0)
        summary.add_all(feed.read())
        keep(state, feed, summary)
    plain_feed, plain = opened(log)
    plain.add_all(plain_feed.read())
    assert repr(told(summary)) == repr(told(plain))  # NaN is no equal of itself


def kept(folder: Path, until: int = 40) -> tuple[Path, Path]:
    log, state = folder / "a.log", folder / "state"
    log.write_text(lines(1, until))
    feed, summary = opened(log)
    summary.add_all(feed.read())
    keep(state, feed, summary)
    return log, state


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    log, state = kept(tmp_path)
    with log.open("a") as stream:
        stream.write(lines(40, 42))
    feed, summary = opened(log)
    assert resume(state, feed, summary)
    assert {item.step for item in feed.read() if item.step is not None} == {20, 40, 41}  # 20: as its event says


def test_a_rotated_log_is_gone_on_with_and_another_one_is_begun(tmp_path: Path) -> None:
    log, state = kept(tmp_path)
    log.rename(tmp_path / "a.log.1")
    log.write_text(lines(40, 45))
    feed, summary = opened(log)
    assert resume(state, feed, summary)
    summary.add_all(feed.read())
    assert summary.progress().last_step == 44 and summary.progress().first_step == 1
    (tmp_path / "a.log.1").unlink()
    log.write_text(lines(100, 300))
    feed, summary = opened(log)
    assert not resume(state, feed, summary)
    summary.add_all(feed.read())
    assert (summary.progress().first_step, summary.progress().restarts) == (100, 0)


def test_another_job_log_or_version_is_no_reason_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, state = kept(tmp_path)
    assert not resume(state, *opened(log, replace(JOB, tokens_per_step=1.0)))
    feed, summary = opened(log)
    feed.parser.source = "b"
    assert not resume(state, feed, summary)
    monkeypatch.setattr("fmctl.progress.saved.__version__", "0.0.0")
    assert not resume(state, *opened(log))


def test_a_damaged_state_is_read_anew_and_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    log, state = kept(tmp_path)
    whole = json.loads(state.read_text())
    whole["held"]["summary"]["map"][0][1] = 7
    state.write_text(json.dumps(whole))
    assert not resume(state, *opened(log))
    for text in ("[]", "{", "a letter", '{"held": 1}', "[" * 100_000):
        state.write_text(text)
        with pytest.raises(UnreadableFile):
            resume(state, *opened(log))
    state.write_text("")
    assert not resume(state, *opened(log))


def test_a_jobs_output_is_gone_on_with_where_its_last_bytes_are_the_same() -> None:
    slurm = Slurm(most=10_000)
    slurm.text = line(1) + line(2) + line(3)[:60]
    feed = JobFeed(slurm, slurm.job(7), Parser(), Clock())
    list(feed.read())
    held = json.loads(json.dumps(feed.state()))
    slurm.text = line(1) + line(2) + line(3)
    again = JobFeed(slurm, slurm.job(7), Parser(), Clock())
    assert again.resume(held)
    assert [item.step for item in again.read()] == [3]
    slurm.text = line(7) + line(8) + line(9)
    anew = JobFeed(slurm, slurm.job(7), Parser(), Clock())
    assert not anew.resume(held)
    assert [item.step for item in anew.read()] == [7, 8, 9]
