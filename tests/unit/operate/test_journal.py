from __future__ import annotations

import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_fakes import NAME, FakeClock, World, holder, written
from hypothesis import given
from hypothesis import strategies as st

from fmctl.base.errors import ExitCode, StalePlan, UnreadableFile, UnwritableFile
from fmctl.documents import cluster as documents
from fmctl.operate.journal import Journal, masked, progress
from fmctl.operate.state.files import FileStore
from fmctl.operate.state.plans import load_plan, plan_names, save_plan


def opened(folder: Path) -> Journal:
    return Journal(FileStore(folder), NAME, FakeClock(World()), holder(1))


def path(folder: Path) -> Path:
    return folder / "journals" / f"{NAME}.jsonl"


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.note("begin", {"end": 1})
    journal.intent("create", "t1", {"stack": NAME})
    journal.outcome("create", "t1", {"result": "done"})
    journal.intent("delete", "t2", {})
    again = opened(tmp_path)
    assert again.records == journal.records
    assert [record.seq for record in again.records] == [1, 2, 3, 4]
    assert (again.records[1].who, again.records[1].pid) == ("ada", 1)
    found = progress(again.records)
    assert found.open == {"delete"}
    assert found.begin == {"end": 1}
    assert found.meant("create")
    assert not found.meant("extend")


def test_a_line_of_the_least_is_read(tmp_path: Path) -> None:
    least = {
        "schema": "fmctl.journal/1",
        "seq": 1,
        "at": "2026-11-22T09:00:00+00:00",
        "kind": "note",
        "action": "begin",
    }
    path(tmp_path).parent.mkdir()
    path(tmp_path).write_text(json.dumps(least) + "\n")
    (found,) = opened(tmp_path).records
    assert (found.seq, found.token, found.data, found.who, found.host, found.pid) == (1, "", {}, "", "", 0)


def test_an_intent_is_synced_file_and_folder_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    sync = os.fsync

    def seen(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    opened(tmp_path).intent("create", "t", {})
    assert synced == [False, True]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_put_aside_and_said(tmp_path: Path, cut: int) -> None:
    journal = opened(tmp_path)
    journal.intent("end-role", "t1", {})
    whole = path(tmp_path).read_text()
    journal.intent("create", "t2", {})
    torn = path(tmp_path).read_text()[:-cut]
    path(tmp_path).write_text(torn)
    again = opened(tmp_path)
    assert [record.action for record in again.records] == ["end-role"]
    assert "torn" in again.repaired
    again.outcome("end-role", "t1", {"result": "done"})
    assert path(tmp_path).read_text().startswith(whole)
    assert len(written(FileStore(tmp_path), NAME)) == 2
    (aside,) = (tmp_path / "journals").glob("*.torn-*")
    assert aside.read_text().rstrip("\n") == torn[len(whole) :]


def test_a_journal_is_plain_ascii_whoever_writes(tmp_path: Path) -> None:
    journal = Journal(FileStore(tmp_path), NAME, FakeClock(World()), replace(holder(1), who="Zoë"))
    journal.intent("create", "t", {})
    assert b"Zo\\u00eb" in path(tmp_path).read_bytes()
    assert opened(tmp_path).records[0].who == "Zoë"


def test_a_new_file_and_a_replaced_one_are_synced_with_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, synced = FileStore(tmp_path), []
    sync = os.fsync

    def seen(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    first = store.create("plans/a.json", "x")
    assert first is not None and synced == [False, True]
    synced.clear()
    assert store.replace("plans/a.json", "y", first.version) is not None
    assert synced == [False, True]


def test_a_removal_is_synced_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    kept = store.create("plans/a.json", "x")
    assert kept is not None
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)))
    assert store.remove("plans/a.json", kept.version)
    assert synced == [True]


def test_a_tail_of_zeros_after_a_power_cut_is_torn_too(tmp_path: Path) -> None:
    opened(tmp_path).intent("create", "t", {})
    with path(tmp_path).open("ab") as stream:
        stream.write(b"\0\0\0\xff")
    again = opened(tmp_path)
    again.note("x", {})
    assert again.repaired
    assert [record.action for record in opened(tmp_path).records] == ["create", "x"]


