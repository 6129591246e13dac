"""Lines of torchtitan (metrics, checkpoint).

`step: 10  loss: ..  grad_norm: ..  memory: 66.91GiB(37.51%)  tps: 10,050  ..`; tps is per GPU, the memory is reserved.
"""

from __future__ import annotations

import re

from fmctl.domain.logged import Job, Record
from fmctl.frameworks.log import GIB, Log, Read, Where, number, positive

_STEP = re.compile(
    r"(?<!validate )step:\s*(\d{1,12})\s+loss:\s*(\S+)\s+(?:grad_norm:\s*(\S+)\s+)?.{0,200}?"
    r"memory:\s*([\d.]+)GiB.{0,80}?tps:\s*([\d,]+)"
)


def _steps(line: str, job: Job, where: Where) -> Read:
    """A record for each step line; the step's time from the rate, where the tokens of a step are known."""
    for found in _STEP.finditer(line):
        step, loss, norm, memory, rate = found.groups()
        each = positive(rate.replace(",", ""))
        tokens = None if each is None or job.gpus is None else each * job.gpus
        reserved = positive(memory)
        yield (
            Record(
                step=int(step),
                at=where[0],
                rank=where[1],
                source=where[2],
                step_s=job.tokens_per_step / tokens if tokens and job.tokens_per_step else None,
                tokens_per_s=tokens,
                loss=number(loss),
                grad_norm=None if norm is None else number(norm),
                memory_bytes=None if reserved is None else reserved * GIB,
            ),
            job.total_steps,
        )


LOG = Log(
    steps=((b"memory: ", _steps),),
    events=(
        ("saved", r"Finished saving the checkpoint.{0,80}? in (?P<s>[\d.]+) seconds"),
        ("saved", r"Last step checkpoint completed in (?P<s>[\d.]+)\s?s"),
        ("loaded", r"Finished loading the checkpoint in (?P<s>[\d.]+) seconds"),
        ("saving", r"Saving the checkpoint\b"),
        ("loading", r"Loading the checkpoint (?:at step (?P<step>\d{1,12})|from)"),
        ("start", r"[Tt]raining starts at step (?P<step>\d{1,12})"),
        ("validation", r"validate step:\s*(?P<step>\d{1,12})\s+loss:\s*(?P<s>[\d.]+)"),
        ("alloc-retries", r"(?P<n>\d{1,9}) CUDA memory allocation retries"),
    ),
    markers=(b"heckpoint", b"raining starts at step", b"validate step:", b"memory allocation retries"),
    flags={"torchtitan": "compile"},
)
