"""Lines of nanotron (log_rank, trainer).

`iteration: 10 / 1000 | consumed_tokens: 634K | elapsed_time_per_iteration_ms: 11.5K | ..`, decimal suffixes,
three digits.
"""

from __future__ import annotations

import re

from fmctl.domain.logged import Job, Record
from fmctl.frameworks.log import Log, Read, Where, loss_of, named, number, positive, segments

_STEP = re.compile(r"iteration:\s*(\d{1,12})\s*/\s*(\d{1,12})\s*\|")


def _steps(line: str, job: Job, where: Where) -> Read:
    """(record, steps of the run) for each step line."""
    for step, total, part in segments(_STEP, line):
        fields = dict(map(named, part.split("|")))
        step_ms = positive(fields.get("elapsed_time_per_iteration_ms", ""))
        tokens = positive(fields.get("tokens_per_sec", ""))
        if tokens is None and step_ms is not None and job.tokens_per_step is not None:
            tokens = job.tokens_per_step / step_ms * 1e3
        yield (
            Record(
                step=step,
                at=where[0],
                rank=where[1],
                source=where[2],
                step_s=None if step_ms is None else step_ms / 1e3,
                tokens_per_s=tokens,
                loss=loss_of(fields),
                grad_norm=number(fields.get("grad_norm", "")),
                memory_bytes=positive(fields.get("cuda_max_memory_reserved", "")),
            ),
            total,
        )


LOG = Log(
    steps=((b"_per_iteration_ms:", _steps),),
    events=(
        ("saving", r"Saving checkpoint at .{0,2000}?(?P<step>\d{1,12})/?\s*$"),
        ("loading", r"Loading checkpoint from"),
    ),
    markers=(b"heckpoint",),
)
