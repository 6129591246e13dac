"""The walk of docs/tour: plan, understand, launch on the local AWS, watch, tear down, in a real terminal."""

from __future__ import annotations

import os

import pytest

from tests.real import PCLUSTER_PYTHON
from tests.tui.tour import SIZES, as_svg, plain, terminal, walk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.real("tmux", "pcluster"),
]
STEPS = {
    "1-plan": ("fmctl plan llama-3.1-70b", "--deadline 90d"), "2-explain": ("step time",), "3-what-if": ("tp",),
    "4-diff": ("diff",), "5-save": ("tour",), "6-checks": ("account", "nothing was spent or changed"),
    "7-configuration": ("HeadNode:",), "8-rehearsal": ("rehearsed with the real ParallelCluster", "torn down"),
    "9-consent": ("account 123456789012", "an hour", "stays after teardown"), "10-stack": ("under way",),
    "11-jobs": ("running on",), "12-run": ("step time", "inside"), "13-logs": ("iteration",),
    "14-teardown": ("goes:", "stays:"), "15-gone": ("tour is gone", "missing"),
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_the_whole_way_in_a_real_terminal(size: tuple[int, int]) -> None:
    with terminal(size, os.environ | {"FMCTL_PCLUSTER_PYTHON": PCLUSTER_PYTHON}) as seen:
        steps = walk(seen)
    assert list(steps) == list(STEPS)
    for step, words in STEPS.items():
        text = plain(steps[step])
        assert "Traceback" not in text and "internal error" not in text, text
        assert all(word.lower() in text.lower() for word in words), f"{step}:\n{text}"
        assert all(len(line) <= size[0] for line in text.split("\n"))
        assert as_svg(steps[step], size, step).startswith("<svg")
