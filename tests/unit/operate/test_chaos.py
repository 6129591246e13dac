from __future__ import annotations

import pytest
from cluster_chaos import (
    COMMANDS,
    DOCUMENT,
    FAULTS,
    KILLS,
    REFUSALS,
    Case,
    named,
    points,
    section,
    settle,
)
from cluster_fakes import Gate
from cluster_meeting import HEAD, PAIRS, rows

AGAIN = "run: python tests/unit/operate/cluster_chaos.py --write"


@pytest.fixture(scope="module")
def told() -> list[str]:
    return DOCUMENT.read_text(encoding="utf-8").splitlines()


def stands(lines: list[str], told: list[str]) -> None:
    """These lines, one after the other, and each once."""
    first = told.index(lines[0])
    assert told[first : first + len(lines)] == lines, AGAIN
    assert told.count(lines[0]) == 1


@pytest.mark.parametrize("scene", COMMANDS)
def test_nothing_is_lost_wherever_it_breaks_and_the_document_says_so(scene: str, told: list[str]) -> None:
    rows, details = section(scene)
    stands(rows, told)
    stands(details[1:], told)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_operators_at_once_lose_double_and_move_nothing(first: str, second: str, told: list[str]) -> None:
    stands(list(rows(first, second)), told)


def test_the_document_has_nothing_else(told: list[str]) -> None:
    stands(named(), told)
    tables = sum(line.startswith("|") for line in told)
    every = sum(len(points(scene)) + 2 for scene in COMMANDS)
    assert tables == len(named()) + 2 + len(COMMANDS) * len(KILLS + REFUSALS) + len(HEAD) + 4 * len(PAIRS) + every, (
        AGAIN
    )


def test_every_intent_and_outcome_is_a_point_where_it_was_killed() -> None:
    seen = [label for label in points("launch") if label.startswith("journal ")]
    assert [label.removeprefix("journal ") for label in seen] == [
        "note begin",
        "intent end-role",
        "outcome end-role",
        "intent end-schedule",
        "outcome end-schedule",
        "intent create",
        "outcome create",
        "intent end-role",  # bound to the stack, now that there is one
        "outcome end-role",
        "intent end-schedule",
        "outcome end-schedule",
    ]


@pytest.mark.parametrize("second", ["launch", "teardown"])
def test_a_second_kill_during_the_repair_loses_nothing_either(second: str) -> None:
    for first in range(0, len(points("launch")), 3):
        at = first % 2
        while True:
            case = Case()
            assert case.run("launch", Gate("after", first)) == "killed"
            outcome = case.run(second, Gate("after", at))
            case.known()
            if outcome != "killed":
                break
            last = case.run("teardown" if at % 2 else "launch")
            settle(case, "launch" if second == "launch" else "teardown", "", last)
            at += 2
        assert at > 3


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_with_a_name(name: str) -> None:
    assert FAULTS[name]()
