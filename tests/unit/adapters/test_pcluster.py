"""The worker's protocol, against a fake worker that replays recorded answers and misbehaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fmctl.adapters.parallelcluster import node
from fmctl.adapters.parallelcluster.answers import failure
from fmctl.adapters.parallelcluster.client import SECONDS, CommandPcluster, WorkerPcluster
from fmctl.base.errors import BUSY, OperationFailed, OperationTimeout, PermissionDenied
from fmctl.domain.ports import Finding, Resource
from fmctl.targets.parallelcluster.port import Pcluster

FAKE = Path(__file__).with_name("fake_worker.py")
REGION = "us-east-1"


@pytest.fixture
def pcluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPcluster]:
    monkeypatch.setenv("FAKE_WORKER_FOLDER", str(tmp_path))
    (tmp_path / "node").write_text("#!/bin/sh\necho v20.20.2\n")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    seconds = {**SECONDS, "describe": 1.0}
    made = WorkerPcluster(sys.executable, environment={}, log=tmp_path / "log", worker=FAKE, seconds=seconds)
    yield made
    made.close()


def deaths(folder: Path, name: str) -> int:
    return int((folder / name).read_text())


def test_it_is_what_the_port_asks_for(pcluster: WorkerPcluster) -> None:
    assert isinstance(pcluster.version, str)
    either: list[Pcluster] = [pcluster, CommandPcluster("pcluster")]
    assert len(either) == 2


def test_a_dry_run_that_passes_gives_its_warnings(pcluster: WorkerPcluster) -> None:
    found = pcluster.validate("good", "", REGION)
    assert found == (Finding("WARNING", "EfaPlacementGroupValidator", "Placement group is disabled"),)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("typo", "ConfigSchemaValidator", "Unknown field"),
        ("no-type", "Request", "[p5.49xlarge]"),
        ("taken", "Request", "Cluster taken already exists."),
    ],
)
def test_what_is_wrong_with_a_configuration_is_an_error_finding(
    pcluster: WorkerPcluster, name: str, kind: str, said: str
) -> None:
    (found,) = pcluster.validate(name, "", REGION)
    assert (found.level, found.kind) == ("ERROR", kind)
    assert said in found.message


@pytest.mark.parametrize(
    ("name", "error"),
    [("expired", PermissionDenied), ("denied", PermissionDenied), ("unreachable", OperationFailed),
     ("broken", OperationFailed)],
)  # fmt: skip
def test_where_nobody_looked_there_is_no_answer(pcluster: WorkerPcluster, name: str, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        pcluster.validate(name, "", REGION)
    assert raised.value.why  # type: ignore[attr-defined]
    assert raised.value.next  # type: ignore[attr-defined]


def test_success_gone_and_refusal(pcluster: WorkerPcluster) -> None:
    pcluster.create("made", "", REGION)
    assert pcluster.describe("there", REGION) == {"clusterName": "there", "clusterStatus": "CREATE_COMPLETE"}
    assert pcluster.describe("gone", REGION) is None
    pcluster.delete("gone", REGION)
    with pytest.raises(OperationFailed, match="did not create") as taken:
        pcluster.create("taken", "", REGION)
    assert "already exists" in str(taken.value.why)
    with pytest.raises(OperationFailed) as refused:
        pcluster.update("running-fleet", "", REGION)
    assert "All compute nodes must be stopped" in str(refused.value.why)
    with pytest.raises(OperationFailed):
        pcluster.stop_fleet("gone", REGION)


def test_synth_gives_nested_resources(pcluster: WorkerPcluster) -> None:
    assert pcluster.synth("drawn", "", REGION) == (
        Resource("", "HeadNode", "AWS::EC2::Instance", {}),
        Resource("Queues", "LaunchTemplate", "AWS::EC2::LaunchTemplate", {"a": 1}),
    )


def test_a_dead_worker_is_started_again_once(pcluster: WorkerPcluster, tmp_path: Path) -> None:
    assert pcluster.validate("good", "", REGION)
    assert pcluster.validate("dies-once", "", REGION)
    assert deaths(tmp_path, "dies-once") == 1
    with pytest.raises(OperationFailed, match="again and again") as raised:
        pcluster.validate("dies-always", "", REGION)
    assert deaths(tmp_path, "dies-always") == 2
    assert raised.value.why == "Killed"
    assert pcluster.validate("good", "", REGION)


def test_what_may_have_been_done_is_not_done_again(pcluster: WorkerPcluster, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="ended during create"):
        pcluster.create("dies-always", "", REGION)
    assert deaths(tmp_path, "dies-always") == 1


@pytest.mark.parametrize("name", ["garbage", "another", "half"])
def test_garbage_on_the_pipe_is_an_error_and_the_next_call_works(pcluster: WorkerPcluster, name: str) -> None:
    with pytest.raises(OperationFailed, match="something else") as raised:
        pcluster.validate(name, "", REGION)
    assert "fmctl pcluster status" in str(raised.value.next)
    assert pcluster.validate("good", "", REGION)


def test_an_answer_that_does_not_come_is_not_waited_for(pcluster: WorkerPcluster) -> None:
    with pytest.raises(OperationTimeout, match="within 1 s"):
        pcluster.describe("slow", REGION)
    assert pcluster.describe("there", REGION)


def test_only_its_own_variables_reach_a_request(pcluster: WorkerPcluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert pcluster.describe("env", REGION) == {}
    with_own = WorkerPcluster(sys.executable, worker=FAKE)
    assert with_own.describe("env", REGION) == {"AWS_PROFILE": "mine"}
    with_own.close()


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    missing = WorkerPcluster(str(tmp_path / "python"), worker=FAKE, log=tmp_path / "log")
    with pytest.raises(OperationFailed, match="cannot run") as raised:
        _ = missing.version
    assert raised.value.next == "fmctl pcluster install"
    missing.close()


@pytest.mark.parametrize(
    ("said", "why"), [("echo v16.20.0", "is 16.20.0"), ("exit 1", "does not answer"), (None, "no node")]
)
def test_an_old_or_missing_node_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, why: str
) -> None:
    if said:
        (tmp_path / "node").write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationFailed, match=r"node\.js 18") as raised:
        node.node_environment("python")
    assert why in str(raised.value.why)
    assert "fmctl pcluster install" in str(raised.value.next)


FAKE_COMMAND = """#!{python}
import json, sys
words = sys.argv[1:]
if words == ["version"]:
    print(json.dumps({{"version": "3.16.1"}}))
