"""A pipeline schedule as it runs: which micro batch each stage works on, drawn small. A picture, not a prediction.

A forward pass takes one column and a backward pass two; the real ones take what the waterfall says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_FORWARD_COLUMNS, _BACKWARD_COLUMNS = 1, 2
_MOST_STAGES = 16
IDLE = "."


@dataclass(frozen=True, slots=True)
class Picture:
    """One line per stage; a digit is a forward pass, a letter a backward pass of the same micro batch, a dot waits."""

    lines: tuple[str, ...]
    micro_batches: int


@dataclass(frozen=True, slots=True)
class _Job:
    """One pass of one micro batch through one chunk of layers of one stage."""

    back: bool
    chunk: int
    micro: int


def micro_batches_drawn(pp: int, micro_batches: int) -> int:
    """How many of a step's micro batches the picture has: two rounds of the pipeline."""
    return max(min(micro_batches, 2 * pp), 1)


def drawn(pp: int, vpp: int, micro_batches: int) -> Picture:
    """1F1B for `vpp` 1, else interleaved 1F1B in Megatron's order, with few micro batches."""
    stages, chunks = min(pp, _MOST_STAGES), max(vpp, 1)
    count = micro_batches_drawn(stages, micro_batches)
    if chunks > 1:
        count = max(count - count % stages, stages)
    orders = [_order(stage, stages, chunks, count) for stage in range(stages)]
    return Picture(tuple(_run(orders, stages, chunks)), count)


def _order(stage: int, stages: int, chunks: int, count: int) -> list[_Job]:
    """What a stage does, in order: warm-up, then one forward and one backward in turn, then what is left.

    Source: Narayanan et al., arXiv 2104.04473, section 2.2.
    """
    total = count * chunks
    ahead = stages - stage - 1 if chunks == 1 else 2 * (stages - stage - 1) + (chunks - 1) * stages
    warm = min(ahead, total)
    forwards = [_virtual(k, stages, chunks, back=False) for k in range(total)]
    backwards = [_virtual(k, stages, chunks, back=True) for k in range(total)]
    found = forwards[:warm]
    for k in range(total - warm):
        found += [forwards[warm + k], backwards[k]]
    return found + backwards[total - warm :]


def _virtual(k: int, stages: int, chunks: int, *, back: bool) -> _Job:
    if chunks == 1:
        return _Job(back, 0, k)
    group, inside = divmod(k, stages * chunks)
    chunk = inside // stages
    return _Job(back, chunks - 1 - chunk if back else chunk, group * stages + inside % stages)


def _before(stage: int, job: _Job, stages: int, chunks: int) -> tuple[int, _Job] | None:
    """The (stage, pass) whose result this one needs, None where it needs none."""
    if not job.back:
        if stage > 0:
            return stage - 1, job
        return (stages - 1, _Job(False, job.chunk - 1, job.micro)) if job.chunk else None
    if stage < stages - 1:
        return stage + 1, job
    if job.chunk < chunks - 1:
        return 0, _Job(True, job.chunk + 1, job.micro)
    return stage, _Job(False, job.chunk, job.micro)


def _run(orders: Sequence[list[_Job]], stages: int, chunks: int) -> list[str]:
    """The orders in time, each pass as early as what it needs is there."""
    ends: dict[tuple[int, _Job], int] = {}
    lines, clocks, left = [""] * stages, [0] * stages, [list(order) for order in orders]
    while any(left):
        moved = False
        for stage in range(stages):
            while left[stage]:
                job = left[stage][0]
                need = _before(stage, job, stages, chunks)
                if need is not None and need not in ends:
                    break
                start = max(clocks[stage], ends[need] if need is not None else 0)
                width = _BACKWARD_COLUMNS if job.back else _FORWARD_COLUMNS
                lines[stage] += IDLE * (start - clocks[stage]) + _sign(job) * width
                clocks[stage] = ends[stage, job] = start + width
                left[stage].pop(0)
                moved = True
        if not moved:  # an order that waits for itself is drawn as far as it goes
            break
    whole = max(clocks)
    return [line + IDLE * (whole - clock) for line, clock in zip(lines, clocks, strict=True)]


def _sign(job: _Job) -> str:
    return "abcdefghij"[job.micro % 10] if job.back else "0123456789"[job.micro % 10]
