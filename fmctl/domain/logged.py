"""What a log line is taken for: a step that was done, or something else that happened.

Named tuples, because a log makes millions of them. Unknown is None: no framework prints everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Record(NamedTuple):
    """One line about a step."""

    step: int  # optimizer steps done
    at: float | None = None  # s since 1970, with the log's clock taken as UTC
    # time of a step (the mean since the line before, where the framework prints only every n-th)
    step_s: float | None = None
    tokens_per_s: float | None = None  # of the whole job
    loss: float | None = None
    grad_norm: float | None = None
    memory_bytes: float | None = None  # peak, as the framework counts it
    rank: int | None = None  # who wrote it
    source: str = ""  # the log it stands in


class Event(NamedTuple):
    """One line that is no step."""

    # start, saving, saved, save-time, loading, loaded, load-time, restart, interrupted, nccl-error, xid, out-of-memory,
    # nan, alloc-retries, validation, record or quality
    kind: str
    at: float | None = None
    step: int | None = None
    value: float | None = None  # s for what takes time, the number of an Xid, how many retries, a validation's loss
    rank: int | None = None
    text: str = ""  # of a record: a time, a name, a value; of quality: NAME=VALUE words
    source: str = ""


Item = Record | Event


@dataclass(frozen=True, slots=True)
class Job:
    """What a log does not say of its own job. None: not known, and what depends on it stays unknown."""

    gpus: int | None = None
    seq_len: int | None = None
    tokens_per_step: float | None = None
    total_steps: int | None = None
    model_flop: float | None = None  # of one step
    peak_flop_per_s: float | None = None  # of all GPUs together, in the units of MFU
