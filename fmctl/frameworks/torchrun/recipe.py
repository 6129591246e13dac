"""Any program that torchrun starts: it gets the layout and the run as variables, and has to read them itself."""

from __future__ import annotations

from collections.abc import Iterator

from fmctl.base.errors import UnreadableFile
from fmctl.domain.layout import Layout
from fmctl.domain.model import ModelArch
from fmctl.domain.program import Run
from fmctl.frameworks.recipe import Recipe
from fmctl.frameworks.words import Words


def _write(run: Run, arch: ModelArch | None) -> Words:
    return Words()


def _read(words: Words, gpus: int, arch: ModelArch | None) -> Layout:
    raise UnreadableFile("the layout cannot be read back", why="its program is not known to fmctl")


def _asked(run: Run, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    yield from ((f"LAYOUT_{name.upper()}", str(value)) for name, value in run.layout.as_dict().items())
    yield from (("JOB_SEQ_LEN", str(run.seq_len)), ("JOB_GLOBAL_BATCH", str(run.global_batch)))
    yield from (("JOB_STEPS", str(run.steps)), ("JOB_SAVE_EVERY", str(run.save_every)))


RECIPE = Recipe("torchrun", _write, _read, _asked)