elif words[2] == "broken":
    print("Traceback: no")
    sys.exit(1)
elif words[2] == "gone":
    print(json.dumps({{"message": "Cluster 'gone' does not exist or belongs to an incompatible version"}}))
    sys.exit(1)
elif "--dryrun" in words:
    assert open(words[words.index("-c") + 1]).read() == "Region: us-east-1"
    print(json.dumps({{"message": "Request would have succeeded, but DryRun flag is set."}}))
    sys.exit(1)
else:
    print(json.dumps({{"clusterName": words[2]}}))
"""


def test_the_bare_command_is_understood_too(pcluster: WorkerPcluster, tmp_path: Path) -> None:
    path = tmp_path / "pcluster"
    path.write_text(FAKE_COMMAND.format(python=sys.executable))
    path.chmod(0o755)
    command = CommandPcluster(str(path))
    assert command.version == "3.16.1"
    assert command.validate("good", "Region: us-east-1", REGION) == ()
    assert command.describe("there", REGION) == {"clusterName": "there"}
    assert command.describe("gone", REGION) is None
    command.delete("gone", REGION)
    command.create("there", "", REGION)
    with pytest.raises(OperationFailed, match="something else than JSON"):
        command.describe("broken", REGION)
    with pytest.raises(OperationFailed, match="templates"):
        command.synth("good", "", REGION)
    command.close()


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("ThrottlingException: Rate exceeded", BUSY), ("HTTP 503", BUSY), ("Could not connect to the endpoint", BUSY),
        ("Bad Request: the subnet does not exist", ""),
    ],
)  # fmt: skip
def test_what_aws_had_no_time_for_may_pass(words: str, cause: str) -> None:
    assert failure("create", {"message": words}).cause == cause


def test_without_a_folder_for_it_the_log_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("FAKE_WORKER_FOLDER", str(tmp_path / "fake"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    pcluster = WorkerPcluster(sys.executable, worker=FAKE)
    with pytest.raises(OperationFailed) as raised:
        pcluster.describe("dies-always", REGION)
    assert "see " not in str(raised.value.next)
    assert list((tmp_path / "temporary").iterdir()) == []
    pcluster.close()


def test_the_log_is_the_users_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        pcluster = WorkerPcluster(sys.executable, worker=FAKE, log=tmp_path / "state" / "pcluster.log")
        assert pcluster.version
        pcluster.close()
    finally:
        os.umask(old)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "pcluster.log").stat().st_mode & 0o777 == 0o600
