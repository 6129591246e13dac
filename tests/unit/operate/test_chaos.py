from __future__ import annotations

import pytest
from cluster_chaos import COMMANDS, DOCUMENT, FAULTS, KILLS, REFUSALS, Case, breakings, document, points, settle
from cluster_fakes import Gate
from cluster_meeting import COMMANDS as MEETING
from cluster_meeting import meetings


@pytest.mark.parametrize("scene", COMMANDS)
@pytest.mark.parametrize("how", KILLS + REFUSALS)
def test_nothing_is_lost_wherever_it_breaks(scene: str, how: str) -> None:
    broken = list(breakings(scene, (how,)))
    assert len(broken) >= 4
    if how in KILLS:
        assert {row.said for row in broken} == {"killed"}


@pytest.mark.parametrize("second", MEETING)
@pytest.mark.parametrize("first", MEETING)
def test_two_operators_at_once_lose_double_and_move_nothing(first: str, second: str) -> None:
    met = list(meetings(first, second))
    assert len(met) == 4 * len({one.point for one in met}) > 60
    assert all(one.heard for one in met)


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
    for first in range(len(points("launch"))):
        at = 0
        while True:
            case = Case()
            assert case.run("launch", Gate("after", first)) == "killed"
            outcome = case.run(second, Gate("after", at))
            case.known()
            if outcome != "killed":
                break
            last = case.run("teardown" if at % 2 else "launch")
            settle(case, "launch" if second == "launch" else "teardown", "", last)
            at += 1
        assert at > 3


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_with_a_name(name: str) -> None:
    assert FAULTS[name]()


def test_throttling_and_lost_answers_are_not_even_noticed() -> None:
    for scene in ("launch", "teardown"):
        said = {row.said for row in breakings(scene, ("throttled", "lost"))}
        assert said == {"running" if scene == "launch" else "gone"}


def test_the_table_in_the_documentation_is_the_one_the_code_gives() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: python tests/unit/operate/cluster_chaos.py --write"
