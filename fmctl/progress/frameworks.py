"""Step lines of each framework: from a line to records. A line may hold several, where writers share a file.

Formats, as their sources print them:

- Megatron-LM and Megatron-Bridge (training_log): ` [date time] iteration 10/ 500000 | consumed samples: .. | elapsed
  time per iteration (ms): .. | .. |`, every field closed by a bar; memory in lines of their own, `(after 10 iterations)
  memory (MB) | .. | max reserved: ..`, counted in MiB. Older and DeepSpeed's forks leave date and some fields out.
- torchtitan (metrics): `step: 10  loss: ..  grad_norm: ..  memory: 66.91GiB(37.51%)  tps: 10,050  ..`; tps is per GPU,
  the memory is reserved.
- nanotron (log_rank): `iteration: 10 / 1000 | consumed_tokens: 634K | elapsed_time_per_iteration_ms: 11.5K | ..`,
  decimal suffixes, three digits.
- DeepSpeed (ThroughputTimer): `epoch=0/micro_step=40/global_step=10, RunningAvgSamplesPerSec=.., CurrSamplesPerSec=..,
  MemAllocated=..GB, MaxMemAllocated=..GB`; samples of the whole job, memory in GiB, no loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fmctl.progress.items import Job, Record
from fmctl.progress.text import number, positive

_GIB, _MIB = 2.0**30, 2.0**20
_MEGATRON = re.compile(r"iteration\s+(\d{1,12})\s*/\s*(\d{1,12}|infinity)\s*\|")
_MEGATRON_MEMORY = re.compile(r"\(after (\d{1,12}) iterations\) memory \(MB\) \|.*?max reserved:\s*([\d.]+)")
_NANOTRON = re.compile(r"iteration:\s*(\d{1,12})\s*/\s*(\d{1,12})\s*\|")
_TITAN = re.compile(
    r"(?<!validate )step:\s*(\d{1,12})\s+loss:\s*(\S+)\s+(?:grad_norm:\s*(\S+)\s+)?.{0,200}?"
    r"memory:\s*([\d.]+)GiB.{0,80}?tps:\s*([\d,]+)"
)
_DEEPSPEED = re.compile(
    r"(?:global_step=|\b\d{1,9}/)(\d{1,12}), (?:RunningAvg)?SamplesPerSec=([\d.eE+-]+|inf|nan)"
    r"(?:, CurrSamplesPerSec=([\d.eE+-]+|inf|nan))?(?:, MemAllocated=[\d.]+GB, MaxMemAllocated=([\d.]+)GB)?"
)
Read = Iterator[tuple[Record, int | None]]
Where = tuple[float | None, int | None, str]  # at, rank, source: the same for all of a line
_LOSSES = ("lm loss", "lm_loss", "loss")


def megatron(line: str, job: Job, where: Where) -> Read:
    """(record, steps of the run) for each step line; a field counts once its bar is there."""
    for step, total, part in _segments(_MEGATRON, line):
        fields = dict(map(_named, part.split("|")[:-1]))
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
                loss=_loss(fields),
                grad_norm=number(fields.get("grad norm", "")),
            ),
            total,
        )


def megatron_memory(line: str, job: Job, where: Where) -> Read:
    """Peak memory, which Megatron prints once."""
    for found in _MEGATRON_MEMORY.finditer(line):
        memory = positive(found.group(2))
        held = None if memory is None else memory * _MIB
        yield Record(int(found.group(1)), where[0], memory_bytes=held, rank=where[1], source=where[2]), job.total_steps


def nanotron(line: str, job: Job, where: Where) -> Read:
    """(record, steps of the run) for each step line."""
    for step, total, part in _segments(_NANOTRON, line):
        fields = dict(map(_named, part.split("|")))
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
                loss=_loss(fields),
                grad_norm=number(fields.get("grad_norm", "")),
                memory_bytes=positive(fields.get("cuda_max_memory_reserved", "")),
            ),
            total,
        )


def torchtitan(line: str, job: Job, where: Where) -> Read:
    """A record for each step line; the step's time from the rate, where the tokens of a step are known."""
    for found in _TITAN.finditer(line):
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
                memory_bytes=None if reserved is None else reserved * _GIB,
            ),
            job.total_steps,
        )


def deepspeed(line: str, job: Job, where: Where) -> Read:
    """A record for each line of the throughput timer."""
    for found in _DEEPSPEED.finditer(line):
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
                memory_bytes=None if peak is None else peak * _GIB,
            ),
            job.total_steps,
        )


def _segments(head: re.Pattern[str], line: str) -> Iterator[tuple[int, int | None, str]]:
    """(step, steps of the run, what follows up to the next head)."""
    heads = list(head.finditer(line))
    ends = [found.start() for found in heads[1:]] + [len(line)]
    for found, end in zip(heads, ends, strict=False):
        total = found.group(2)
        yield int(found.group(1)), int(total) if total.isdigit() else None, line[found.end() : end]


def _named(part: str) -> tuple[str, str]:
    """(name, value) of a field; old lines have a blank where newer have a colon."""
    name, colon, value = part.rpartition(":")
    if not colon:
        name, _, value = part.strip().rpartition(" ")
    return name.strip(), value


def _loss(fields: dict[str, str]) -> float | None:
    return next((number(fields[name]) for name in _LOSSES if name in fields), None)
