"""Another layout field: `Layout`, an axis of the search, the term that depends on it, and a program's words for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.house.added import answered, ran

# Weights fetched ahead by so many layers: each hides a tenth of the fixed cost.
FIELD = """
from dataclasses import make_dataclass, replace
from fmctl.domain import layout
class Layout(make_dataclass("Layout", [("ahead", int, 0)], bases=(layout.Layout,), frozen=True)):
    pass
layout.Layout, layout.FIELDS = Layout, (*layout.FIELDS, "ahead")
"""
AXIS = """
from fmctl.plan import axes
layers = [0, 1, 2]
axes.AXES = (*axes.AXES, axes.Axis(("ahead",), lambda scope, mesh: axes.single(scope.fixed.get("ahead", layers))))
"""
TERM = """
from fmctl.perf.ops.columns import narrow_column
from fmctl.perf.train import step
plain = dict(step.PARTS)["overhead_s"]
def overhead(m):
    return step.Part(plain(m).added_s * (1.0 - 0.1 * narrow_column(m.rows.layouts, "ahead")))
step.PARTS = tuple((name, overhead if name == "overhead_s" else part) for name, part in step.PARTS)
"""
WORDS = """
from fmctl.frameworks.megatron import recipe
from fmctl.frameworks.words import Words
first = recipe.RECIPE
def write(run, arch):
    words = first.write(run, arch)
    return Words((*words.arguments, "--fetch-ahead", str(run.layout.ahead)), words.files)
def read(words, gpus, arch):
    at = words.arguments.index("--fetch-ahead")
    rest = Words((*words.arguments[:at], *words.arguments[at + 2:]), words.files)
    return replace(first.read(rest, gpus, arch), ahead=int(words.arguments[at + 1]))
recipe.RECIPE = replace(first, write=write, read=read)
"""
PLAN = ("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "1", "--global-batch", "64")


def test_the_search_chooses_it(tmp_path: Path) -> None:
    plain, more = (answered(added, *PLAN, data=tmp_path) for added in ("", FIELD + AXIS + TERM))
    best = more["rows"][0]
    assert best["layout"]["ahead"] == 2
    assert best["chosen"]["ahead"] == "2"
    assert best["time"]["overhead_s"] == pytest.approx(0.8 * plain["rows"][0]["time"]["overhead_s"])
    assert best["time"]["step_s"] < plain["rows"][0]["time"]["step_s"]
    assert more["candidates"] == 3 * plain["candidates"]


def test_a_program_is_told_it_and_gives_it_back(tmp_path: Path) -> None:
    told = """
import json
from fmctl.catalog import load_model
from fmctl.frameworks.choice import recipe_for, same, told
from fmctl.domain.program import Run
run = Run("llama-3.1-8b", "megatron", Layout(dp=8, ahead=2, sharding=1), 8192, 64, 1000, 50, None)
recipe, arch = recipe_for("megatron"), load_model("llama-3.1-8b")
words = told(recipe, run, arch)
found = recipe.read(words, 8, arch)
print(json.dumps([list(words.arguments), found.ahead, same(run, found)]))
"""
    done = ran(FIELD + AXIS + TERM + WORDS, data=tmp_path, after=told)
    assert done.returncode == 0, done.stderr
    arguments, ahead, alike = json.loads(done.stdout)
    assert arguments[-2:] == ["--fetch-ahead", "2"]
    assert (ahead, alike) == (2, True)
