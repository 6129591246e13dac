"""Consent, exit codes and output of the running half; the world behind it is the small one of tests/unit/operate."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from fmctl.cli import prompts
from fmctl.domain.ports import Identity
from fmctl.targets.parallelcluster.checks import ACTIONS

SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
account: "123456789012"
"""
# Beside eight nodes the head node (m6i.4xlarge) and nine gp3 roots of 200 GiB; 250 MB/s/TiB of FSx has no price.
HOURLY = 440.32 + 0.768 + 9 * 200 * 0.08 / 730
CAPPED = ("--yes", "--max-hours", "2")


@pytest.fixture
def ops(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "site.yaml").write_text(SITE)
    monkeypatch.setenv("FMCTL_SITE", str(tmp_path / "site.yaml"))
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a1")
    return cli


class Typed(io.StringIO):
    def isatty(self) -> bool:
        return True


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", Typed(text))
    monkeypatch.setattr(prompts, "_asks", lambda: True)


def made(ops: Any) -> list[str]:
    return [thing for thing in ops.services.operations.world.made if not thing.endswith(" live")]


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("launch", "a1"), 2, "no terminal"),
        (("launch", "a1", "--yes"), 2, "needs a cap"),
        (("launch", "a1", *CAPPED, "--read-only"), 4, "read-only"),
        (("teardown", "live"), 2, "no terminal"),
        (("teardown", "live", "--yes", "--read-only"), 4, "read-only"),
        (("teardown", "--yes"), 2, "--all"),
        (("teardown", "live", "--all", "--yes"), 2, "--all"),
        (("teardown", "--all", "--yes", "--expect", "3"), 2, "1 clusters, not 3"),
        (("extend", "live", "2"), 2, "no terminal"),
        (("extend", "live", "0", "--yes"), 2, "HOURS"),
        (("status", "nobody"), 2, "nobody"),
        (("watch", "nobody"), 2, "nobody"),
        (("launch", "b1", *CAPPED), 2, "'b1'"),
    ],
)
def test_nothing_is_spent_or_destroyed_without_consent(ops: Any, words: tuple[str, ...], code: int, what: str) -> None:
    before = set(ops.services.operations.world.stacks)
    ran = ops(*words)
    assert (ran.code, ran.out) == (code, "")
    assert what in ran.err
    assert set(ops.services.operations.world.stacks) == before
    assert not made(ops)


