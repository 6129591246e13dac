"""What the record keeps of a log: starts with their facts, checkpoints with lineage, curves, quality."""

from __future__ import annotations

from typing import Any

from fmctl.domain.logged import Event, Record
from fmctl.progress.chronicle import MOST_SAVES, Chronicle
from fmctl.progress.formats import Parser
from tests.unit.progress.logs import JOB, clock, megatron, titan


def kept(*lines: str) -> dict[str, Any]:
    chronicle = Chronicle()
    for line in lines:
        for item in Parser(JOB).line(line):
            chronicle.add(item)
    return chronicle.as_dict()


def test_starts_of_a_job_that_records_them() -> None:
    found = kept(
        "fmctl-record: 2026-11-20T00:00:00Z start 0", "fmctl-record: 2026-11-20T00:00:01Z nodes gpu-[1-2]",
        "[before the start of training step] datetime: 2026-11-20 00:00:05",
        megatron(10, 40.0), "  successfully saved checkpoint from iteration      10 to /fsx/c [ t 1/1, p 1/1 ]",
        megatron(20, 80.0),
        "fmctl-record: 2026-11-20T00:02:00Z start 1", "fmctl-record: 2026-11-20T00:02:00Z from_step 10",
        "  successfully loaded checkpoint from /fsx/c [ t 1/1, p 1/1 ] at iteration 10",
        "[before the start of training step] datetime: 2026-11-20 00:02:10",
        megatron(20, 160.0), "fmctl-record: 2026-11-20T00:03:00Z end 0",
    )  # fmt: skip
    first, second = found["starts"]
    assert first["facts"] == {"start": "0", "nodes": "gpu-[1-2]"}
    assert (first["first_step"], first["last_step"], first["end"], first["loaded_step"]) == (10, 20, None, None)
    assert (second["facts"]["from_step"], second["loaded_step"], second["end"]) == ("10", 10, "0")
    assert first["last_at"] - first["began_at"] == 80.0
    assert second["last_at"] - second["began_at"] == 60.0
    assert found["checkpoints"] == {"count": 1, "kept": [{"step": 10, "at": first["began_at"] + 40.0, "start": 1}]}
    assert [point["step"] for point in found["curves"]] == [10, 20, 20]


def test_starts_of_a_log_without_records_are_those_of_the_framework() -> None:
    found = kept(
        "[before the start of training step] datetime: 2026-11-20 00:00:05", megatron(10), megatron(20),
        "[before the start of training step] datetime: 2026-11-20 00:02:10", megatron(20), megatron(30),
    )  # fmt: skip
    assert [(one["first_step"], one["last_step"]) for one in found["starts"]] == [(10, 20), (20, 30)]


def test_a_value_may_say_anything() -> None:
    found = kept(
        "fmctl-record: 2026-11-20T00:00:00Z image /fsx/an image <b>&'\"; rm -rf /",
        "fmctl-record: ", "fmctl-record: x", "3: fmctl-record: 2026-11-20T00:00:00Z code \x1b[31mabc\x07",
        "fmctl-record: 2026-11-20T00:00:00Z data " + "x" * 10_000,
    )  # fmt: skip
    (start,) = found["starts"]
    assert start["facts"]["image"] == "/fsx/an image <b>&'\"; rm -rf /"
    assert start["facts"]["code"] == "abc\\x07"
    assert len(start["facts"]["data"]) <= 600


def test_quality_is_what_frameworks_and_users_print() -> None:
    found = kept(
        megatron(100),
        " validation loss at iteration 100 | lm loss value: 2.345678E+00 | lm loss PPL: 1.04E+01 | ",
        f"[titan] {clock(5)},000 - root - INFO - validate step: 200  loss:  2.1250  memory: 66.91GiB(84.51%)  tps: 900",
        "fmctl-quality: mmlu=0.652 gsm8k=0.5 broken=x =3 nan=nan", "fmctl-quality: mmlu=0.7",
    )["quality"]  # fmt: skip
    assert {name: one["value"] for name, one in found.items()} == {"validation loss": 2.125, "mmlu": 0.7, "gsm8k": 0.5}
    assert found["validation loss"]["step"] == 200


def test_validation_is_no_training_step() -> None:
    line = titan(200).replace("step:", "validate step:")
    assert not [item for item in Parser(JOB).line(line) if isinstance(item, Record)]
    assert [item for item in Parser(JOB).line(titan(200)) if isinstance(item, Record)]


def test_of_many_checkpoints_the_newest_stay_and_those_gone_on_from() -> None:
    chronicle = Chronicle()
    chronicle.add(Event("record", 0.0, text="2026-11-20T00:00:00Z start 0"))
    chronicle.add(Event("loaded", 0.0, step=7))
    for step in range(1, 3 * MOST_SAVES):
        chronicle.add(Event("saved", float(step), step=step))
        chronicle.add(Event("saved", float(step), step=step))  # another rank says so too
    saves = chronicle.as_dict()["checkpoints"]
    assert saves["count"] == 3 * MOST_SAVES - 1
    assert len(saves["kept"]) == MOST_SAVES
    steps = [one["step"] for one in saves["kept"]]
    assert steps[0] == 7
    assert steps[-1] == 3 * MOST_SAVES - 1