def test_a_damaged_line_in_the_middle_is_refused_with_the_next_step(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.intent("a", "t", {})
    path(tmp_path).write_text("{broken\n" + path(tmp_path).read_text())
    with pytest.raises(UnreadableFile, match="line 1") as caught:
        opened(tmp_path)
    assert caught.value.next


def test_an_unknown_format_is_refused_and_an_older_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(tmp_path).intent("create", "t", {"stack": NAME})
    line = json.loads(path(tmp_path).read_text())
    newer = line | {"schema": "fmctl.journal/2"}
    path(tmp_path).write_text(json.dumps(newer) + "\n")
    with pytest.raises(UnreadableFile, match="format this fmctl does not know") as caught:
        opened(tmp_path)
    assert "newer fmctl" in (caught.value.next or "")
    older = {key: value for key, value in line.items() if key != "action"}
    older |= {"schema": "fmctl.journal/0", "step": "create"}
    path(tmp_path).write_text(json.dumps(older) + "\n")

    def upgrade(found: dict[str, object]) -> dict[str, object]:
        return {**found, "schema": "fmctl.journal/1", "action": found["step"]}

    monkeypatch.setitem(documents.UPGRADES, "fmctl.journal/0", upgrade)
    assert opened(tmp_path).records[0].action == "create"


def test_a_full_disk_stops_before_and_leaves_the_journal_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    journal.intent("a", "t1", {})
    before = path(tmp_path).read_bytes()
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if len(content) > 10:
            return write(descriptor, bytes(content)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(UnwritableFile) as caught:
            journal.intent("b", "t2", {})
        assert caught.value.exit_code == ExitCode.FAILED
        assert caught.value.next == "free some space"
        assert [record.action for record in journal.records] == ["a"], "what was never written is not known either"
        journal.outcome("a", "t1", {"result": "done"})  # after the call: never stops
        assert journal.waiting == 1
    assert path(tmp_path).read_bytes() == before
    journal.intent("c", "t3", {})
    assert [record.action for record in opened(tmp_path).records] == ["a", "a", "c"]


def test_whoever_lost_the_lock_writes_no_more(tmp_path: Path) -> None:
    mine, other = opened(tmp_path), opened(tmp_path)
    mine.intent("a", "t", {})
    with pytest.raises(StalePlan, match="somebody else"):
        other.intent("b", "t", {})
    assert len(opened(tmp_path).records) == 1


def test_no_account_and_no_secret_is_written(tmp_path: Path) -> None:
    secrets = {
        "arn": "arn:aws:iam::123456789012:role/x",
        "why": "aws_secret_access_key=abc/def, AKIAIOSFODNN7EXAMPLE hf_abcdefghijklmnopqrst",
        "more": ["session_token: 'FwoGZXIvYXdzEBYaDKJ2lC'"],
    }
    opened(tmp_path).intent("a", "t", secrets)
    text = path(tmp_path).read_text()
    assert "role/x" in text
    assert "********9012" in text
    for secret in ("123456789012", "abc/def", "AKIA", "hf_abc", "FwoG"):
        assert secret not in text
    unmasked = Journal(FileStore(tmp_path), NAME, FakeClock(World()), holder(1), unmasked=True)
    unmasked.intent("a", "t", {"account": "123456789012"})
    assert "123456789012" in path(tmp_path).read_text()


@given(st.text(max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert masked(masked(text)) == masked(text)


def test_saved_plans_are_the_same_files_through_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fmctl.operate import store as plans

    golden = Path(__file__).parent.parent.parent / "golden" / "plan.json"
    document = json.loads(golden.read_text())
    monkeypatch.setenv("FMCTL_DATA", str(tmp_path))
    saved = plans.save("llama", document, "2026-11-22T09:00:00+00:00")
    assert load_plan(FileStore(), "llama") == plans.load("llama")
    before = saved.read_text()
    saved.unlink()
    save_plan(FileStore(), "llama", document, "2026-11-22T09:00:00+00:00")
    assert saved.read_text() == before
    assert plan_names(FileStore()) == plans.plan_names() == ["llama"]


def test_a_file_that_cannot_be_replaced_stays_and_nothing_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path)
    first = store.create("plans/a.json", "old")
    assert first is not None

    def full(beside: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(UnwritableFile, match="cannot write"):
            store.replace("plans/a.json", "new", first.version)
    assert [path.name for path in (tmp_path / "plans").iterdir()] == ["a.json"]
    assert (tmp_path / "plans" / "a.json").read_text() == "old"


def test_names_of_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    opened(tmp_path).intent("a", "t", {})
    assert path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert path(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    FileStore(tmp_path).replace(f"journals/{NAME}.jsonl", "", "of no version")
    assert (tmp_path / ".guard").stat().st_mode & 0o777 == 0o600