@pytest.mark.parametrize("typed", ["", "\n", "no\n", "A1\n", "y\n", "live\n"])
def test_anything_but_the_name_is_no(ops: Any, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    type_in(monkeypatch, typed)
    ran = ops("launch", "a1", "--max-hours", "2")
    assert ran.code == 0
    assert "nothing was done" in ran.err
    assert "was not launched" in ran.out
    assert not [thing for thing in made(ops) if thing.startswith("stack")]


def test_the_name_launches_and_the_account_is_shown(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "a1\n")
    ran = ops("launch", "a1", "--max-hours", "2")
    assert ran.code == 0, ran.err
    for shown in (
        "account 123456789012",
        "$440.32 an hour",
        f"${HOURLY * 2:,.2f} in 2 h",
        "head node $0.77",
        "file system unknown",
        "stays after teardown",
    ):
        assert shown in ran.err
    assert "123456789012" not in ran.out
    assert "stack a1" in made(ops)
    # The same again goes on, and makes nothing.
    count = len(made(ops))
    type_in(monkeypatch, "")
    assert ops("launch", "a1", "--max-hours", "2").code == 0
    assert len(made(ops)) == count


def test_a_dry_run_does_nothing(ops: Any) -> None:
    document = ops.ok("launch", "a1", "--max-hours", "2", "--dry-run", "--json").json()
    steps = [action["step"] for action in document["result"]["actions"]]
    assert steps.index("end-schedule") < steps.index("create")
    assert document["result"]["cap_usd"] == pytest.approx(HOURLY * 2)
    ops.ok("teardown", "live", "--dry-run")
    assert not made(ops)
    assert "live" in ops.services.operations.world.stacks


def test_read_only_in_the_environment(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMCTL_READ_ONLY", "1")
    assert ops("launch", "a1", *CAPPED).code == 4
    assert ops("teardown", "live", "--yes").code == 4
    assert ops("status", "live").code == 0


def test_failed_checks_stop_a_launch_with_their_exit_code(ops: Any) -> None:
    survey = ops.services.operations.survey_answers
    survey.zones = ("us-east-1f",)
    ran = ops("launch", "a1", *CAPPED)
    assert (ran.code, made(ops)) == (5, [])
    assert "not offered in us-east-1a" in ran.err
    assert ops("preflight", "a1").code == 5
    survey.zones, survey.key, survey.ami = ("us-east-1a",), "ed25519", None
    assert ops("preflight", "a1").code == 1
    survey.ami, survey.actions = "ami-1", {**dict.fromkeys(ACTIONS, True), ACTIONS[0]: False}
    assert ops("preflight", "a1").code == 4
    assert ops("launch", "a1", *CAPPED, "--skip-preflight").code == 0


def test_another_account_than_the_sites(ops: Any, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE.replace("123456789012", "999999999999"))
    ran = ops("launch", "a1", *CAPPED)
    assert (ran.code, made(ops)) == (4, [])
    ops.services.operations.survey_answers.who = Identity(
        "123456789012", "arn:aws:iam::123456789012:user/x", "us-east-1"
    )
    assert ops("preflight", "a1").code == 4


def test_a_plan_that_was_changed_is_stale(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fmctl.usecases import plans

    monkeypatch.setattr(plans, "intact", lambda document: False)
    ran = ops("launch", "a1", *CAPPED)
    assert (ran.code, made(ops)) == (6, [])


def test_status_says_when_and_from_where(ops: Any) -> None:
    (row,) = ops.ok("status", "--json").json()["result"]["clusters"]
    assert (row["cluster"], row["condition"], row["cap_usd"]) == (
        "live",
        "ready",
        pytest.approx(440.32 * 0.25, rel=0.01),
    )
    lines = {line["name"]: line for line in row["lines"]}
    assert lines["compute nodes"]["usd_per_h"] == pytest.approx(440.32)
    assert lines["head node"]["usd_per_h"] == 0.768
    assert lines["file system"]["usd_per_h"] is None
    assert "not published" in lines["file system"]["why"]
    assert row["cap_usd"] == pytest.approx(0.25 * sum(line["usd_per_h"] or 0.0 for line in row["lines"]))
    assert row["seen_at"]
    assert row["seen_from"].startswith("AWS and")
    assert "live" in ops.ok("status").out
    past = ops.ok("history").out
    assert [line.split()[0] for line in past.splitlines() if "live" in line] == ["live", "live"]  # the row, and Reused
    assert "subnet subnet-1" in past


def test_watch_ends_when_the_cluster_does(ops: Any) -> None:
    lines = [json.loads(line) for line in ops.ok("watch", "live", "-o", "jsonl").out.splitlines()]
    assert any(line["status"] == "GONE" for line in lines)
    assert ops("watch", "live").code == 1  # it is gone now


def test_teardown_names_what_is_left_and_is_no_error_twice(ops: Any) -> None:
    first = ops.ok("teardown", "live", "--yes", "--json").json()["result"]["clusters"][0]
    assert (first["done"], first["was"]) == (True, True)
    assert first["leftovers"][0]["command"]
    again = ops.ok("teardown", "live", "--yes", "--json").json()["result"]["clusters"][0]
    assert (again["done"], again["was"]) == (True, False)
    assert ops.ok("status").out.count("live") == 0


def test_extending_moves_the_end(ops: Any) -> None:
    world = ops.services.operations.world
    before = world.ends["live"]
    said = ops.ok("extend", "live", "2h", "--yes")
    assert (world.ends["live"] - before).total_seconds() == 7200
    end = f"{world.ends['live']:%Y-%m-%d %H:%M} UTC"
    assert f"live ends at {end} now" in said.out
    assert "dry run" not in said.out and "nothing is done" not in said.out
    result = ops.ok("extend", "live", "1h", "--yes", "--json").json()["result"]
    assert (result["dry_run"], result["done"], result["actions"][0]["step"]) == (False, True, "extend")


def test_a_dry_run_of_an_extension_moves_nothing(ops: Any) -> None:
    world = ops.services.operations.world
    before = world.ends["live"]
    for words in (("--dry-run",), ("--dry-run", "--yes")):
        said = ops.ok("extend", "live", "2h", *words)
        assert "live: dry run, nothing is done" in said.out and "would end at" in said.out
        result = ops.ok("extend", "live", "2h", *words, "--json").json()["result"]
        assert (result["dry_run"], result["done"]) == (True, False)
    assert world.ends["live"] == before


def test_a_shared_store_has_the_plans_too(ops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One operator plans, another launches: the plan is in the store, not on anybody's laptop."""
    assert ops("launch", "ours", *CAPPED).code == 2
    monkeypatch.setenv("FMCTL_STORE", "s3://team/fmctl")
    saved = ops.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "ours")
    assert "plans/ours.json" in ops.services.operations.texts
    assert "saved" in saved.err
    monkeypatch.delenv("FMCTL_STORE")
    assert ops("launch", "ours", *CAPPED).code == 2
    ops.ok("launch", "ours", *CAPPED, "--store", "s3://team/fmctl")
    assert "stack ours" in made(ops)
