"""From the command line: two regions, two accounts, two operators, `--all`, prompts, and ends whose role is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmctl.cli import prompts
from tests.cli.conftest import Cli, FakeOperations
from tests.cli.test_operations import CAPPED, SITE
from tests.unit.operate.cluster_fakes import (
    ACCOUNT,
    FakeCloud,
    FakePcluster,
    FakeStore,
    Gate,
    Killed,
    World,
    ports,
    reached,
)

EAST, WEST, OTHER = "us-east-1", "us-west-2", "210987654321"
ACCOUNTS = {None: ACCOUNT, "": ACCOUNT, "other": OTHER}


class Earth(FakeOperations):
    """A world per account and region; the profile says the account, and a store may be one's own."""

    def __init__(self) -> None:
        self.worlds: dict[tuple[str, str], World] = {}
        self.stores: dict[str, dict[str, str]] = {}
        self.gate = Gate()
        super().__init__()
        self.world = World()  # without the cluster that is there for other tests
        self.worlds.clear()
        self.stores.clear()

    def at(self, region: str = EAST, account: str = ACCOUNT) -> World:
        if (account, region) not in self.worlds:
            self.worlds[account, region] = self.world if (account, region) == (ACCOUNT, EAST) else World()
        return self.worlds[account, region]

    def _place(self, options: Any, site: Any) -> tuple[str, str]:
        region = options.get("region") or (site.region if site is not None else None) or EAST
        return region, ACCOUNTS[options.get("profile")]

    def ports(self, settings: Any, options: Any, site: Any, read_only: bool) -> Any:
        self.pid += 1
        region, account = self._place(options, site)
        world = self.at(region, account)
        target = reached(FakePcluster(world, self.gate), FakeCloud(world, self.gate, account, region))
        store = self.store(settings, options)
        return ports(world, self.gate, {}, pid=self.pid, read_only=read_only, target=target, store=store)

    def target(self, settings: Any, options: Any, site: Any) -> Any:
        return self.ports(settings, options, site, True).target

    def store(self, settings: Any, options: Any) -> Any:
        where = options.get("store") or "mine"
        return FakeStore(self.gate, self.stores.setdefault(where, {}))

    def survey(self, settings: Any, options: Any, site: Any) -> Any:
        region, account = self._place(options, site)
        self.survey_answers.who = FakeCloud(self.at(region, account), Gate(), account, region).who
        return self.survey_answers


class Ops:
    """The command line over an earth."""

    def __init__(self, cli: Cli, folder: Path) -> None:
        self.cli, self.folder = cli, folder
        self.earth = Earth()
        from dataclasses import replace

        cli.services = replace(cli.services, operations=self.earth)
        for name, region, account in (("east", EAST, ACCOUNT), ("west", WEST, ACCOUNT), ("other", EAST, OTHER)):
            text = SITE.replace("us-east-1", region).replace(ACCOUNT, account)
            (folder / f"{name}.yaml").write_text(text)
        cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a1")

    def launch(self, name: str, site: str = "east", *words: str) -> Any:
        given = ("--profile", "other") if site == "other" else ()
        return self.cli(
            "launch", "a1", "--site", str(self.folder / f"{site}.yaml"), "--cluster-name", name, *CAPPED, *given, *words
        )

    def __call__(self, *words: str) -> Any:
        return self.cli(*words)

    def stacks(self, region: str = EAST, account: str = ACCOUNT) -> set[str]:
        return set(self.earth.at(region, account).stacks)

    def whole(self) -> None:
        """Every cluster of the earth has an end of its own launch."""
        for world in self.earth.worlds.values():
            for name, stack in world.stacks.items():
                assert world.ends.get(name) is not None, f"{name} has no end"
                assert world.roles[name] == world.whose[name].launch
                assert world.whose[name].stack in ("", stack["id"])


@pytest.fixture
def ops(cli: Any, tmp_path: Path) -> Ops:
    return Ops(cli, tmp_path)


def test_a_name_in_two_regions_of_one_store_is_refused_and_the_first_is_as_it_was(ops: Ops) -> None:
    assert ops.launch("two").code == 0
    ran = ops.launch("two", "west")
    assert ran.code == 1 and "has a cluster two in us-east-1 already" in ran.err
    assert (ops.stacks(), ops.stacks(WEST)) == ({"two"}, set())
    ops.whole()
    for words in (("status",), ("status", "two"), ("status", "two", "--region", EAST)):
        assert "two" in ops(*words).out
    assert ops("teardown", "two", "--yes").code == 0
    assert not ops.stacks()


def test_a_name_in_two_regions_of_two_stores_is_two_clusters(ops: Ops) -> None:
    assert ops.launch("two").code == 0
    assert ops.launch("two", "west", "--store", "theirs").code == 0
    ops.whole()
    assert ops("teardown", "two", "--yes", "--store", "theirs").code == 0
    assert (ops.stacks(), ops.stacks(WEST)) == ({"two"}, set())
    ops.whole()
    assert "ready" in ops("status", "two").out


