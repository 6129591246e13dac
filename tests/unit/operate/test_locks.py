"""Locks: who holds one, who may take it, and what is said to the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_fakes import FakeClock, World

from fmctl.base.errors import OperationFailed
from fmctl.operate.state import StateStore
from fmctl.operate.state.files import FileStore
from fmctl.operate.state.locks import Alive, Holder, Lock, alive, holder_of, release, take, this_process

ADA = Holder("ada", "laptop", "m1", "b1", 7, "100")
BOB = Holder("bob", "desk", "m2", "b2", 8, "200")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def taken(store: StateStore, me: Holder, is_alive: Alive, *, break_lock: bool = False) -> Lock:
    return take(store, "llama", me, FakeClock(World()), is_alive=is_alive, break_lock=break_lock)


def nobody_asked(holder: Holder) -> bool | None:
    raise AssertionError(f"asked for {holder}")


def test_a_free_lock_is_taken_and_names_its_holder(store: FileStore) -> None:
    lock = taken(store, ADA, nobody_asked)
    assert (lock.key, lock.taken_from) == ("locks/llama.json", "")
    kept = json.loads(store.read(lock.key).text)  # type: ignore[union-attr]
    at = kept.pop("at")
    assert kept == {"who": "ada", "host": "laptop", "machine": "m1", "boot": "b1", "pid": 7, "started": "100"}
    assert holder_of(store, "llama") == f"ada on laptop (process 7) since {at}"
    release(store, lock)
    assert (store.keys("locks"), holder_of(store, "llama")) == ((), "")


@pytest.mark.parametrize("break_lock", [False, True])
def test_the_lock_of_a_living_process_is_never_taken(store: FileStore, break_lock: bool) -> None:
    taken(store, ADA, nobody_asked)
    with pytest.raises(OperationFailed) as refused:
        taken(store, BOB, lambda holder: True, break_lock=break_lock)
    assert "llama is locked" in refused.value.what
    assert "held by ada on laptop (process 7)" in str(refused.value.why)
    assert refused.value.next == "wait for it, or stop it and repeat the command; meanwhile: fmctl status llama"


def test_the_lock_of_a_dead_process_is_taken_and_said(store: FileStore) -> None:
    first = taken(store, ADA, nobody_asked)
    asked: list[Holder] = []

    def dead(holder: Holder) -> bool:
        asked.append(holder)
        return False

    second = taken(store, BOB, dead)
    assert asked == [ADA]
    assert second.taken_from.startswith("ada on laptop (process 7) since ")
    release(store, first)
    assert holder_of(store, "llama").startswith("bob on desk (process 8)"), "a lock that was broken is not given back"


def test_a_holder_elsewhere_is_asked_for_with_break_lock(store: FileStore) -> None:
    taken(store, ADA, nobody_asked)
    with pytest.raises(OperationFailed) as refused:
        taken(store, BOB, lambda holder: None)
    assert refused.value.next == "repeat with --break-lock, once you know that it no longer runs"
    assert taken(store, BOB, lambda holder: None, break_lock=True).taken_from.startswith("ada on laptop")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"who": "ada"}', json.dumps({"pid": "x"})])
def test_a_damaged_lock_is_somebody_s(store: FileStore, text: str) -> None:
    store.create("locks/llama.json", text)
    assert holder_of(store, "llama") == "somebody whose lock file is damaged"
    with pytest.raises(OperationFailed, match="locked"):
        taken(store, BOB, nobody_asked)
    assert taken(store, BOB, nobody_asked, break_lock=True).taken_from == "somebody whose lock file is damaged"


class Restless(FileStore):
    """A store in which every lock has changed by the time that it is taken."""

    def replace(self, key: str, text: str, version: str) -> None:
        """Always too late."""


def test_a_lock_that_keeps_changing_hands_is_given_up(tmp_path: Path) -> None:
    store = Restless(tmp_path)
    taken(store, ADA, nobody_asked)
    with pytest.raises(OperationFailed, match="keeps changing hands") as refused:
        taken(store, BOB, lambda holder: False)
    assert refused.value.next == "fmctl status llama"


def test_this_process_is_alive_and_another_host_s_is_not_known() -> None:
    us = this_process()
    assert (us.pid, alive(us)) == (os.getpid(), True)
    assert len(us.machine) == 16
    assert len(us.boot) == 8
    assert alive(replace(us, host="elsewhere")) is None
    assert alive(replace(us, machine="another")) is None, "hosts of one name are told apart"
    assert alive(replace(us, boot="00000000")) is False, "the machine was started again since"
    assert alive(replace(us, boot="")) is True, "where the system does not say, the process is asked"
    assert alive(replace(us, started="1")) is False, "the number of a process that ended was given again"
    assert alive(replace(us, pid=10**30)) is True, "no number of a process: nothing is known, so nothing is taken"


def test_a_process_that_ended_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    holder = replace(this_process(), pid=child.pid, started=began)
    assert alive(holder) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and nobody has heard of it: a zombie
    assert alive(holder) is False
    child.communicate()
    assert alive(holder) is False
