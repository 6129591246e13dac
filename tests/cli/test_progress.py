"""`progress`: a Megatron log in its own format against a real plan, from a file and through the head node."""

from __future__ import annotations

import base64
import gzip
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fmctl.documents.progress import ProgressDocument
from fmctl.usecases.services import Services

PLAN = ("llama-3.1-70b", "--tokens", "1T", "--nodes", "32", "--instances", "p5.48xlarge")


@pytest.fixture
def real(cli: Any) -> Any:
    """What ships, with the made-up head node."""
    shell = cli.services.operations.shell
    cli.services = Services()
    cli.shell = shell
    cli.ok("plan", *PLAN, "--save", "r1")
    return cli


def log(step_s: float) -> str:
    """A log as Megatron-LM writes it, every ten steps."""
    at, lines = datetime(2026, 11, 22, 10, 0, 0), []  # noqa: DTZ001 - the log has no zone
    for i in range(10, 400, 10):
        at += timedelta(seconds=10 * step_s)
        lines.append(
            f" [{at:%Y-%m-%d %H:%M:%S}] iteration {i:8d}/  238419 | consumed samples: {i * 512:12d} | elapsed time per "
            f"iteration (ms): {1000 * step_s:.1f} | throughput per GPU (TFLOP/s/GPU): 500.0 | learning rate: 1.0E-04 | "
            f"global batch size:   512 | lm loss: {10 - i / 60:.6E} | loss scale: 1.0 | grad norm: 1.234 | number of "
            "skipped iterations:   0 | number of nan iterations:   0 |"
        )
    return "\n".join(lines) + "\n"


def figures(document: dict[str, Any]) -> dict[str, Any]:
    ProgressDocument.model_validate(document)
    return {figure["name"]: figure for figure in document["result"]["figures"]}


def predicted(real: Any) -> float:
    row = real.ok("plan", *PLAN, "--json").json()["result"]["rows"][0]
    return float(row["time"]["step_s"])


def test_a_run_as_planned_is_inside(real: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(log(predicted(real)))
    document = real.ok("progress", "r1", "--log", str(path), "--json").json()
    found = figures(document)
    for name in ("step_s", "tokens_per_s", "mfu", "wall_s", "total_usd"):
        assert found[name]["verdict"] == "inside", found[name]
    assert document["result"]["worse"] == document["result"]["reasons"] == []
    assert document["result"]["state"]["last_step"] == 390
    assert "inside" in real.ok("progress", "r1", "--log", str(path)).out


def test_a_slow_run_is_outside_and_becomes_a_measured_row(real: Any, tmp_path: Path) -> None:
    path, rows = tmp_path / "b.log", tmp_path / "measured.csv"
    path.write_text(log(1.4 * predicted(real)))
    ran = real.ok("progress", "r1", "--log", str(path), "--measured", str(rows), "--json")
    document = ran.json()
    assert figures(document)["step_s"]["verdict"] == "above"
    assert "step_s" in document["result"]["worse"]
    assert "calibrate --data" in ran.err
    validated = real.ok("validate", "--data", str(rows), "--json").json()
    assert "1 measured run" in real.ok("validate", "--data", str(rows)).out
    assert validated["result"]


def test_the_log_of_a_job_on_the_cluster(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = log(predicted(real)).encode()

    def run(command: Any, stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        if command[0] == "squeue":
            return str(real.shell.said["squeue"])
        if command[0] == "stat":
            return str(len(text))
        begin, most = int(command[4]) - 1, int(command[5])
        return base64.b64encode(gzip.compress(text[begin : begin + min(most, 1000)])).decode()  # small pieces cut lines

    class Head:
        label = "recorded"

    head: Any = Head()
    head.run = run
    monkeypatch.setattr("fmctl.usecases.world.head", lambda *_: head)
    document = real.ok("progress", "r1", "--cluster", "live", "--job", "1", "--json").json()
    assert document["result"]["state"]["records"] == 39
    assert figures(document)["step_s"]["verdict"] == "inside"


@pytest.mark.parametrize(
    "words", [(), ("--log", "none.log"), ("--log", "x", "--job", "1"), ("--log", "none.log", "--row", "99")]
)
def test_what_cannot_be_read_is_one_error(real: Any, words: tuple[str, ...]) -> None:
    ran = real("progress", "r1", *words)
    assert ran.code in (1, 2)
    assert ran.out == ""
    assert ran.err.count("fmctl: error:") == 1
