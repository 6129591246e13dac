"""NOMENCLATURE.md names every symbol of the model, and says of each term what the code says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from fmctl.domain.framework import Framework, Limits
from fmctl.domain.layout import Layout
from fmctl.domain.terms import TERMS, TermSpec
from fmctl.perf.ops.calibration import Calibration
from fmctl.perf.ops.collectives import EfaFit, FabricRates
from fmctl.perf.ops.kernels import KernelRates
from fmctl.perf.run.energy import Levels
from fmctl.perf.run.goodput import Process
from fmctl.perf.run.recovery import Recovery
from fmctl.perf.run.reliability import Rate

PAGE_FILE = Path(__file__).parents[3] / "NOMENCLATURE.md"
PAGE = PAGE_FILE.read_text(encoding="utf-8")
NAMES = set(re.findall(r"`([a-zA-Z0-9_]+)`", PAGE))


OWNERS = [Layout, Framework, Limits, Calibration, KernelRates, FabricRates, EfaFit, Rate, Recovery, Process, Levels]


@pytest.mark.parametrize("owner", OWNERS)
def test_every_field_is_named(owner: type) -> None:
    assert {f.name for f in fields(owner)} <= NAMES


@pytest.mark.parametrize("term", TERMS, ids=lambda t: t.name)
def test_every_term_is_told_as_the_code_tells_it(term: TermSpec) -> None:
    row = next((line for line in PAGE.splitlines() if line.startswith(f"| `{term.name}` |")), None)
    assert row is not None, f"NOMENCLATURE.md has no row for {term.name}"
    _, name, unit, group, title, equation, source, parent, _ = (cell.strip() for cell in row.split("|"))
    told = (name, group, title, equation, source, parent)
    wanted = f"`{term.parent}`" if term.parent else ""
    assert told == (f"`{term.name}`", term.group, term.title, term.equation, term.source, wanted)
    assert unit


def test_no_term_is_told_that_is_gone() -> None:
    section = PAGE.split("## Terms of an estimate")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [t.name for t in TERMS]


def test_no_symbol_is_told_that_is_gone() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (PAGE_FILE.parent / "fmctl").rglob("*.py"))
    words = set(re.findall(r"\w+", code))
    assert {
        name for name in NAMES if not name.startswith("_")
    } <= words  # suffixes of units stand in no code by themselves
