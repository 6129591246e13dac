"""Another term of the step is an entry of TERMS and one function; whoever adds up by kind counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.house.added import answered, printed

# Health checks: one hundredth of the micro batches, beside the fixed cost.
ADDED = """
from fmctl.domain import terms
checks = terms.TermSpec("checks_s", "time", "health checks", "1 % of the micro batches", "here", kind="fixed",
                        parent="step_s", detail=True)
terms.TERMS = (*terms.TERMS, checks)
terms.TERMS_OF = {"training": terms.TERMS}
terms.TERM_BY_NAME = {term.name: term for term in terms.TERMS}
from fmctl.perf.train import step
def checks_s(m):
    return step.Part(0.01 * m.rows.micro_batches * m.stages.slowest_s)
step.PARTS = (*step.PARTS, ("checks_s", checks_s))
"""
ONE = (
    "llama-3.1-8b", "--instance", "p5.48xlarge", "--nodes", "2", "--tp", "1", "--pp", "1", "--cp", "1", "--dp", "16",
    "--micro-batch", "1", "--global-batch", "64", "--recompute", "full", "--sharding", "zero1",
)  # fmt: skip


def test_it_is_a_part_of_the_step(tmp_path: Path) -> None:
    plain, more = (answered(added, "estimate", *ONE, data=tmp_path)["time"] for added in ("", ADDED))
    assert more["checks_s"] > 0.0
    slower = (more["step_s"] - more["straggler_s"]) - (plain["step_s"] - plain["straggler_s"])
    assert slower == pytest.approx(more["checks_s"])
    parts = sum(value for name, value in more.items() if name not in ("step_s", "step_low_s", "step_high_s"))
    assert parts == pytest.approx(more["step_s"])


def test_it_is_explained(tmp_path: Path) -> None:
    text = printed(ADDED, "explain", *ONE, data=tmp_path)
    assert "health checks" in text
    assert "1 % of the micro batches" in text


def test_runs_and_the_search_count_it(tmp_path: Path) -> None:
    words = ("plan", "llama-3.1-8b", "--nodes", "2", "--instances", "p5.48xlarge", "--tokens", "100B", "--start")
    plain, more = (
        answered(added, *words, "2027-03-01", "--purchase", "on-demand", data=tmp_path)["rows"][0]
        for added in ("", ADDED)
    )
    parts = [{part["name"]: part["s"] for part in row["whole_run"]["parts"]} for row in (plain, more)]
    waits = "bubble, launches, stragglers"
    assert parts[1][waits] > parts[0][waits]
    assert more["whole_run"]["wall_p50_s"] > plain["whole_run"]["wall_p50_s"]
