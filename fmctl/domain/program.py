"""What a job runs: the layout and the run of a plan's row as numbers, and the program that is told them.

A recipe makes a `Program` of a run, a target wraps it into a job; neither knows the other. What they agree on is the
job's environment (JOB_CHECKPOINTS, JOB_DATA, ...) and the shell's `$here` and `say`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, isfinite
from typing import TYPE_CHECKING, NamedTuple, cast

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.base.read import part
from fmctl.domain.checked import checked
from fmctl.domain.layout import CODES, FIELDS, Layout

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow

UNSTATED_STEPS = 100
LOG_EVERY = 10  # steps between two lines of a log
_CHECKPOINT_EVERY_S = 1800.0
_MAY_BE_ZERO = ("recompute_layers", "sequence_parallel")


@dataclass(frozen=True, slots=True)
class Run:
    """What is trained, how it is spread, how long."""

    model: str
    framework: str
    layout: Layout
    seq_len: int
    global_batch: int
    steps: int  # of the whole run, UNSTATED_STEPS where tokens are unknown
    save_every: int  # steps between checkpoints
    tokens: float | None
    step_s: float | None = None  # of one step; None where unknown, as below
    save_s: float | None = None  # stall and drain of one save
    load_s: float | None = None  # of the newest checkpoint
    usable_until: str | None = None  # when the plan's Capacity Block goes, ISO; None without one, or with several

    @property
    def micro_batches(self) -> int:
        """Micro batches of one step on one data-parallel rank."""
        return max(1, self.global_batch // (self.layout.dp * self.layout.micro_batch))


class JobFiles(NamedTuple):
    """What the job's files are called, for warnings that send the user to them."""

    script: str
    environment: str


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One program that trains, told one run."""

    name: str
    entry: str  # script or module that torchrun starts; "" where only the user knows
    module: bool  # whether `entry` is a module
    saves: bool  # whether its processes end with a save when they get SIGTERM
    start: str  # shell: where it saves, what it goes on from, what only the user knows
    newest: str  # shell: `newest_checkpoint FOLDER`
    arguments: tuple[str, ...]  # what it trains, and its layout
    files: Mapping[str, str]  # its own, beside the job's
    variables: tuple[tuple[str, str], ...]  # what only the user can fill in
    schedule: Callable[[int], Sequence[str]]  # further arguments: steps, saves and, in minutes, when to leave
    warnings: Callable[[JobFiles], Iterator[str]]
    one_queue: bool  # whether kernels have to be queued in the order of their launch, on GPUs before Blackwell
    packages: tuple[str, ...]  # beginnings of the names of Python packages whose versions a job writes down


Tell = Callable[[Run], Program]
"""Makes the program of a run. Raises UsageError where its recipe has no word for the layout, or there is none."""


def run_of(row: EstimateRow) -> Run:
    """The run of a row of a plan document. Raises UnreadableFile where it holds what no layout can."""
    workload = row["workload"]
    batch, seq = _count(workload["global_batch"], "global_batch"), _count(workload["seq_len"], "seq_len")
    tokens = positive(workload.get("tokens"))
    steps = ceil(tokens / (batch * seq)) if tokens else UNSTATED_STEPS
    step_s, whole = positive(row["time"].get("step_s")), part(row.get("whole_run"))
    interval_s = positive(whole.get("save_interval_s")) or _CHECKPOINT_EVERY_S
    save_s = (positive(whole.get("save_stall_s")) or 0.0) + (positive(whole.get("save_drain_s")) or 0.0)
    return Run(
        model=checked("label", row["model"], "model"),
        framework=checked("label", row["framework"], "framework"),
        layout=layout_of(row["layout"]),
        seq_len=seq,
        global_batch=batch,
        steps=steps,
        save_every=save_steps(interval_s, step_s, steps),
        tokens=tokens,
        step_s=step_s,
        save_s=save_s or None,
        load_s=positive(whole.get("load_s")),
        usable_until=_usable_until(whole.get("blocks")),
    )


def save_steps(interval_s: float, step_s: float | None, steps: int) -> int:
    """Steps between checkpoints: the interval in steps, from one to all; one where a step's time is unknown."""
    return 1 if step_s is None else max(1, min(steps, round(interval_s / step_s)))


def layout_of(found: Mapping[str, object]) -> Layout:
    """The layout as a document spells it. Raises UnreadableFile."""
    return Layout(**{name: _value(name, found[name]) for name in FIELDS if name in found})


def positive(value: object) -> float | None:
    """A number above zero that a document holds; None for anything else."""
    return float(value) if isinstance(value, int | float) and isfinite(value) and value > 0 else None


def _usable_until(blocks: object) -> str | None:
    """When the only Capacity Block of a plan goes. Raises UnreadableFile for what is no moment."""
    if not isinstance(blocks, list) or len(blocks) != 1:
        return None
    found = blocks[0].get("usable_until") if isinstance(blocks[0], Mapping) else None
    try:
        moment = datetime.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _damaged("usable_until", found, "a moment with its zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _value(name: str, value: object) -> int:
    if name not in CODES:
        return _count(value, name, least=0 if name in _MAY_BE_ZERO else 1)
    try:
        return int(CODES[name].parse(value) if isinstance(value, str) else CODES[name](cast("int", value)))
    except (KeyError, ValueError):
        raise _damaged(name, value, " or ".join(CODES[name].labels())) from None


def _count(value: object, name: str, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**48:
        raise _damaged(name, value, "a whole number")
    return value


def _damaged(name: str, value: object, wanted: str) -> UnreadableFile:
    return UnreadableFile(
        "the plan is damaged",
        why=f"{name} '{shorten(str(value))}' is not {wanted}",
        next="fmctl plan MODEL --save NAME",
    )
