"""The lab's head node speaks as Slurm and Megatron do: fmctl's own readers understand it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fmctl.adapters.lab.head import Simulated, SimulatedHead
from fmctl.adapters.slurm.commands import Slurm
from fmctl.base.errors import OperationFailed
from fmctl.domain.logged import Job, Record
from fmctl.progress.formats import Parser

BEGAN = datetime(2026, 11, 22, 9, tzinfo=UTC)


def at(hours: float) -> SimulatedHead:
    return SimulatedHead(Simulated("llama", 2, 25.0, 477, 16, 400.0), BEGAN, lambda: BEGAN + timedelta(hours=hours))


def test_the_job_waits_runs_and_is_over() -> None:
    assert [Slurm(at(hours)).job(1).state for hours in (0.01, 1.0, 9.0)] == ["PENDING", "RUNNING", "COMPLETED"]
    assert Slurm(at(1.0)).job(1).nodes == "gpu-dy-fleet-[1-2]"
    assert {node.state for node in Slurm(at(1.0)).nodes()} == {"ALLOCATED"}


def test_its_log_says_that_it_is_simulated_and_is_read_as_steps() -> None:
    slurm = Slurm(at(1.0))
    text, after = slurm.output(slurm.job(1))
    assert text.startswith(b"SIMULATED") and after == len(text)
    records = [item for item in Parser(Job()).block(text) if isinstance(item, Record)]
    assert records[-1].step == 130 and records[-1].step_s == pytest.approx(25.0, rel=0.03)
    assert slurm.output(slurm.job(1), after)[0] == b""


def test_it_ends_when_cancelled_and_knows_no_other_command() -> None:
    slurm = Slurm(at(1.0))
    slurm.cancel(1)
    assert slurm.job(1).state == "CANCELLED"
    with pytest.raises(OperationFailed):
        slurm.head.run(["rm", "-rf", "/"])
