"""A followed run as a row that `validate` and `calibrate` read back as the plan's own layout."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from fmctl.base.errors import UsageError
from fmctl.catalog import load_instance, load_model
from fmctl.domain.layout import CODES
from fmctl.domain.logged import Record
from fmctl.progress.from_run import COLUMNS, FEWEST_RECORDS, as_csv, measured_row
from fmctl.progress.state import Progress
from fmctl.progress.summary import Summary
from fmctl.validation.cases import Case, case
from fmctl.validation.rows import SHIPPED, read_rows
from tests.unit.progress.logs import plan_row


def progress(records: int = 30) -> Progress:
    summary = Summary()
    summary.add_all(Record(step, step * 4.0, 4.0, memory_bytes=60 * 2.0**30) for step in range(records))
    return summary.progress()


def read_back(row: dict[str, Any], tmp_path: Path, instance: str = "p5.48xlarge") -> Case:
    made = measured_row(row, progress(), load_instance(instance), "run-1", load_model(row["model"]))
    path = tmp_path / "mine.csv"
    path.write_text(as_csv([made]))
    (found,) = read_rows(path)
    ready = case(found)
    assert isinstance(ready, Case), ready.reason
    return ready


def test_the_columns_are_those_of_the_shipped_file() -> None:
    with SHIPPED.open(encoding="utf-8", newline="") as stream:
        assert tuple(next(csv.reader(stream))) == COLUMNS


def test_a_row_is_read_back_as_it_was_planned(tmp_path: Path) -> None:
    row = plan_row()
    ready = read_back(row, tmp_path)
    assert ready.arch.name == "llama-3.1-70b"
    assert ready.instance.name == "p5.48xlarge"
    assert (ready.workload.seq_len, ready.workload.global_batch) == (8192, 512)
    assert ready.measured.tokens_per_s_per_gpu == pytest.approx(512 * 8192 / 4.0 / 64, rel=0.002)
    assert ready.measured.memory_bytes == pytest.approx(60 * 2**30)
    assert ready.layout.as_dict() == row["layout"]


LAYOUTS: list[dict[str, Any]] = [
    {"tp": 1, "pp": 1, "dp": 64, "sharding": "zero3", "dp_replicate": 8, "sequence_parallel": 0, "recompute": "full"},
    {"tp": 8, "pp": 4, "vpp": 5, "dp": 2, "sequence_parallel": 1, "schedule": "interleaved", "cuda_graph": "full"},
    {"tp": 4, "pp": 1, "cp": 4, "dp": 4, "sequence_parallel": 1, "cp_comm": "all-gather", "precision": "mxfp8"},
    {"tp": 4, "pp": 4, "cp": 2, "dp": 2, "cp_comm": "all-to-all", "precision": "fp8", "recompute": "none"},
    {"tp": 8, "pp": 8, "dp": 1, "schedule": "zero-bubble", "micro_batch": 2, "cuda_graph": "layer"},
]


@pytest.mark.parametrize("changed", LAYOUTS, ids=range(len(LAYOUTS)))
def test_other_layouts_are_read_back_too(changed: dict[str, Any], tmp_path: Path) -> None:
    row = plan_row()
    assert set(changed) <= set(row["layout"])
    assert all(
        v in CODES[k].__members__.values() or v in [c.label for c in CODES[k]] for k, v in changed.items() if k in CODES
    )
    row["layout"] |= changed
    assert read_back(row, tmp_path).layout.as_dict() == row["layout"]


def test_a_mixture_of_experts_on_an_ultraserver(tmp_path: Path) -> None:
    row = plan_row()
    row |= {"model": "qwen3-30b-a3b", "instance": "u-p6e-gb200x72", "gpus": 144}
    row["layout"] |= {"tp": 1, "pp": 1, "dp": 144, "ep": 8, "sequence_parallel": 0, "dispatcher": "fused"}
    ready = read_back(row, tmp_path, "u-p6e-gb200x72")
    assert ready.layout.as_dict() == row["layout"]
    assert ready.instance.fabric.domain_gpus == 72


def test_a_short_run_and_one_without_times_are_refused() -> None:
    row, instance = plan_row(), load_instance("p5.48xlarge")
    with pytest.raises(UsageError, match="cannot be learned from"):
        measured_row(row, progress(FEWEST_RECORDS - 1), instance, "x")
    with pytest.raises(UsageError, match="cannot be learned from"):
        measured_row(row, Summary().progress(), instance, "x")


def test_no_cell_breaks_the_file() -> None:
    made = measured_row(plan_row(), progress(), load_instance("p5.48xlarge"), 'a, "b"\nc')
    (found,) = csv.DictReader(StringIO(as_csv([made])))
    assert found == {name: value.replace("\n", " ") for name, value in made.items()}  # a run is a line
