"""Lines of DeepSpeed (ThroughputTimer, checkpoint engine, ZeRO-3).

`epoch=0/micro_step=40/global_step=10, RunningAvgSamplesPerSec=.., CurrSamplesPerSec=.., MemAllocated=..GB,
MaxMemAllocated=..GB`; samples of the whole job, memory in GiB, no loss.
"""

from __future__ import annotations

import re

from fmctl.domain.logged import Job, Record
from fmctl.frameworks.log import GIB, Log, Read, Where, positive

_STEP = re.compile(
    r"(?:global_step=|\b\d{1,9}/)(\d{1,12}), (?:RunningAvg)?SamplesPerSec=([\d.eE+-]+|inf|nan)"
    r"(?:, CurrSamplesPerSec=([\d.eE+-]+|inf|nan))?(?:, MemAllocated=[\d.]+GB, MaxMemAllocated=([\d.]+)GB)?"
)


def _steps(line: str, job: Job, where: Where) -> Read:
    """A record for each line of the throughput timer."""
    for found in _STEP.finditer(line):
        step, mean, now, memory = found.groups()
        samples = positive(now or mean)
        tokens = None if samples is None or job.seq_len is None else samples * job.seq_len
        peak = positive(memory or "")
        yield (
            Record(
                step=int(step),
                at=where[0],
                rank=where[1],
                source=where[2],
                step_s=job.tokens_per_step / tokens if tokens and job.tokens_per_step else None,
                tokens_per_s=tokens,
                memory_bytes=None if peak is None else peak * GIB,
            ),
            job.total_steps,
        )


LOG = Log(
    steps=((b"SamplesPerSec=", _steps),),
    events=(
        ("saving", r"Checkpoint global_step(?P<step>\d{1,12}) is (?:about|begin) to"),
        ("saved", r"Checkpoint global_step(?P<step>\d{1,12}) is ready now"),
        ("loaded", r"\[Torch\] Loaded checkpoint from"),
        ("alloc-retries", r"(?P<n>\d{1,9}) pytorch allocator cache flushes since last step"),
    ),
    markers=(b"heckpoint", b"high memory pressure"),
    memory="allocated",
)
