"""What has to be done, from what is wanted and what there is: by hand, for every condition a cluster can be in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cluster_fakes import NAME, REGION, spec

from fmctl.domain.cluster import Capacity, FileSystem
from fmctl.domain.end import End
from fmctl.domain.ports import Leftover, Node
from fmctl.operate.actions import (
    Action,
    Actual,
    Money,
    condition,
    end_step,
    launch_actions,
    ours,
    reused,
    spec_digest,
    stays,
    teardown_actions,
    token,
)
from fmctl.operate.costs import NODES, CostLine, total_usd_per_h
from fmctl.targets.target import Beside, Condition, State, Words

END = datetime(2026, 11, 23, 12, tzinfo=UTC)
WORDS = Words("The Target", "stack", "AWS", ("logs", "a bucket"))
BESIDE = Beside(made=("head node",), reused=("image ami-1",))
RUNNING = tuple(
    Node(f"i-{n}", kind, role, "running", "us-east-1a", "10.0.0.1", END)
    for n, (role, kind) in enumerate([*[("compute", "p5.48xlarge")] * 3, ("compute", "p4d.24xlarge"), ("head", "m6i")])
)


def state(now: Condition, **tags: str) -> State:
    return State(NAME, now, now.name, "", END, tags)


def launched(now: Condition | None, end: datetime | None = None) -> tuple[Action, ...]:
    return launch_actions(spec(), WORDS, BESIDE, Actual(None if now is None else state(now), end and End(end)), END)


def names(found: tuple[Action, ...]) -> list[str]:
    return [step.name for step in found]


@pytest.mark.parametrize(
    ("now", "end", "wanted"),
    [
        (None, None, ["check", "lock", "end-role", "end-schedule", "create", "wait", "verify"]),
        (None, END, ["check", "lock", "create", "wait", "verify"]),
        (Condition.GROWING, END, ["check", "lock", "wait", "verify"]),
        (Condition.READY, END, ["check", "lock", "verify"]),
        (Condition.READY, None, ["check", "lock", "end-role", "end-schedule", "verify"]),
    ],
)
def test_a_launch_does_what_is_missing_and_the_end_comes_first(
    now: Condition | None, end: datetime | None, wanted: list[str]
) -> None:
    assert names(launched(now, end)) == wanted


def test_a_launch_says_what_it_makes_and_costs() -> None:
    steps = {step.name: step for step in launched(None)}
    assert steps["check"].what == "plan, account, region and The Target's validators; nothing is made"
    assert steps["end-role"].creates == (f"IAM role fmctl-end-{NAME}-{REGION}",)
    assert steps["end-schedule"].creates == (f"schedule fmctl-end-{NAME}",)
    assert "2026-11-23 12:00 UTC" in steps["end-schedule"].what
    made = spec()
    assert steps["create"].creates == (
        f"stack {NAME}", f"{made.nodes} x p5.48xlarge", "head node", "FSx for Lustre of 4800 GiB"
    )  # fmt: skip
    assert (steps["create"].usd_per_h, steps["create"].keeps) == (made.usd_per_h, stays(made, WORDS))
    free = {name: step.usd_per_h for name, step in steps.items() if name != "create"}
    assert set(free.values()) == {0.0}


@pytest.mark.parametrize(
    ("files", "made", "kept"),
    [
        (None, [], []),
        (FileSystem(id="fs-1"), [], ["file system fs-1"]),
        (FileSystem(capacity_gib=1200), ["FSx for Lustre of 1200 GiB"], ["FSx for Lustre of 1200 GiB (retain)"]),
        (FileSystem(retain=False), ["FSx for Lustre of 4800 GiB"], []),
    ],
)
def test_a_file_system_is_made_or_used_kept_or_not(files: FileSystem | None, made: list[str], kept: list[str]) -> None:
    wanted = replace(spec(), site=replace(spec().site, file_system=files))
    create = next(s for s in launch_actions(wanted, WORDS, Beside(), Actual(), END) if s.name == "create")
    assert list(create.creates[2:]) == made
    assert list(stays(wanted, WORDS)) == ["logs", "a bucket", *kept]


def test_what_is_used_and_what_stays() -> None:
    files = FileSystem(id="fs-1", data_repository="s3://b/data")
    wanted = replace(
        spec(), site=replace(spec().site, file_system=files, bucket="b"), capacity=Capacity("odcr", "cr-1,cr-2")
    )
    assert reused(wanted, BESIDE) == (
        "reservation cr-1", "reservation cr-2", "file system fs-1", "data s3://b/data", "image ami-1"
    )  # fmt: skip
    assert stays(wanted, WORDS)[2:] == ("file system fs-1", "reservation cr-1,cr-2", "bucket b")
    assert reused(spec(), Beside()) == ()


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        (None, []),
        (Condition.GROWING, ["delete", "wait", "remove-end", "sweep"]),
        (Condition.READY, ["stop-fleet", "delete", "wait", "remove-end", "sweep"]),
        (Condition.BROKEN, ["delete", "wait", "remove-end", "sweep"]),
        (Condition.GOING, ["wait", "remove-end", "sweep"]),
        (Condition.STUCK, ["delete", "wait", "remove-end", "sweep"]),
    ],
)
def test_a_teardown_takes_down_what_there_is(now: Condition | None, wanted: list[str]) -> None:
    assert names(teardown_actions(NAME, "d", REGION, Actual(None if now is None else state(now)))) == wanted


def test_an_end_without_a_cluster_is_removed() -> None:
    left = Leftover("role", f"arn:aws:iam::1:role/fmctl-end-{NAME}", None, "", "")
    other = Leftover("volume", "vol-1", None, "", "")
    for actual, arranged in ((Actual(end=End(END)), False), (Actual(), True), (Actual(leftovers=(other, left)), False)):
        assert names(teardown_actions(NAME, "d", REGION, actual, arranged=arranged)) == ["remove-end", "sweep"]
    assert teardown_actions(NAME, "d", REGION, Actual(leftovers=(other,))) == ()


def test_a_teardown_says_what_goes() -> None:
    steps = {s.name: s for s in teardown_actions(NAME, "d", REGION, Actual(state(Condition.READY), End(END), RUNNING))}
    goes = ("1 x p4d.24xlarge", "3 x p5.48xlarge", "1 head or login node(s)")
    assert steps["stop-fleet"].destroys == goes
    assert steps["delete"].destroys == (f"stack {NAME}", *goes)
    assert steps["delete"].keeps == ("file systems and volumes with Retain", "buckets", "logs")
    assert steps["remove-end"].destroys == (
        f"schedules fmctl-end-{NAME} and fmctl-warn-{NAME}", f"IAM role fmctl-end-{NAME}-{REGION}"
    )  # fmt: skip
    bare = teardown_actions(NAME, "d", REGION, Actual(state(Condition.READY)))
    assert bare[0].destroys == ()


def test_tokens_tell_clusters_wishes_and_steps_apart() -> None:
    one = token("a", "d", "create")
    assert (len(one), one.isalnum(), token("a", "d", "create")) == (32, True, one)
    assert len({one, token("b", "d", "create"), token("a", "e", "create"), token("a", "d", "end")}) == 4
    assert end_step(END) == "end:2026-11-23T12:00:00+00:00"
    digest = spec_digest(spec())
    assert digest == spec_digest(spec())
    assert digest != spec_digest(replace(spec(), max_hours=25.0))
    steps = {step.name: step.token for step in launched(None)}
    assert steps["create"] == token(NAME, digest, "create")
    assert steps["end-role"] == token(NAME, digest, "end-role")
    assert steps["end-schedule"] == token(NAME, digest, end_step(END))
    going = {s.name: s.token for s in teardown_actions(NAME, "d", REGION, Actual(state(Condition.READY)))}
    assert [going[name] for name in ("stop-fleet", "delete", "remove-end")] == [
        token(NAME, "d", name) for name in ("stop-fleet", "delete", "remove-end")
    ]


def test_a_cluster_is_ours_by_all_of_its_tags() -> None:
    found = state(Condition.READY, a="1", b="2", c="3")
    assert ours(found, {"a": "1", "b": "2"})
    assert not ours(found, {"a": "1", "b": "9"})
    assert not ours(found, {"d": "1"})
    assert not ours(found, {}), "no tags are nobody's"
    assert (condition(None), condition(found)) == (Condition.MISSING, Condition.READY)


def test_the_cap_is_all_that_is_known_until_the_end() -> None:
    lines = (CostLine(NODES, 100.0), CostLine("head node", 1.5), CostLine("file system", None, "no price"))
    assert total_usd_per_h(lines) == 101.5
    assert total_usd_per_h(lines[1:]) is None, "without the nodes it would be a small number that says nothing"
    money = Money("1", "us-east-1", 2, "p5.48xlarge", 100.0, 24.0, END, lines=lines)
    assert money.cap_usd == 2436.0
    assert replace(money, lines=lines[1:]).cap_usd is None
