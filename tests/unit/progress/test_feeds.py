"""A job's output through the head node: only what is new is asked for, and a file begun anew is read anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmctl.base.errors import UnreadableFile
from fmctl.domain.job import Job
from fmctl.progress.feeds import ASK_S, FileFeed, JobFeed
from fmctl.progress.formats import Parser
from tests.unit.progress.logs import megatron, records


class Slurm:
    """One job whose output is `text`, given `most` bytes at once, as the adapter does."""

    def __init__(self, most: int = 100) -> None:
        self.text, self.most, self.state = b"", most, "RUNNING"
        self.asked, self.sent = 0, 0

    def job(self, job_id: int) -> Job:
        self.asked += 1
        return Job(job_id, "train", self.state)

    def output(self, job: Job, offset: int = 0) -> tuple[bytes, int]:
        begin = min(offset, len(self.text))
        found = self.text[begin : begin + self.most]
        self.sent += len(found)
        return found, begin + len(found)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def steps(feed: JobFeed) -> list[int]:
    return [record.step for record in records(list(feed.read()))]


def line(step: int) -> bytes:
    return megatron(step, step * 4.0).encode() + b"\n"


def test_only_what_is_new_is_sent_and_lines_cut_anywhere_are_whole() -> None:
    slurm = Slurm()
    feed = JobFeed(slurm, slurm.job(7), Parser(), Clock())
    slurm.text = line(1) + line(2)[:50]
    assert steps(feed) == [1]
    slurm.text = line(1) + line(2) + line(3)
    assert steps(feed) == [2, 3]
    assert steps(feed) == []
    assert slurm.sent == len(slurm.text)


def test_a_line_that_was_begun_counts_at_the_end() -> None:
    slurm = Slurm()
    feed = JobFeed(slurm, slurm.job(7), Parser(), Clock())
    slurm.text = line(1)[:-1]
    assert steps(feed) == []
    assert [item.step for item in records(feed.finish())] == [1]
    assert feed.finish() == []


def test_output_that_a_requeue_began_anew_is_read_from_its_beginning() -> None:
    slurm = Slurm()
    feed = JobFeed(slurm, slurm.job(7), Parser(), Clock())
    slurm.text = line(1) + line(2) + line(3) + b"half a li"
    assert steps(feed) == [1, 2, 3]
    slurm.text = line(2)
    assert steps(feed) == [2]


def test_slurm_is_asked_now_and_then_whether_the_job_is_over() -> None:
    slurm, clock = Slurm(), Clock()
    feed = JobFeed(slurm, slurm.job(7), Parser(), clock)
    slurm.state = "COMPLETED"
    steps(feed)
    assert (feed.over, slurm.asked) == (False, 1)
    clock.now = ASK_S
    steps(feed)
    assert (feed.over, slurm.asked) == (True, 2)
    clock.now = 3 * ASK_S
    steps(feed)
    assert slurm.asked == 2


@pytest.mark.parametrize("log", ["none", "", ".", "~nobody-there/x", "a\0b", "x" * 5000])
def test_what_is_no_log_is_said(log: str) -> None:
    with pytest.raises(UnreadableFile):
        FileFeed(log, Parser())


def test_a_log_on_this_machine_grows(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(line(1))
    feed = FileFeed(str(path), Parser())
    assert len(list(feed.read())) == 1
    with path.open("ab") as stream:
        stream.write(line(2)[:-1])
    assert list(feed.read()) == []
    assert len(feed.finish()) == 1 and not feed.over
