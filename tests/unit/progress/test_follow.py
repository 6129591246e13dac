"""Reading as a log grows: nothing that is complete is lost, nothing comes twice, nothing crashes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmctl.base.errors import UnreadableFile
from fmctl.progress import follow as module
from fmctl.progress.follow import Cursor, Follower
from fmctl.progress.formats import LONGEST_LINE
from tests.unit.progress.logs import megatron, records, titan

JUNK = st.binary(max_size=300).map(lambda b: b.replace(b"|", b"").replace(b"\n", b"").replace(b"step", b""))


def steps(follower: Follower) -> list[int]:
    return [r.step for r in records(list(follower.read()))]


def resumed(follower: Follower) -> Follower:
    """Another process with the saved cursor."""
    return Follower(follower.path, cursor=Cursor.from_dict(json.loads(json.dumps(follower.cursor.as_dict()))))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.one_of(st.integers(0, 10**6), JUNK), max_size=30),
    ends=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 12_000), max_size=8),
    block=st.sampled_from([1, 7, 64, 1 << 20]),
)
def test_however_it_arrives_each_step_comes_once(
    lines: list[int | bytes], ends: bytes, cuts: list[int], block: int
) -> None:
    data = b"".join((megatron(n).encode() if isinstance(n, int) else n) + ends for n in lines)
    wanted = [n for n in lines if isinstance(n, int)]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        path = Path(folder) / "log"
        follower, seen = Follower(path), []
        at = 0
        for cut in [*sorted(cuts), len(data)]:
            append(path, data[at:cut])
            at = max(at, min(cut, len(data)))
            seen += steps(follower)
            follower = resumed(follower)
        assert seen == wanted
        assert follower.finish() == [] or ends == b"\r"


@settings(max_examples=60, deadline=None)
@given(
    actions=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(1, 5), st.booleans()),
            st.tuples(st.sampled_from(["rotate", "copytruncate", "read", "resume"]), st.just(0), st.just(False)),
        ),
        max_size=25,
    )
)
def test_rotation_loses_no_complete_line(actions: list[tuple[str, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        append(path, b"job starts\n")
        follower, seen, written, begun = Follower(path), [], [], False
        seen += steps(follower)
        rotations = 0
        for action, count, half in actions:
            if action == "write":
                for _ in range(count):
                    written.append(len(written))
                    append(path, (b"\n" if begun else b"") + megatron(written[-1]).encode() + b"\n")
                    begun = False
                if half:  # a line that never ends: the job was killed
                    append(path, b" [2026-11-20 00:00:00] iteration 77/ 100 | elapsed time per iter")
                    begun = True
            elif action in ("rotate", "copytruncate"):
                if action == "copytruncate" and not follower.cursor.offset:
                    seen += steps(follower)  # a file of which nothing was read cannot be known again in its copy
                rotations += 1
                for number in range(rotations, 1, -1):
                    (Path(folder) / f"log.{number - 1}").rename(Path(folder) / f"log.{number}")
                if action == "rotate":
                    path.rename(Path(folder) / "log.1")
                    path.touch()
                else:
                    shutil.copy2(path, Path(folder) / "log.1")
                    os.truncate(path, 0)
                    seen += steps(follower)  # two copies between two readings cannot be told from a lost one
                begun = False
            elif action == "read":
                seen += steps(follower)
            else:
                follower = resumed(follower)
        seen += steps(follower)
        assert seen == written


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=4000), kept=st.integers(0, 4000))
def test_binary_junk_and_truncation_never_crash(data: bytes, kept: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(data + b"\n" + megatron(5).encode() + b"\n")
        follower = Follower(path)
        assert 5 in steps(follower)
        os.truncate(path, min(kept, len(data)))
        list(follower.read())
        append(path, b"\n" + megatron(6).encode() + b"\n")
        assert steps(follower)[-1:] == [6]


@settings(max_examples=40, deadline=None)
@given(order=st.permutations([(step, rank) for step in range(5) for rank in range(4)]))
def test_interleaved_ranks_are_told_apart(order: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_text("\n".join(titan(step, rank=rank) for step, rank in order) + "\n")
        assert [(r.step, r.rank) for r in records(list(Follower(path).read()))] == order


def test_a_new_log_with_the_same_inode_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"{megatron(n)}\n" for n in range(3)))
    follower = Follower(path)
    assert steps(follower) == [0, 1, 2]
    path.write_text("".join(f"{megatron(n, at=9.0)}\n" for n in range(10, 20)))  # truncated and longer than before
    assert steps(follower) == list(range(10, 20))
    assert follower.gaps == 1


def test_a_log_that_is_written_anew_goes_on(tmp_path: Path) -> None:
    path, other = tmp_path / "log", tmp_path / "new"
    path.write_text(f"{megatron(1)}\n")
    follower = Follower(path)
    assert steps(follower) == [1]
    other.write_text(f"{megatron(1)}\n{megatron(2)}\n")
    other.replace(path)
    assert steps(follower) == [2]
    assert follower.gaps == 0


def test_a_log_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "none" / "log")
    assert list(follower.read()) == []
    (tmp_path / "none").mkdir()
    follower.path.write_text(f"{megatron(1)}\n")
    assert steps(follower) == [1]


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        list(Follower(tmp_path).read())


def test_the_last_line_of_a_job_that_is_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(megatron(1))
    follower = Follower(path)
    assert steps(follower) == []
    assert [r.step for r in records(follower.finish())] == [1]
    assert follower.finish() == []


@pytest.mark.parametrize("held", [{}, {"inode": 1}, {"inode": 1, "offset": -5, "partial": "", "proof": ""},
                                  {"inode": "x", "offset": 1, "partial": "?", "proof": ""}])  # fmt: skip
def test_a_broken_cursor_is_the_start(held: dict[str, object]) -> None:
    assert Cursor.from_dict(held) == Cursor()


def test_memory_and_time_of_a_log_without_line_breaks_and_of_a_small_large_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    noise = (
        b"p5-1:17:998 [0] NCCL INFO Channel 03/0 : 1[1] -> 2[2] [send] via NET/AWS Libfabric/1/GDRDMA/Shared\n" * 500
    )
    with path.open("wb") as stream:
        stream.write(b"\0" * 8_000_000)
        for n in range(800):
            stream.write(noise + megatron(n).encode() + b"\n")
    follower = Follower(path)
    tracemalloc.start()
    try:
        seen = sum(1 for _ in follower.read())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == 800
    assert peak < 8 * module.BLOCK_BYTES
    assert len(follower.cursor.partial) <= LONGEST_LINE
    append(path, megatron(800).encode() + b"\n")
    start = time.perf_counter()
    assert steps(follower) == [800]
    assert time.perf_counter() - start < 1.0
