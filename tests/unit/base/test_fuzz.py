"""A small part of the fuzz harness: bad inputs to every reader, and bad command lines, by a fixed seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.budget import _lines, fuzz
from tests.budget._readers import kinds

NAMES = (
    "units", "model YAML", "HF config", "site files", "settings", "ui session", "price snapshots", "AWS price lists",
    "Spot history", "measured CSV", "training logs", "calibrations", "saved plans", "cluster records", "journals",
    "locks",
    "run records", "Slurm JSON", "Prometheus answers", "PromQL", "ParallelCluster", "CloudFormation and EC2",
    "Scheduler",
    "SSM head", "lab control", "lab state",
)  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    with fuzz.somewhere() as found:
        yield found


def test_every_kind_is_tried(folder: Path) -> None:
    assert tuple(kinds(folder)) == NAMES


def test_a_bad_input_is_refused_or_taken_as_what_it_can_be(folder: Path) -> None:
    for told in fuzz.read((), 15, 20, folder):
        assert (told.internal, told.hangs, told.garbage) == (0, 0, 0), (told.name, told.examples)
        assert told.refused + told.taken == told.inputs


def test_a_bad_command_line_ends_in_an_error(folder: Path) -> None:
    told = _lines.run(40, 20, folder)
    assert (told.internal, told.hangs, told.garbage) == (0, 0, 0), told.examples
    assert told.refused > 5 < told.taken
