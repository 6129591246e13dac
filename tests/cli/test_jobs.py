"""`submit`, `jobs`, `cancel`, `logs --job` over a head node that replays recorded output."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fmctl.base.errors import PermissionDenied, ServiceUnavailable
from fmctl.documents.run import ReportDocument, RunDocument
from fmctl.domain.ports import Reservation

SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
"""


@pytest.fixture
def ops(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "site.yaml").write_text(SITE)
    monkeypatch.setenv("FMCTL_SITE", str(tmp_path / "site.yaml"))
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a1")
    return cli


def sent(ops: Any) -> list[tuple[str, ...]]:
    return [command for command, _ in ops.services.operations.shell.ran]


def test_submit_sends_the_files_and_the_script(ops: Any) -> None:
    found = ops.ok("submit", "a1", "--json").json()["result"]
    assert (found["submitted"], found["job"]["job"], found["folder"]) == (True, 1, "/fsx/fmctl/a1")
    written = {command[3]: text for command, text in ops.services.operations.shell.ran if text}
    assert set(written) == {"/fsx/fmctl/a1/job.sbatch", "/fsx/fmctl/a1/job.env"}
    assert written["/fsx/fmctl/a1/job.sbatch"].startswith(b"#!/bin/bash")
    (handed,) = [command for command in sent(ops) if "sbatch --parsable" in command[2]]
    assert (handed[3], handed[-1]) == ("/fsx/fmctl/a1", "/fsx/fmctl/a1/job.sbatch")
    assert any(word.startswith("--comment=fmctl:a1:") for word in handed)
    assert "submitted" in ops.ok("submit", "a1").out


@pytest.mark.parametrize("value", ["/fsx/my data", "x'; rm -rf / #", "$(id)", "a=b", "", "two\nlines", "\u00fc"])
def test_variables_reach_the_job_as_they_were_said(ops: Any, value: str) -> None:
    ops.ok("submit", "a1", "--set", f"JOB_DATA={value}", "--set", "JOB_IMAGE=img")
    (text,) = [text for command, text in ops.services.operations.shell.ran if text and "job.env" in command[3]]
    script = text.decode() + 'printf %s "$JOB_IMAGE:$JOB_DATA"'
    read = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=10)
    assert read.stdout == f"img:{value}"


@pytest.mark.parametrize("word", ["JOB_DATA", "=x", "1A=x", "A B=x", "A;id=x", "A\n=x", "\u00c4=x"])
def test_what_is_no_variable_is_refused(ops: Any, word: str) -> None:
    assert ops("submit", "a1", "--set", word).code == 2
    assert sent(ops) == []


def test_what_the_plan_cannot_know_is_a_warning_until_it_is_said(ops: Any) -> None:
    bridge = ("submit", "a1", "--recipe", "megatron-bridge", "--json")
    assert any("JOB_RECIPE" in word for word in ops.ok(*bridge).json()["warnings"])
    said = ops.ok(*bridge, "--set", "JOB_RECIPE=llama31_70b").json()["warnings"]
    assert not [word for word in said if "JOB_RECIPE" in word]


def test_other_variables_are_another_job(ops: Any) -> None:
    ops.ok("submit", "a1", "--set", "A=1")
    ops.ok("submit", "a1", "--set", "A=2")
    comments = {word for command in sent(ops) for word in command if word.startswith("--comment=")}
    assert len(comments) == 2


def test_a_dry_run_and_read_only_send_nothing(ops: Any) -> None:
    assert ops.ok("submit", "a1", "--dry-run", "--json").json()["result"]["job"] is None
    assert ops("submit", "a1", "--read-only").code == 4
    assert ops("cancel", "live", "1", "--yes", "--read-only").code == 4
    assert sent(ops) == []


def test_jobs_say_why_they_wait_and_which_nodes_are_out(ops: Any) -> None:
    result = ops.ok("jobs", "live", "--json").json()["result"]
    assert [job["job"] for job in result["jobs"]] == sorted((job["job"] for job in result["jobs"]), reverse=True)
    assert {"RUNNING", "PENDING"} <= {job["state"] for job in result["jobs"]}
    assert all(job["said"] for job in result["jobs"])
    assert result["seen_from"] == "a recorded Slurm"
    assert "waits" in ops.ok("jobs", "live").out


def test_cancel_needs_consent_and_leaves_what_is_over(ops: Any) -> None:
    assert ops("cancel", "live", "1").code == 2
    found = ops.ok("cancel", "live", "1", "--yes", "--json").json()["result"]
    assert found["cancelled"] is True
    assert ("scancel", "1") in sent(ops)
    assert ops("cancel", "live", "999", "--yes").code == 2
    assert ops("cancel", "live", "x", "--yes").code == 2


def test_output_of_a_job_is_stdout_alone(ops: Any) -> None:
    ran = ops.ok("logs", "live", "--job", "1")
    assert (ran.out, ran.err) == ("step 1", "")


def test_the_record_is_there_before_the_job_and_goes_where_that_is_refused(ops: Any) -> None:
    shell, texts = ops.services.operations.shell, ops.services.operations.texts
    found = ops.ok("submit", "a1", "--set", "SECRET=hush-hush", "--json").json()["result"]
    assert found["run"] == "a1-1"
    kept = texts["runs/a1-1.json"]
    assert "hush-hush" not in kept
    run = RunDocument.model_validate_json(kept)
    assert (run.job and run.job.id, run.variables, run.plan, run.rank) == (1, ["SECRET"], "a1", 1)
    shell.refuse = "sbatch: error: Batch job submission failed: Requested node configuration is not available"
    ran = ops("submit", "a1")
    assert ran.code == 1
    assert "node configuration" in ran.err
    assert [key for key in texts if key.startswith("runs/")] == ["runs/a1-1.json"]
    del texts["runs/a1-1.json"]
    shell.refuse, ops.services.operations.full = "", True
    before = len(sent(ops))
    assert ops("submit", "a1").code != 0
    assert not [command for command in sent(ops)[before:] if "sbatch" in " ".join(command)], "no record, no job"


