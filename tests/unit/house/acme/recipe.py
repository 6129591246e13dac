"""Acme is told its layout in two flags."""

from __future__ import annotations

from collections.abc import Iterator

from fmctl.domain.layout import Layout
from fmctl.domain.model import ModelArch
from fmctl.domain.program import Run
from fmctl.frameworks.checkpoints import FOUND, newest_checkpoint
from fmctl.frameworks.recipe import Recipe
from fmctl.frameworks.words import Words, flags, ranks_left


def _write(run: Run, arch: ModelArch | None) -> Words:
    return Words(("--acme-tensor", str(run.layout.tp), "--acme-steps", str(run.steps)))


def _read(words: Words, gpus: int, arch: ModelArch | None) -> Layout:
    tp = int(flags(words.arguments)["acme-tensor"][0])
    return Layout(tp=tp, dp=ranks_left(gpus, tp))


def _asked(run: Run, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    yield "JOB_DATA", ""


RECIPE = Recipe(
    "acme-train",
    _write,
    _read,
    _asked,
    profiles=("acme",),
    entry="acme.py",
    saves=True,
    start=FOUND,
    newest=newest_checkpoint("acme_", '[ -s "$at/done" ]'),
)
