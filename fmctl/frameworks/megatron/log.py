"""Lines of Megatron-LM and of what is built on it (training_log, timers, checkpointing).

` [date time] iteration 10/ 500000 | consumed samples: .. | elapsed time per iteration (ms): .. | .. |`, every field
closed by a bar; memory in lines of their own, `(after 10 iterations) memory (MB) | .. | max reserved: ..`, counted in
MiB. Older versions and DeepSpeed's forks leave date and some fields out.
"""

from __future__ import annotations

import re

from fmctl.domain.logged import Job, Record
from fmctl.frameworks.log import MIB, Log, Read, Where, loss_of, named, number, positive, segments

_STEP = re.compile(r"iteration\s+(\d{1,12})\s*/\s*(\d{1,12}|infinity)\s*\|")
_MEMORY = re.compile(r"\(after (\d{1,12}) iterations\) memory \(MB\) \|.*?max reserved:\s*([\d.]+)")
_TIMER = r"\s\.{3,}\s*:?\s*\(?(?:[\d.]+, )?(?P<ms>[\d.]+)"


def _steps(line: str, job: Job, where: Where) -> Read:
    """(record, steps of the run) for each step line; a field counts once its bar is there."""
    for step, total, part in segments(_STEP, line):
        fields = dict(map(named, part.split("|")[:-1]))
        step_ms = positive(fields.get("elapsed time per iteration (ms)", ""))
        if step_ms is None:
            continue
        samples = positive(fields.get("global batch size", ""))
        tokens = samples * job.seq_len if samples and job.seq_len else job.tokens_per_step
        yield (
            Record(
                step=step,
                at=where[0],
                rank=where[1],
                source=where[2],
                step_s=step_ms / 1e3,
                tokens_per_s=None if tokens is None else tokens / step_ms * 1e3,
                loss=loss_of(fields),
                grad_norm=number(fields.get("grad norm", "")),
            ),
            total,
        )


def _memory(line: str, job: Job, where: Where) -> Read:
    """Peak memory, which Megatron prints once."""
    for found in _MEMORY.finditer(line):
        memory = positive(found.group(2))
        held = None if memory is None else memory * MIB
        yield Record(int(found.group(1)), where[0], memory_bytes=held, rank=where[1], source=where[2]), job.total_steps


LOG = Log(
    steps=((b"time per iteration (ms)", _steps), (b" memory (MB) |", _memory)),
    events=(
        ("saved", r"successfully saved checkpoint (?:from|at) iteration\s+(?P<step>\d{1,12})"),
        ("loaded", r"successfully loaded checkpoint.{0,2000}?at iteration\s+(?P<step>\d{1,12})"),
        ("saving", r"saving checkpoint at iteration\s+(?P<step>\d{1,12})"),
        ("saving", r"scheduled an async checkpoint save at iteration\s+(?P<step>\d{1,12})"),
        ("save-time", r"save-checkpoint(?:-non-persistent)?" + _TIMER),
        ("load-time", r"load-checkpoint" + _TIMER),
        ("start", r"\[before the start of training"),
        ("validation", r"validation loss at iteration\s+(?P<step>\d{1,12}).{0,80}?loss value: (?P<s>[\d.E+-]+)"),
        ("nan", r"found NaN in|Unexpected result nan"),
    ),
    markers=(
        b"heckpoint", b"[before the start of training", b"validation loss at iteration", b"found NaN in",
        b"Unexpected result nan",
    ),
    measured_as={"megatron": "megatron-lm"},
)  # fmt: skip