def test_a_name_in_another_account_is_refused(ops: Ops) -> None:
    assert ops.launch("two").code == 0
    ran = ops.launch("two", "other")
    assert ran.code == 1 and "of account ********9012" in ran.err
    assert ops.stacks(EAST, OTHER) == set()


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_each_command_goes_to_the_region_of_its_cluster(ops: Ops, name: str) -> None:
    assert ops.launch("one").code == ops.launch("two", "west").code == ops.launch("three", "west").code == 0
    before = {place: dict(world.ends) for place, world in ops.earth.worlds.items()}
    for words in (("status", name), ("logs", name), ("extend", name, "1", "--yes"), ("teardown", name, "--yes")):
        assert ops(*words).code == 0, words
    left = {"one", "two", "three"} - {name}
    assert ops.stacks() | ops.stacks(WEST) == left
    for place, world in ops.earth.worlds.items():
        assert {key: at for key, at in before[place].items() if key != name} == world.ends
    ops.whole()


def test_status_and_all_go_over_regions_and_past_another_account(ops: Ops) -> None:
    assert ops.launch("one").code == ops.launch("two", "west").code == ops.launch("three", "other").code == 0
    ran = ops("status", "-o", "json")
    rows = {row["cluster"]: row for row in ran.json()["result"]["clusters"]}
    assert {name: row["condition"] for name, row in rows.items()} == {
        "one": "ready",
        "two": "ready",
        "three": "unknown",
    }
    assert "another account" in rows["three"]["trouble"]
    ran = ops("teardown", "--all", "--yes")
    assert ran.code == 4
    assert ("one is gone" in ran.out, "two is gone" in ran.out) == (True, True)
    assert "three was not removed: three belongs to another account" in ran.out
    assert (ops.stacks(), ops.stacks(WEST), ops.stacks(EAST, OTHER)) == (set(), set(), {"three"})
    ops.whole()
    assert ops("teardown", "--all", "--yes", "--profile", "other").code == 0
    assert not ops.stacks(EAST, OTHER)


def prompted(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any]) -> list[Any]:
    """A person who is asked, and at whose prompt somebody else does something; they say yes."""
    came: list[Any] = []
    real = prompts.ask_for_name

    def asked(name: str, action: str) -> bool:
        monkeypatch.setattr(prompts, "_asks", lambda: False)
        if not came:
            came.append(meanwhile())
        return True

    monkeypatch.setattr(prompts, "_asks", lambda: True)
    for module in ("fmctl.cli.operations", "fmctl.cli.clusters"):
        monkeypatch.setattr(f"{module}.ask_for_name", asked)
    assert real is not asked
    return came


def test_another_operator_launches_while_the_first_one_reads(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    other = prompted(monkeypatch, lambda: ops.launch("re", "east", "--store", "theirs"))
    site = str(ops.folder / "east.yaml")
    ran = ops("launch", "a1", "--site", site, "--cluster-name", "re", "--max-hours", "8000")
    assert other[0].code == 0
    assert ran.code == 1 and "re exists and is not this one" in ran.err
    world = ops.earth.at()
    assert (world.ends["re"] - world.stacks["re"]["created"]).total_seconds() <= 2 * 3600
    ops.whole()
    assert ops("status", "re", "--store", "theirs").out.count("ready") == 1


def test_another_operator_tears_down_while_the_first_one_reads(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ops.launch("re").code == 0
    other = prompted(monkeypatch, lambda: ops("teardown", "re", "--yes"))
    ran = ops("extend", "re", "5")
    assert other[0].code == 0 and ran.code == 1 and "does not run" in ran.err
    assert ops.earth.at().nothing()


def test_another_operator_extends_while_the_first_one_reads(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ops.launch("re").code == 0
    before = ops.earth.at().ends["re"]
    other = prompted(monkeypatch, lambda: ops("extend", "re", "5", "--yes"))
    ran = ops("extend", "re", "7")
    assert other[0].code == 0 and ran.code == 6 and "changed while you were asked" in ran.err
    assert (ops.earth.at().ends["re"] - before).total_seconds() == 5 * 3600


def test_an_end_without_its_role_does_not_come_and_is_shouted(ops: Ops) -> None:
    assert ops.launch("re").code == 0
    world = ops.earth.at()
    world.roles.clear()
    row = ops("status", "re", "-o", "json").json()["result"]["clusters"][0]
    assert row["end_holds"] is False and "its role does not exist" in row["trouble"]
    world.advance(3 * 3600)
    world.advance(60)
    assert "re" in world.stacks, "the end did not come"
    row = ops("status", "re", "-o", "json").json()["result"]["clusters"][0]
    assert row["trouble"] == "nothing will delete it by itself"
    assert ops("teardown", "re", "--yes").code == 0
    assert world.nothing()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # threads of who is killed
@pytest.mark.parametrize("how", ["before", "after", "expired", "full"])
def test_all_is_taken_up_again_wherever_it_broke_off(ops: Ops, how: str) -> None:
    for name, site in (("one", "east"), ("two", "west"), ("three", "west")):
        assert ops.launch(name, site).code == 0
    point = 0
    while True:
        ops.earth.gate = Gate(how, point)
        try:
            ran = ops("teardown", "--all", "--yes")
        except Killed:
            ran = None
        hit = ops.earth.gate.hit
        ops.earth.gate = Gate()
        assert ops("teardown", "--all", "--yes").code == 0
        assert all(world.nothing() for world in ops.earth.worlds.values()), (point, hit)
        if not hit:
            assert ran is not None and ran.code == 0
            break
        ops.earth.stores.clear()
        for name, site in (("one", "east"), ("two", "west"), ("three", "west")):
            assert ops.launch(name, site).code == 0
        point += 7
    assert point > 21