def test_history_report_note_and_diff_of_runs(ops: Any) -> None:
    ops.ok("submit", "a1")
    ops.ok("submit", "a1", "--set", "A=2")
    rows = ops.ok("history", "--json").json()["result"]["runs"]
    assert [row["run"] for row in rows] == ["a1-2", "a1-1"]
    assert "a1-1" in ops.ok("history").out
    document = ops.ok("report", "a1-1", "--json").json()
    ReportDocument.model_validate(document)
    assert document["result"]["run"]["seen_at"]
    assert document["result"]["missing"] == [], "its log tells of no start yet"
    for form, sign in (("md", "# a1-1"), ("html", "<!doctype html>"), ("csv", "run,state"), ("yaml", "schema:")):
        assert ops.ok("report", "a1-1", "-o", form).out.startswith(sign)
    noted = ops.ok("note", "a1-1", "--quality", "mmlu=0.6", "--quality", "mmlu=0.7", "--text", "good", "--json").json()
    assert noted["result"]["quality"]["mmlu"]["value"] == 0.7
    assert "good" in ops.ok("report", "a1-1", "--offline").out
    fields = {row["field"] for row in ops.ok("diff", "a1-1", "a1-2", "--json").json()["result"]["fields"]}
    assert {"files.job.env", "variables", "quality.mmlu"} <= fields
    assert "files.job.sbatch" not in fields
    assert "is none" in ops("diff", "a1-1", "a1").err
    assert "did you mean" in ops("diff", "a1-1", "a1-9").err
    assert ops("note", "a1-1").code == 2
    for word in ("x", "=1", "x=", "x=nan", "a b=1"):
        assert ops("note", "a1-1", "--quality", word).code == 2
    assert "did you mean" in ops("report", "a1-3").err


def test_a_head_node_that_is_gone_leaves_the_record_as_it_was(ops: Any) -> None:
    ops.ok("submit", "a1")
    before = ops.ok("report", "a1-1", "--json").json()["result"]["run"]
    ops.services.operations.shell.gone = True
    ran = ops.ok("report", "a1-1", "--json")
    assert ran.json()["result"]["run"] == before
    assert "as of" in ran.json()["warnings"][0]


def test_calibrate_takes_a_run_by_name(ops: Any) -> None:
    ops.ok("submit", "a1")
    ran = ops("calibrate", "--from-run", "a1-1")
    assert (ran.code, "not read yet" in ran.err) == (2, True)
    ops.ok("report", "a1-1")
    assert "no step times" in ops("calibrate", "--from-run", "a1-1").err
    assert ops("calibrate", "--from-run", "nobody").code == 2


def test_the_end_of_a_capacity_block_is_asked_of_aws(ops: Any) -> None:
    block = ("submit", "a1", "--purchase", "capacity-block", "--reservation", "cr-0123456789abcdef0")

    def until() -> list[str]:
        texts = [text.decode() for command, text in ops.services.operations.shell.ran if "job.env" in str(command)]
        return [line for line in texts[-1].splitlines() if line.startswith("JOB_USABLE_UNTIL=")]

    held = ops.services.operations.survey_answers
    end = datetime(2026, 12, 1, 11, 30, tzinfo=UTC)
    held.reserved = Reservation("cr-1", "p5.48xlarge", "us-east-1a", "active", 8, 8, "capacity-block", None, end)
    ops.ok(*block)
    assert until()[-1] == "JOB_USABLE_UNTIL=2026-12-01T11:00:00+00:00"
    ops.ok(*block, "--set", "JOB_USABLE_UNTIL=2026-11-30T00:00:00Z")
    assert until()[-1] == "JOB_USABLE_UNTIL=2026-11-30T00:00:00Z"
    held.reserved = PermissionDenied("not allowed", why="AccessDenied", next="ask")
    assert "is not known" in ops.ok(*block).err


def test_a_prometheus_that_does_not_answer_is_a_warning_of_the_report(ops: Any) -> None:
    class NoAnswer:
        def instant(self, query: str, at: float | None = None) -> Any:
            raise ServiceUnavailable("Prometheus cannot be reached", why="refused", next="check the address")

    ops.services = replace(ops.services, prometheus=lambda url: NoAnswer())
    ops.ok("submit", "a1")
    ran = ops.ok("report", "a1-1", "--prometheus", "http://127.0.0.1:9", "--since", "1h", "--json").json()
    assert "cannot be reached" in " ".join(ran["warnings"])
    assert ran["result"]["run"]["energy"]["metered"] is False


def test_teardown_reads_the_runs_a_last_time(ops: Any) -> None:
    run = ops.ok("submit", "a1", "--cluster-name", "live", "--json").json()["result"]["run"]
    texts = ops.services.operations.texts
    assert RunDocument.model_validate_json(texts[f"runs/{run}.json"]).log is None
    ops.ok("teardown", "live", "--yes")
    kept = RunDocument.model_validate_json(texts[f"runs/{run}.json"])
    assert kept.log is not None
    assert kept.seen_at is not None


def test_a_head_node_that_is_gone_does_not_keep_a_cluster_alive(ops: Any) -> None:
    ops.ok("submit", "a1", "--cluster-name", "live")
    ops.services.operations.shell.gone = True
    ran = ops.ok("teardown", "live", "--yes")
    assert "does not answer" in ran.err
