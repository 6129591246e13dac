"""Consent by itself: what is asked, what counts as a yes, and what a failed check amounts to."""

from __future__ import annotations

import io
from typing import Any

import pytest

from fmctl.base.config import resolve
from fmctl.base.errors import CapacityUnavailable, FmctlError, OperationFailed, PermissionDenied, StalePlan, UsageError
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.targets.target import Check
from fmctl.usecases.launching import Caller, exit_code, launch, preflight, refuse_stale, stop_on_fail
from fmctl.usecases.options import Aws, Consent, Wanted
from tests.cli.test_operations import ops as ops  # noqa: PLC0414 - a fixture, which pytest finds by its name


class Terminal(io.StringIO):
    """Standard input or error of a person."""

    def isatty(self) -> bool:
        return True


class Broken(Terminal):
    """A terminal that went away."""

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        raise OSError("Input/output error")


def type_in(monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO) -> io.StringIO:
    err = Terminal()
    monkeypatch.setattr("sys.stdin", stdin)
    monkeypatch.setattr("sys.stderr", err)
    return err


@pytest.mark.parametrize(
    ("typed", "yes"), [("llama\n", True), ("  llama  \n", True), ("llama", True), ("Llama\n", False), ("yes\n", False),
                       ("\n", False), ("", False)]
)  # fmt: skip
def test_only_the_name_is_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str, yes: bool) -> None:
    err = type_in(monkeypatch, Terminal(typed))
    assert ask_for_name("llama", "tear down") is yes
    asked = "type the name to tear down (llama): "
    assert err.getvalue() == asked if yes else f"{asked}fmctl: nothing was done\n"


def test_a_terminal_that_went_away_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, Broken())
    assert ask_for_name("llama", "launch") is False


def test_with_a_terminal_a_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, Terminal())
    needs_yes(yes=False, capped=False)


@pytest.mark.parametrize("which", ["sys.stdin", "sys.stderr"])
def test_a_pipe_on_either_side_needs_yes_and_a_cap(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    type_in(monkeypatch, Terminal())
    monkeypatch.setattr(which, io.StringIO())
    with pytest.raises(UsageError) as refused:
        needs_yes(yes=False, capped=True)
    assert (refused.value.what, refused.value.next) == ("there is no terminal to ask on", "--yes --max-hours H")
    with pytest.raises(UsageError) as refused:
        needs_yes(yes=True, capped=False)
    assert (refused.value.what, refused.value.next) == ("--yes needs a cap", "--max-hours H")
    needs_yes(yes=True, capped=True)


def checks(**states: str) -> list[Check]:
    return [Check(name.replace("_", " "), state, f"{name} found", f"mend {name}") for name, state in states.items()]


@pytest.mark.parametrize(
    ("found", "code", "kind"),
    [
        ({"account": "ok", "quota": "warning", "network": "unknown"}, 0, None),
        ({"network": "fail"}, 1, OperationFailed),
        ({"storage": "fail", "quota": "fail"}, 5, CapacityUnavailable),
        ({"offering": "fail"}, 5, CapacityUnavailable),
        ({"addresses": "fail"}, 5, CapacityUnavailable),
        ({"reservation": "fail"}, 5, CapacityUnavailable),
        ({"purchase": "fail"}, 5, CapacityUnavailable),
        ({"quota": "fail", "permissions": "fail"}, 4, PermissionDenied),
        ({"account": "fail"}, 4, PermissionDenied),
    ],
)
def test_what_weighs_most_of_the_failures_is_the_exit_code(
    found: dict[str, str], code: int, kind: type[FmctlError] | None
) -> None:
    assert exit_code(checks(**found)) == code
    if kind is None:
        stop_on_fail(checks(**found))
        return
    with pytest.raises(kind) as stopped:
        stop_on_fail(checks(**found))
    failed = [name for name, state in found.items() if state == "fail"]
    assert stopped.value.what == f"{len(failed)} of {len(found)} checks fail"
    assert stopped.value.why == "; ".join(f"{name}: {name} found" for name in failed)
    assert stopped.value.next == f"mend {failed[0]}"


def test_a_failure_without_a_next_step_sends_to_preflight() -> None:
    with pytest.raises(OperationFailed) as stopped:
        stop_on_fail([Check("network", "fail", "closed")])
    assert stopped.value.next == "fmctl preflight"


def test_a_plan_that_was_edited_is_stale() -> None:
    refuse_stale("llama", stale=False)
    with pytest.raises(StalePlan) as refused:
        refuse_stale("llama", stale=True)
    assert refused.value.what == "llama was changed after it was saved"
    assert refused.value.next == "fmctl plan MODEL --save NAME"


def test_preflight_prints_every_check_and_today_s_price(ops: Any) -> None:
    ran = ops("preflight", "a1", "--json")
    found = {one["check"]: one for one in ran.json()["result"]["checks"]}
    assert set(found) >= {"account", "permissions", "quota", "offering", "network", "price"}
    # Eight nodes at the price of the catalogue in these tests, $55.04 an hour each.
    assert "now $440.32/h" in found["price"]["found"]
    text = ops("preflight", "a1").out
    assert "account" in text
    assert "price" in text


def test_whoever_launches_hears_every_check_and_then_every_step(ops: Any) -> None:
    heard: list[str] = []
    caller = Caller(
        lambda name, text: not heard.append("asked"), heard.append,
        lambda: heard.append("checks"), lambda check: heard.append(f"check {check.name}"),
    )  # fmt: skip
    asked = (ops.services, resolve({}))
    launch("a1", Wanted(max_hours="2"), Aws(), Consent(), asked, caller)
    _, checks = preflight("a1", Wanted(max_hours="2"), Aws(), asked[1], ops.services)
    before, after = heard.index("checks"), heard.index("asked")
    assert [line for line in heard[before + 1 : after] if line.startswith("check ")] == [
        f"check {check.name}" for check in checks
    ]
    assert "a1: create" in heard[after:]


def test_a_rehearsal_asks_nobody_and_prints_its_answer(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fmctl.report.view import Answer, Report
    from fmctl.usecases import rehearsal

    asked: list[str] = []

    def rehearse(services: object, plan: str, wanted: object, settings: object, say: object) -> Answer:
        asked.append(plan)
        return Answer({"schema": "x"}, [], lambda: Report("rehearsed"))

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    assert ops.ok("launch", "a1", "--rehearse", "--json").json() == {"schema": "x"}
    assert asked == ["a1"]
