"""What a recipe is: one program that trains, how it is told a layout and a run, and how both are read back.

A recipe gives arguments, files, shell text and variables (`domain.program.Program`); a target wraps them into a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fmctl.domain.layout import Layout
from fmctl.domain.model import ModelArch
from fmctl.domain.program import JobFiles, Run
from fmctl.frameworks.words import Words


def _nothing_refused(run: Run, arch: ModelArch | None) -> Iterator[str]:
    return iter(())


def _no_arguments(arch: ModelArch, run: Run) -> Iterable[str]:
    return ()


def _no_schedule(run: Run, leave_min: int) -> Sequence[str]:
    return ()


def _never(run: Run) -> bool:
    return False


def _nothing_to_say(run: Run, arch: ModelArch | None, files: JobFiles) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """One program that trains.

    `read(words, gpus, arch)` takes what `write` made, or what a running job was started with.
    """

    name: str
    write: Callable[[Run, ModelArch | None], Words]  # the layout in its words
    read: Callable[[Words, int, ModelArch | None], Layout]
    asked: Callable[[Run, ModelArch | None], Iterator[tuple[str, str]]]  # variables that only the user can fill in
    profiles: tuple[str, ...] = ()  # framework profiles that it trains
    refusals: Callable[[Run, ModelArch | None], Iterator[str]] = _nothing_refused  # why it cannot be told a layout
    model: Callable[[ModelArch, Run], Iterable[str]] = _no_arguments  # arguments that say what the model is
    schedule: Callable[[Run, int], Sequence[str]] = _no_schedule  # steps, saves and, in minutes, when to leave
    warnings: Callable[[Run, ModelArch | None, JobFiles], Iterator[str]] = _nothing_to_say
    # Whether kernels have to be queued in the order of their launch, on GPUs before Blackwell.
    one_queue: Callable[[Run], bool] = _never
    entry: str = ""  # script or module that torchrun starts; "" where only the user knows
    module: bool = False  # whether `entry` is a module
    saves: bool = False  # whether its processes end with a save when they get SIGTERM
    start: str = ""  # shell: where it saves, what it goes on from, what only the user knows
    newest: str = ""  # shell: `newest_checkpoint FOLDER`, see `frameworks.checkpoints`
    packages: tuple[str, ...] = ()  # beginnings of the names of its Python packages


def user_variables(run: Run, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    """What only the user knows of most programs: data, tokenizer, learning rate."""
    yield from (("JOB_DATA", ""), ("JOB_TOKENIZER", ""), ("JOB_LEARNING_RATE", "3e-4"))
    yield "JOB_VOCABULARY", str(arch.vocab if arch is not None else 128256)


def unsaid_warning(
    run: Run, arch: ModelArch | None, script: str, unsaid: Callable[[ModelArch], Sequence[str]]
) -> Iterator[str]:
    """What the job's script does not say of the model."""
    if arch is None:
        yield f"the architecture of {run.model} is not in the catalogue: pass its arguments to {script}"
    elif unsaid(arch):
        yield f"{script} does not say the {', '.join(unsaid(arch))} of {run.model}: add arguments or a spec"
