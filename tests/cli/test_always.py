"""Nothing that is only remembered stands between a person and a teardown; an end is a promise that is looked at."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fmctl.base.errors import OperationFailed
from tests.cli.test_operations import CAPPED, SITE, type_in
from tests.unit.operate.cluster_fakes import FakePcluster

YES = ("--yes",)


@pytest.fixture
def ops(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "site.yaml").write_text(SITE)
    monkeypatch.setenv("FMCTL_SITE", str(tmp_path / "site.yaml"))
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a1")
    return cli


def world(ops: Any) -> Any:
    return ops.services.operations.world


def texts(ops: Any) -> dict[str, str]:
    found: dict[str, str] = ops.services.operations.texts
    return found


# What lies in a store beside what fmctl wrote, or instead of it.
STRANGE = {
    "half a record of a run": {"runs/other-9.json": '{"half'},
    "a run of a newer fmctl": {"runs/live-1.json": '{"schema": "fmctl.run/2"}'},
    "a run of this cluster without a row": {
        "runs/live-2.json": '{"schema": "fmctl.run/1", "name": "live-2", "cluster": "live"}'
    },
    "what an editor left": {"runs/rc-1.json~": "x", "clusters/live.json~": "x", "clusters/.live.json.swp": "x"},
    "folders as the S3 console makes them": {"runs/": "", "clusters/": "", "journals/": "", "locks/": ""},
    "a damaged record of another cluster": {"clusters/other.json": "\x00\x01"},
    "another cluster of a newer fmctl": {"clusters/other.json": '{"schema": "fmctl.cluster/2", "name": "other"}'},
    "a record under another name": {"clusters/other.json": "LIVE"},
    "another cluster's damaged journal": {"journals/other.jsonl": "nonsense\n"},
    "names that no cluster has": {
        "clusters/../../etc/passwd.json": "{}",
        "clusters/1.json": "{}",
        "clusters/a b.json": "{}",
    },
    "a million brackets": {"clusters/other.json": "[" * 1_000_000, "runs/other-1.json": "[" * 1_000_000},
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_teardown_is_stopped_by_nothing_in_the_store(ops: Any, strange: str) -> None:
    found = {
        key: texts(ops)["clusters/live.json"] if text == "LIVE" else text for key, text in STRANGE[strange].items()
    }
    texts(ops).update(found)
    ran = ops.ok("teardown", "live", *YES)
    assert "live is gone" in ran.out
    assert world(ops).nothing()
    assert {key: texts(ops)[key] for key in found} == found, "what is strange is left where it lies"


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("command", [("status",), ("history",), ("teardown", "--all", "--dry-run")])
def test_one_strange_thing_is_named_and_passed_over(ops: Any, strange: str, command: tuple[str, ...]) -> None:
    found = {
        key: texts(ops)["clusters/live.json"] if text == "LIVE" else text for key, text in STRANGE[strange].items()
    }
    texts(ops).update(found)
    ran = ops.ok(*command, "-o", "json")
    document = ran.json()
    assert "live" in {row["cluster"] for row in document["result"]["clusters"]}
    told = ran.out + ran.err
    read = {"status": ("clusters",), "history": ("clusters", "runs"), "teardown": ("clusters",)}[command[0]]
    for key in found:
        folder, _, name = key.partition("/")
        if folder in read and name:
            assert name.removesuffix(".json") in told, f"{key} is named"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"schema": "fmctl.cluster/2", "name": "live"}',
        "\udcff\udcfe",
        "",
        "null",
        '{"schema": ["fmctl.cluster/1"]}',
    ],
)
def test_a_cluster_whose_own_record_cannot_be_read_is_torn_down_by_what_aws_says(ops: Any, text: str) -> None:
    texts(ops)["clusters/live.json"] = text
    status = ops.ok("status", "live")
    assert "what AWS says counts" in status.err and "ready" in status.out
    ran = ops.ok("teardown", "live", *YES)
    assert "live is gone" in ran.out and "what AWS says counts" in ran.err
    assert world(ops).nothing()


@pytest.mark.parametrize("damage", ["middle", "all", "doubled", "lost", "newer"])
def test_a_journal_that_cannot_be_read_is_gone_on_without_and_kept(ops: Any, damage: str) -> None:
    key = "journals/live.jsonl"
    lines = texts(ops)[key].splitlines(keepends=True)
    changed = {
        "middle": [*lines[:2], "nonsense\n", *lines[3:]],
        "all": ["nonsense\n"],
        "doubled": [*lines, lines[-1]],
        "lost": lines[2:],
        "newer": [lines[0].replace("fmctl.journal/1", "fmctl.journal/2"), *lines[1:]],
    }[damage]
    texts(ops)[key] = before = "".join(changed)
    assert ops("extend", "live", "1", *YES).code == 2, "what moves an end wants to know what was meant"
    ran = ops.ok("teardown", "live", *YES)
    assert "live is gone" in ran.out and "what can be read counts" in ran.err
    assert world(ops).nothing()
    kept = [text for name, text in texts(ops).items() if "damaged" in name]
    assert kept == [before + "\n"]
    assert [json.loads(line)["seq"] for line in texts(ops)[key].splitlines()] == list(
        range(1, len(texts(ops)[key].splitlines()) + 1)
    )


@pytest.mark.parametrize("answer", ['{"jobs": [{"job_id": NaN}]}', "{", "", '{"jobs": null}', '{"jobs": [{}]}'])
def test_what_slurm_answers_stops_no_teardown(ops: Any, answer: str) -> None:
    ops.ok("submit", "a1", "--cluster-name", "live")
    ops.services.operations.shell.said["squeue"] = answer
    assert "live is gone" in ops.ok("teardown", "live", *YES).out
    assert world(ops).nothing()


def test_a_head_that_does_not_answer_keeps_no_gpu_alive(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ops.ok("submit", "a1", "--cluster-name", "live")
    waiting = threading.Event()

    def never(*_: Any, **__: Any) -> str:
        waiting.wait(60)
        return ""

    monkeypatch.setattr(ops.services.operations.shell, "run", never)
    monkeypatch.setattr("fmctl.operate.teardown._BESIDE_S", 0.2)
    began = time.monotonic()
    assert "live is gone" in ops.ok("teardown", "live", *YES).out
    assert time.monotonic() - began < 20
    waiting.set()


def test_the_run_s_record_is_brought_up_to_date_while_the_cluster_goes(ops: Any) -> None:
    ops.ok("submit", "a1", "--cluster-name", "live")
    ops.ok("teardown", "live", *YES)
    run = json.loads(texts(ops)["runs/live-1.json"])
    assert run["seen_at"] is not None


def several(ops: Any, *names: str) -> None:
    for name in names:
        ops.ok("launch", "a1", "--cluster-name", name, *CAPPED)


def test_all_go_but_the_one_that_cannot_and_a_table_says_so(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    several(ops, "one", "two", "three")
    real = FakePcluster.delete

    def stubborn(self: Any, name: str, region: str) -> None:
        if name == "two":
            raise OperationFailed("it would not", why="it is stubborn")
        real(self, name, region)

    monkeypatch.setattr(FakePcluster, "delete", stubborn)

    def refused(self: Any, stack: str, retain: Any = ()) -> None:
        raise OperationFailed("CloudFormation would not", why="AccessDenied of somebody", next="ask them")

    monkeypatch.setattr("tests.unit.operate.cluster_fakes.FakeCloud.delete_stack", refused)
    ran = ops("teardown", "--all", *YES)
    assert ran.code == 1
    assert set(world(ops).stacks) == {"two"}
    for said in ("live is gone", "one is gone", "three is gone", "two was not removed: CloudFormation would not"):
        assert said in ran.out
    assert "next: " in ran.out
    rows = {row["cluster"]: row for row in ops("teardown", "--all", *YES, "-o", "json").json()["result"]["clusters"]}
    assert list(rows) == ["two"] and rows["two"]["error"].startswith("CloudFormation would not")


def test_all_in_a_dry_run_are_all(ops: Any) -> None:
    several(ops, "one", "two")
    before = dict(texts(ops))
    ran = ops.ok("teardown", "--all", "--dry-run")
    assert [name in ran.out for name in ("live", "one", "two")] == [True] * 3
    assert texts(ops) == before and len(world(ops).stacks) == 3


def test_each_of_several_is_asked_about_and_a_no_keeps_that_one(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    several(ops, "one")
    type_in(monkeypatch, "no\nno\n")
    ran = ops.ok("teardown", "--all")
    assert len(world(ops).stacks) == 2 and ran.out.count("was left as it is") == 2


# --- ends that are promises -------------------------------------------------------------------------------------------

BROKEN = {
    "switched off": lambda world: world.wrong.update(live=("its schedule is switched off",)),
    "no role": lambda world: world.roles.pop("live"),
    "no rights": lambda world: world.wrong.update(live=("its role x may not delete the cluster",)),
    "nothing": lambda world: world.ends.pop("live"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_an_end_that_would_not_come_is_shouted_and_mended(ops: Any, broken: str) -> None:
    BROKEN[broken](world(ops))
    row = ops.ok("status", "live", "-o", "json").json()["result"]["clusters"][0]
    assert row["trouble"] and "fmctl extend live HOURS" in row["next"]
    assert row["end_holds"] in (False, None) and row["left_h"] is None
    assert "Trouble" in ops.ok("status", "live").out
    ops.ok("extend", "live", "1", *YES)
    row = ops.ok("status", "live", "-o", "json").json()["result"]["clusters"][0]
    assert row["trouble"] is None and row["end_holds"] is True and row["left_h"] > 0


def test_a_watch_says_that_an_end_would_not_come(ops: Any) -> None:
    BROKEN["switched off"](world(ops))
    from fmctl.operate.watch import Watch

    ports = ops.services.operations.ports(None, {}, None, True)
    seen = list(Watch("live", ports.target, ports.clock).events(until=lambda status: True))
    (end,) = [event for event in seen if event.kind == "end"]
    assert end.status == "broken" and "its schedule is switched off" in end.text


def test_an_end_that_has_passed_while_the_cluster_stands_is_said(ops: Any) -> None:
    from fmctl.operate.status import status

    ops.services.operations.world.ends["live"] = world(ops).now - timedelta(hours=1)
    ports = ops.services.operations.ports(None, {}, None, True)
    found = status("live", ports)
    assert "has passed and it still is there" in found.trouble and found.next == "fmctl teardown live"


def test_what_an_end_did_is_known_afterwards(ops: Any) -> None:
    """It ran its whole quarter of an hour and went by itself."""
    created = world(ops).stacks["live"]["created"]
    world(ops).advance(15 * 60)
    world(ops).advance(3600)
    assert not world(ops).stacks
    row = ops.ok("status", "live", "-o", "json").json()["result"]["clusters"][0]
    gone = max(world(ops).gone.values())
    lines = json.loads(texts(ops)["clusters/live.json"])["lines"]
    hourly = sum(line["usd_per_h"] for line in lines if line["usd_per_h"] is not None)
    assert row["over"] and row["condition"] == "missing"
    assert row["spent_at_most_usd"] == pytest.approx(hourly * (gone - created).total_seconds() / 3600)
    assert [left["kind"] for left in row["leftovers"]] == ["log group", "IAM role"]
    assert row["next"] == "fmctl teardown live removes what its end left"
    assert "over" in ops.ok("status").out
    ops.ok("teardown", "live", *YES)
    kept = json.loads(texts(ops)["clusters/live.json"])
    assert kept["state"] == "gone" and kept["spent_usd"] == pytest.approx(row["spent_at_most_usd"])
    assert world(ops).nothing()


def test_history_tells_of_an_end_that_nobody_has_looked_at(ops: Any) -> None:
    from dataclasses import replace

    world(ops).advance(3600)
    later = replace(ops.services, now=lambda: world(ops).now)
    ops.services = later
    row = ops.ok("history", "-o", "json").json()["result"]["clusters"][0]
    assert row["state"] == "over" and row["spent_usd"] > 0


# --- what looking costs -----------------------------------------------------------------------------------------------


def many_runs(ops: Any, count: int) -> None:
    one = '{"schema": "fmctl.run/1"}'
    texts(ops).update({f"runs/other-{number}.json": one for number in range(1, count + 1)})


@pytest.mark.parametrize("command", [("status",), ("status", "live"), ("submit", "a1", "--cluster-name", "live"),
                                     ("teardown", "live", "--yes")])  # fmt: skip
def test_ten_thousand_runs_of_others_are_not_read(
    ops: Any, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.operate.cluster_fakes import FakeStore

    many_runs(ops, 10_000)
    read: list[str] = []
    real = FakeStore.read

    def counted(self: Any, key: str) -> Any:
        read.append(key)
        return real(self, key)

    monkeypatch.setattr(FakeStore, "read", counted)
    ops.ok(*command)
    assert not [key for key in read if key.startswith("runs/other")]
    assert len(read) < 40


def test_many_clusters_are_listed_and_not_asked_about_one_by_one(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.operate.cluster_fakes import FakeCloud

    record = texts(ops)["clusters/live.json"]
    for number in range(300):
        name = f"c{number}"
        texts(ops)[f"clusters/{name}.json"] = "{" if number % 10 == 0 else record.replace('"live"', f'"{name}"')
    asked: list[str] = []
    for call in ("stack", "stacks", "nodes", "nodes_of_all", "identity", "end", "ends", "leftovers"):
        real = getattr(FakeCloud, call)

        def counted(self: Any, *given: Any, _real: Any = real, _call: str = call, **named: Any) -> Any:
            asked.append(_call)
            return _real(self, *given, **named)

        monkeypatch.setattr(FakeCloud, call, counted)
    ran = ops.ok("status", "-o", "json")
    assert len(ran.json()["result"]["clusters"]) == 271
    assert len(ran.json()["warnings"]) == 30
    assert len(asked) < 10
    asked.clear()
    ran = ops.ok("teardown", "--all", "--dry-run", "-o", "json")
    assert len(ran.json()["result"]["clusters"]) == 301, "those too whose record cannot be read"
    assert len(asked) < 10
