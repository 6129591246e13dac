"""Other people's clusters, and two at once: what another launch made is never moved, taken over or taken away."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cluster_fakes import (
    ACCOUNT,
    NAME,
    REGION,
    FakeClock,
    FakeCloud,
    FakePcluster,
    FakeRendering,
    Gate,
    World,
    holder,
    ports,
    rendering,
    spec,
)

from fmctl.base.errors import OperationFailed, PermissionDenied, StalePlan
from fmctl.domain.cluster import ClusterSpec, site_with
from fmctl.domain.end import Whose
from fmctl.operate.extension import extend
from fmctl.operate.fleet import stop_fleet
from fmctl.operate.launch import Price, launch, plan_launch
from fmctl.operate.records import read_record
from fmctl.operate.state.files import FileStore
from fmctl.operate.status import status
from fmctl.operate.steps import Ports
from fmctl.operate.submission import Turn, submit_once
from fmctl.operate.teardown import plan_teardown, teardown
from fmctl.targets.target import Condition

WEST = "us-west-2"


def yes(*_: Any) -> bool:
    return True


def up(world: World, texts: dict[str, str], pid: int = 1, **changes: Any) -> Ports:
    """The cluster, launched from a store."""
    made = ports(world, Gate(), texts, pid, **changes)
    launch(spec(), rendering(), made, confirm=yes)
    return made


def west(world: World, texts: dict[str, str], account: str = ACCOUNT, region: str = WEST) -> Ports:
    """Another region or account, with its own AWS, of the same store."""
    return ports(world, Gate(), texts, 5, cloud=FakeCloud(world, Gate(), account, region))


def elsewhere(region: str = WEST, account: str = ACCOUNT) -> ClusterSpec:
    return replace(spec(), site=site_with(spec().site, region=region, account=account))


# --- the same name elsewhere ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("region", "account"), [(WEST, ACCOUNT), (REGION, "999999999999"), (WEST, "999999999999")])
def test_a_known_name_is_not_launched_elsewhere(region: str, account: str) -> None:
    texts: dict[str, str] = {}
    east, other = World(), World()
    mine = up(east, texts)
    before = dict(texts)
    there = west(other, texts, account, region)
    for command in (
        lambda: launch(elsewhere(region, account), rendering(), there, confirm=yes),
        lambda: plan_launch(elsewhere(region, account), rendering(), there),
    ):
        with pytest.raises(OperationFailed, match="has a cluster run1 in us-east-1 already") as refused:
            command()
        assert "--cluster-name" in (refused.value.next or "")
    assert texts == before and other.nothing(), "the record of the first is as it was"
    assert status(NAME, mine).end is not None
    assert teardown(NAME, mine, confirm=yes).done
    assert east.nothing()


def test_a_name_that_is_gone_may_be_launched_elsewhere() -> None:
    texts: dict[str, str] = {}
    east, other = World(), World()
    teardown(NAME, up(east, texts), confirm=yes)
    there = west(other, texts)
    assert launch(elsewhere(), rendering(), there, confirm=yes).done
    record = read_record(there.store, NAME)
    assert record is not None and record.region == WEST
    assert other.stacks and east.nothing()


def test_a_cluster_elsewhere_is_torn_down_by_its_tags_and_the_store_keeps_its_own() -> None:
    texts: dict[str, str] = {}
    east, other = World(), World()
    mine = up(east, texts)
    up(other, {}, cloud=FakeCloud(other, Gate(), ACCOUNT, REGION))
    before = {key: text for key, text in texts.items() if "@" not in key}
    torn = teardown(NAME, west(other, texts), confirm=yes, region=WEST)
    assert torn.done and other.nothing()
    assert f"the {NAME} that this store knows is in {REGION}, and is left as it is" in torn.warnings
    assert {key: text for key, text in texts.items() if "@" not in key} == before
    assert status(NAME, mine).condition == Condition.READY


def test_the_lock_and_the_record_name_the_place() -> None:
    texts: dict[str, str] = {}
    world = World()
    seen: list[str] = []

    class Looking(FakePcluster):
        def create(self, name: str, config: str, region: str) -> None:
            seen.append(texts[f"locks/{NAME}.json"])
            super().create(name, config, region)

    up(world, texts, pcluster=Looking(world, Gate()))
    assert REGION in seen[0] and "********9012" in seen[0] and ACCOUNT not in seen[0]
    record = read_record(ports(world, Gate(), texts).store, NAME)
    assert record is not None
    assert record.stack == world.stacks[NAME]["id"].replace(ACCOUNT, "********9012")
    assert record.created == world.stacks[NAME]["created"]
    assert record.launch == world.roles[NAME] == world.whose[NAME].launch
    begun = next(line for line in texts[f"journals/{NAME}.jsonl"].splitlines() if '"begin"' in line)
    assert REGION in begun and record.launch in begun


# --- somebody else's cluster of the same name -------------------------------------------------------------------------


def test_a_launch_that_is_refused_moves_nobody_s_end() -> None:
    """Two stores: while the second operator reads, the first one launches."""
    world = World()
    mine: dict[str, str] = {}

    def meanwhile(*_: Any) -> bool:
        up(world, mine)
        return True

    end = timedelta(hours=24)
    theirs: dict[str, str] = {}
    other = ports(world, Gate(), theirs, 7)
    with pytest.raises(OperationFailed, match="exists and is not this one"):
        launch(replace(spec("bob"), max_hours=8000.0), rendering("bob"), other, confirm=meanwhile)
    assert world.ends[NAME] - world.stacks[NAME]["created"] <= end
    assert world.made == [f"role {NAME}", f"stack {NAME}"]
    assert status(NAME, ports(world, Gate(), mine)).end is not None
    assert teardown(NAME, ports(world, Gate(), mine, 9), confirm=yes).done


def test_the_same_plan_from_another_store_is_another_launch() -> None:
    world = World()
    up(world, {})
    with pytest.raises(OperationFailed, match="exists and is not this one") as refused:
        launch(spec(), rendering(), ports(world, Gate(), {}, 7), confirm=yes)
    assert "another launch" in (refused.value.why or "")


@pytest.mark.parametrize("point", ["role", "schedule"])
def test_who_comes_second_while_the_first_makes_its_end_makes_nothing(point: str) -> None:
    world = World()
    world.roles[NAME] = "somebody"
    if point == "schedule":
        world.roles.clear()
        world.ends[NAME], world.whose[NAME] = world.now + timedelta(hours=1), Whose("somebody")
        world.roles[NAME] = "somebody"
    texts: dict[str, str] = {}
    with pytest.raises(OperationFailed):
        launch(spec(), rendering(), ports(world, Gate(), texts), confirm=yes)
    assert not world.stacks and world.roles == {NAME: "somebody"}
    record = read_record(ports(world, Gate(), texts).store, NAME)
    assert record is None or record.state == "gone", "what made nothing is in nobody's way"
    assert teardown(NAME, ports(world, Gate(), texts, 3), confirm=lambda *_: False).was in (True, False)
    assert world.roles == {NAME: "somebody"}


def test_a_refused_launch_s_teardown_takes_nothing_of_the_other() -> None:
    world = World()
    mine: dict[str, str] = {}
    theirs: dict[str, str] = {}
    up(world, mine)
    with pytest.raises(OperationFailed):
        launch(spec("bob"), rendering("bob"), ports(world, Gate(), theirs, 7), confirm=yes)
    with pytest.raises(OperationFailed):
        extended = replace(spec("bob"), max_hours=2.0)
        launch(extended, rendering("bob"), ports(world, Gate(), theirs, 8), confirm=yes)
    assert world.ends and world.roles and world.stacks


def test_extend_moves_the_end_of_the_recorded_cluster_alone() -> None:
    """The same name, tags and all, made anew by somebody else: its id is another."""
    world = World()
    texts: dict[str, str] = {}
    mine = up(world, texts)
    world.stacks[NAME]["id"] += "-another"
    end = world.ends[NAME]
    for command in (
        lambda: extend(NAME, 12, mine, confirm=yes),
        lambda: stop_fleet(NAME, mine, confirm=yes),
        lambda: teardown(NAME, mine, confirm=yes),
    ):
        with pytest.raises(OperationFailed, match="is not this one"):
            command()
    assert world.ends[NAME] == end and world.stacks[NAME]["status"] == "CREATE_COMPLETE"
    found = status(NAME, mine)
    assert found.record is None and "not the one that was launched from this store" in found.trouble


@pytest.mark.parametrize("command", ["launch", "extend"])
def test_a_foreign_stack_gets_no_end(command: str) -> None:
    world = World()
    texts: dict[str, str] = {}
    if command == "extend":
        up(world, texts)
    else:
        world.create(NAME, {"team": "db"})
        world.advance(60)
    world.ends.clear()
    world.stacks[NAME]["tags"] = {"team": "db"}
    mine = ports(world, Gate(), texts, 4)
    with pytest.raises(OperationFailed, match="is not this one"):
        if command == "launch":
            launch(spec(), rendering(), mine, confirm=yes)
        else:
            extend(NAME, 12, mine, confirm=yes)
    assert not world.ends


def test_an_end_of_another_launch_is_not_moved() -> None:
    world = World()
    mine = up(world, {})
    world.whose[NAME] = Whose("somebody")
    end = world.ends[NAME]
    with pytest.raises(OperationFailed, match="is not this one") as refused:
        extend(NAME, 12, mine, confirm=yes)
    assert "another launch" in (refused.value.why or "")
    assert world.ends[NAME] == end


def test_a_refusal_of_the_target_is_final_where_no_record_says_otherwise() -> None:
    world = World()
    up(world, {})

    class Refuses(FakePcluster):
        def delete(self, name: str, region: str) -> None:
            raise OperationFailed("incompatible ParallelCluster major version")

    stranger = ports(world, Gate(), {}, 6, pcluster=Refuses(world, Gate()))
    with pytest.raises(OperationFailed, match="incompatible") as refused:
        teardown(NAME, stranger, confirm=yes)
    assert "no record that says otherwise" in (refused.value.why or "")
    assert world.stacks[NAME]["status"] == "CREATE_COMPLETE"


def test_a_deletion_names_the_stack_by_its_id() -> None:
    world = World()
    mine = up(world, {})
    asked: list[str] = []

    class Stubborn(FakePcluster):
        def delete(self, name: str, region: str) -> None:
            raise OperationFailed("it does not answer")

    class Asked(FakeCloud):
        def delete_stack(self, stack: str, retain: Any = ()) -> None:
            asked.append(stack)
            super().delete_stack(stack, retain)

    id = world.stacks[NAME]["id"]
    again = ports(world, Gate(), mine.store.texts, 5, pcluster=Stubborn(world, Gate()), cloud=Asked(world, Gate()))  # type: ignore[attr-defined]
    assert teardown(NAME, again, confirm=yes).done
    assert asked == [id]


# --- somebody between the question and the answer ---------------------------------------------------------------------


def test_no_lock_is_held_while_a_person_thinks() -> None:
    world = World()
    texts: dict[str, str] = {}
    held: list[bool] = []

    def asked(*_: Any) -> bool:
        held.append(any(key.startswith("locks/") for key in texts))
        return True

    mine = ports(world, Gate(), texts)
    launch(spec(), rendering(), mine, confirm=asked)
    extend(NAME, 1, mine, confirm=asked)
    stop_fleet(NAME, mine, confirm=asked)
    teardown(NAME, mine, confirm=asked)
    assert held == [False] * 4


def test_a_teardown_of_another_cluster_than_was_shown_is_refused() -> None:
    world = World()
    texts: dict[str, str] = {}
    up(world, texts)

    def replaced(*_: Any) -> bool:
        teardown(NAME, ports(world, Gate(), texts, 21), confirm=yes)
        up(world, texts, 22)
        return True

    with pytest.raises(StalePlan, match="changed while you were asked"):
        teardown(NAME, ports(world, Gate(), texts, 20), confirm=replaced)
    assert world.stacks[NAME]["status"] == "CREATE_COMPLETE"


def test_a_teardown_that_somebody_else_was_faster_with_is_no_error() -> None:
    world = World()
    texts: dict[str, str] = {}
    up(world, texts)

    def faster(*_: Any) -> bool:
        return teardown(NAME, ports(world, Gate(), texts, 21), confirm=yes).done

    torn = teardown(NAME, ports(world, Gate(), texts, 20), confirm=faster)
    assert (torn.done, world.nothing()) == (True, True)


def test_an_end_that_was_moved_while_somebody_read_is_asked_about_again() -> None:
    world = World()
    texts: dict[str, str] = {}
    up(world, texts)
    before = world.ends[NAME]

    def moved(*_: Any) -> bool:
        return extend(NAME, 6, ports(world, Gate(), texts, 31), confirm=yes).done

    with pytest.raises(StalePlan, match="changed while you were asked") as refused:
        extend(NAME, 12, ports(world, Gate(), texts, 30), confirm=moved)
    assert "its end was moved" in (refused.value.why or "")
    assert world.ends[NAME] == before + timedelta(hours=6), "once, and not twice"


def test_a_launch_that_another_process_made_while_somebody_read_goes_on_from_it() -> None:
    world = World()
    texts: dict[str, str] = {}

    def made(*_: Any) -> bool:
        up(world, texts, 41)
        return True

    launched = launch(spec(), rendering(), ports(world, Gate(), texts, 40), confirm=made)
    assert (launched.done, launched.created) == (True, False)
    assert world.made == [f"role {NAME}", f"stack {NAME}"]


def test_a_launch_after_which_more_has_to_be_made_than_was_shown_asks_again() -> None:
    world = World()
    texts: dict[str, str] = {}
    up(world, texts)
    world.ends.clear()

    def gone(*_: Any) -> bool:
        world.stacks.clear()
        return True

    with pytest.raises(StalePlan, match="changed while you were asked"):
        launch(spec(), rendering(), ports(world, Gate(), texts, 50), confirm=gone)
    assert not world.stacks


class Slurm:
    """Jobs by token, slow enough for two to meet."""

    def __init__(self) -> None:
        self.jobs: dict[str, Any] = {}
        self.made = 0

    def with_token(self, token: str) -> Any:
        return self.jobs.get(token)

    def submit(self, folder: str, files: Any, script: str, token: str) -> Any:
        from test_submission import job

        found = self.jobs.get(token)
        threading.Event().wait(0.05)
        if found is None:
            self.made += 1
            self.jobs[token] = job(self.made)
        return self.jobs[token], found is None


@pytest.mark.parametrize("many", [2, 5])
def test_a_job_that_several_submit_at_once_is_made_once(tmp_path: Path, many: int) -> None:
    from test_submission import asked

    slurm, found = Slurm(), []

    def submit(pid: int) -> None:
        class Waiting(FakeClock):
            def sleep(self, seconds: float) -> None:
                threading.Event().wait(0.01)

        turn = Turn(Waiting(World()), holder(pid), lambda other: True)
        found.append(submit_once(asked(), slurm, FileStore(tmp_path), turn))

    threads = [threading.Thread(target=submit, args=(pid,)) for pid in range(1, many + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert slurm.made == 1
    assert len({run.name for run, _, _ in found}) == 1
    assert sum(new for _, _, new in found) == 1


def test_whoever_waits_for_ever_for_another_s_submission_is_told(tmp_path: Path) -> None:
    from test_submission import asked

    from fmctl.operate.state.locks import take

    store, clock = FileStore(tmp_path), FakeClock(World())
    take(store, f"{NAME}.submit", holder(9, "desk"), clock, is_alive=lambda _: None)
    turn = Turn(clock, holder(1), lambda _: None)
    with pytest.raises(OperationFailed, match="somebody else submits to run1") as refused:
        submit_once(asked(), Slurm(), store, turn)
    assert "--break-lock" in (refused.value.next or "")
    assert submit_once(asked(), Slurm(), store, replace(turn, break_lock=True))[2]


def test_threads_of_one_process_make_one_cluster() -> None:
    world, texts = World(), dict[str, str]()
    came: list[str] = []

    def one() -> None:
        try:
            launch(spec(), rendering(), ports(world, Gate(), texts, 1), confirm=yes)
            came.append("runs")
        except (OperationFailed, StalePlan) as error:
            came.append(error.what)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.made.count(f"stack {NAME}") == 1 and "runs" in came


# --- what it costs now ------------------------------------------------------------------------------------------------


def test_the_question_and_the_record_have_the_price_of_the_moment() -> None:
    world = World()
    shown: list[float | None] = []

    def asked(steps: Any, money: Any) -> bool:
        shown.append(money.usd_per_h)
        return True

    wanted = replace(spec(), usd_per_h=0.01)
    mine = ports(world, Gate(), {})
    launch(wanted, rendering(), mine, confirm=asked, price=Price(983.2, "2026-11-22"))
    record = read_record(mine.store, NAME)
    assert shown == [983.2] and record is not None
    assert (record.usd_per_h, record.price_date) == (983.2, "2026-11-22")
    again = launch(wanted, rendering(), ports(world, Gate(), mine.store.texts, 2), confirm=asked)  # type: ignore[attr-defined]
    assert again.done and len(shown) == 1, "a price tells nothing of what is wanted"


def test_another_region_of_the_session_is_said_before_anything() -> None:
    texts: dict[str, str] = {}
    up(World(), texts)
    with pytest.raises(PermissionDenied, match="another region"):
        plan_teardown(NAME, west(World(), texts))


def test_a_rendering_of_the_same_name_and_other_hours_is_another_cluster() -> None:
    world = World()
    up(world, {})
    tags = {**rendering().tags, "fmctl:max-hours": "8000"}
    listed = "".join(f"  - {{Key: '{key}', Value: '{value}'}}\n" for key, value in tags.items())
    other = FakeRendering(f"Region: {REGION}\nTags:\n{listed}", "sha256:x", tags)
    with pytest.raises(OperationFailed, match="is not this one"):
        launch(replace(spec(), max_hours=8000.0), other, ports(world, Gate(), {}, 3), confirm=yes)
