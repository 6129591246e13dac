"""What Slurm 22.05, 24.11 and 26.05 printed, recorded: one reader for all of it, and for what no Slurm prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.adapters.slurm.answers import read_jobs, read_nodes
from fmctl.base.errors import OperationFailed
from fmctl.domain.job import Job, SlurmNode
from fmctl.targets.slurm.jobs import reasons, told, trouble

DATA = Path(__file__).parents[2] / "data" / "slurm"


def recorded(name: str) -> str:
    return (DATA / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["squeue_22.05_v0.0.38", "squeue_24.11_v0.0.42", "squeue_26.05_as_v0.0.44", "squeue_26.05_v0.0.45"]
)
def test_jobs_of_every_version(name: str) -> None:
    first, *others = read_jobs(recorded(name))
    assert (first.id, first.name, first.state, first.node_count, first.user) == (1, "train", "RUNNING", 4, "root")
    assert first.nodes.startswith("gpu-")
    assert first.submitted is not None
    assert first.started is not None
    assert first.ended is None, "the end of its time limit is no end"
    assert first.exit_code is None
    assert first.folder == "/home/fm"
    waiting = [job for job in others if job.state == "PENDING"]
    assert waiting
    assert all(job.reason and told(job, ()).text for job in waiting)


def test_a_job_of_the_accounting() -> None:
    (job,) = read_jobs(recorded("sacct_22.05_dbv0.0.38"))
    assert (job.id, job.state, job.exit_code, job.node_count, job.over) == (3, "COMPLETED", 0, 4, True)
    assert job.started is not None
    assert job.ended is not None
    assert (job.ended - job.started).total_seconds() == 6


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("sinfo_22.05_v0.0.38", 0), ("sinfo_24.11_v0.0.42_down", None), ("sinfo_26.05_v0.0.45_down", None),
        ("sinfo_26.05_as_v0.0.44", None), ("node_down_24.11_v0.0.42", None), ("node_down_26.05_v0.0.45", 1),
    ],
)  # fmt: skip
def test_nodes_of_every_version(name: str, lost: int | None) -> None:
    nodes = read_nodes(recorded(name))
    assert nodes
    assert len({node.name for node in nodes}) == len(nodes)
    assert all(node.state in ("IDLE", "ALLOCATED", "MIXED", "DOWN") for node in nodes)
    out = [node for node in nodes if trouble(node).text]
    assert lost is None or len(out) == lost


def test_a_cloud_node_that_never_booted_says_so() -> None:
    (node,) = read_nodes(recorded("node_down_26.05_v0.0.45"))
    assert node.reason == "ResumeTimeout reached"
    assert node.reason_at is not None
    assert trouble(node).text == "did not boot in time"
    (booting,) = read_nodes(recorded("node_down_24.11_v0.0.42"))
    assert trouble(booting).text == "", "one that is being powered up is no trouble yet"


@pytest.mark.parametrize("text", ["", "slurm_load_jobs error: Unable to contact slurm controller", "[]", '{"jobs": 3}'])
def test_no_answer_is_one_error(text: str) -> None:
    for read in (read_jobs, read_nodes):
        with pytest.raises(OperationFailed):
            read(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = ("job_id", "job_state", "state_reason", "state", "time", "node_count", "exit_code", "submit_time", "comment",
           "name", "state_flags", "reason", "reason_changed_at", "node", "nodes")  # fmt: skip


@given(st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_strange_fields_break_nothing(found: dict[str, object]) -> None:
    for job in read_jobs(json.dumps({"jobs": [found]})):
        assert isinstance(told(job, ()).text, str)
    for document in ({"nodes": [found]}, {"sinfo": [found]}):
        for node in read_nodes(json.dumps(document)):
            assert isinstance(trouble(node).text, str)


@pytest.mark.parametrize("reason", [*reasons(), "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs", "Odd"])
def test_every_reason_is_a_sentence(reason: str) -> None:
    down = SlurmNode("n1", "DOWN", (), "GPU fell off the bus")
    said = told(Job(7, "train", "PENDING", reason=reason), [down])
    assert said.text
    assert "ID" not in said.text.split()


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"])
def test_an_end_says_how_and_where_to_look(state: str) -> None:
    said = told(Job(7, "train", state, exit_code=3), ())
    assert "exit status 3" in said.text
    assert said.next == "fmctl logs --job 7"


@pytest.mark.parametrize(
    ("node", "word"),
    [
        (SlurmNode("n", "IDLE"), ""),
        (SlurmNode("n", "IDLE", ("DRAIN",), "ECC errors"), "is drained: ECC errors"),
        (SlurmNode("n", "DOWN", (), "Not responding"), "is down: Not responding"),
        (SlurmNode("n", "DOWN", ("CLOUD", "POWERED_DOWN"), ""), ""),
        (SlurmNode("n", "ALLOCATED", ("NOT_RESPONDING",)), "does not answer"),
        (SlurmNode("n", "IDLE", ("INVALID_REG",), "gres/gpu count 7 < 8"), "registered with less"),
    ],
)
def test_what_is_wrong_with_a_node(node: SlurmNode, word: str) -> None:
    assert trouble(node).text.startswith(word) if word else trouble(node).text == ""
