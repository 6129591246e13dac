"""The planning process: newest question wins, others are answered in between, and it comes back when it is killed."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fmctl.tui.worker import ProcessPlanning, ThreadPlanning
from fmctl.usecases.session.items import Question, Reply, Trouble


def answer(question: Question, say: Any, cancelled: Any) -> tuple[dict[str, Any] | None, Trouble | None]:
    """A planner of this test: `long` goes on until it is stopped, others answer at once."""
    if question.model == "defect":
        raise ZeroDivisionError("made up")
    for step in range(2000 if question.model == "long" else 0):
        cancelled()
        if step % 10 == 0:
            say({"step": step}, step, 2000)
        time.sleep(0.005)
    return {"model": question.model, "options": dict(question.options)}, None


@pytest.fixture
def planning() -> Iterator[ProcessPlanning]:
    """A process with that planner."""
    found = ProcessPlanning(answer)
    yield found
    found.close()


def last(heard: queue.Queue[Reply], within_s: float = 20.0) -> Reply:
    """The next reply that is complete."""
    while True:
        reply = heard.get(timeout=within_s)
        if reply.last:
            return reply


def test_partial_answers_come_and_a_newer_question_ends_the_older(planning: ProcessPlanning) -> None:
    old: queue.Queue[Reply] = queue.Queue()
    new: queue.Queue[Reply] = queue.Queue()
    planning.ask(Question("plan", "long"), old.put)
    first = old.get(timeout=20)
    assert not first.last and first.document == {"step": 0} and first.total == 2000
    began = time.monotonic()
    number = planning.ask(Question("plan", "short", {"tp": "8"}), new.put)
    reply = last(new)
    assert reply.number == number and reply.document == {"model": "short", "options": {"tp": "8"}}
    assert time.monotonic() - began < 5  # the long one would go on for ten
    while not old.empty():
        assert not old.get().last


def test_another_channel_is_answered_in_between(planning: ProcessPlanning) -> None:
    long: queue.Queue[Reply] = queue.Queue()
    other: queue.Queue[Reply] = queue.Queue()
    planning.ask(Question("plan", "long"), long.put)
    long.get(timeout=20)
    planning.ask(Question("estimate", "quick", channel="what-if"), other.put)
    assert last(other).document == {"model": "quick", "options": {}}
    assert not long.get(timeout=20).last  # it still goes on
    planning.cancel("plan")


def test_a_killed_process_is_a_sentence_and_a_new_one_answers(planning: ProcessPlanning) -> None:
    heard: queue.Queue[Reply] = queue.Queue()
    planning.ask(Question("plan", "long"), heard.put)
    heard.get(timeout=20)
    pid = planning.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    reply = last(heard)
    assert reply.trouble is not None and "signal 9" in reply.trouble.sentence()
    planning.ask(Question("plan", "short"), heard.put)
    assert last(heard).document is not None
    assert planning.pid != pid


def test_a_defect_of_the_planner_is_a_sentence(planning: ProcessPlanning) -> None:
    heard: queue.Queue[Reply] = queue.Queue()
    planning.ask(Question("plan", "defect"), heard.put)
    trouble = last(heard).trouble
    assert trouble is not None and "ZeroDivisionError" in trouble.what and trouble.code == "internal"


def test_threads_answer_alike() -> None:
    planning = ThreadPlanning(answer)
    heard: queue.Queue[Reply] = queue.Queue()
    planning.ask(Question("plan", "long"), lambda reply: None)
    planning.ask(Question("plan", "short"), heard.put)
    assert last(heard).document == {"model": "short", "options": {}}
    planning.close()
