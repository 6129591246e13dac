"""Every constant of the search, stated again by hand with where it comes from; a new one is asked for here."""

from __future__ import annotations

from math import inf
from typing import Any

from fmctl.plan.cluster import Cluster
from tests.unit.constants import constants, defaults, others

CODE = "code of domain.layout"
CONSTANTS: dict[str, tuple[Any, str]] = {
    "plan.axes.AXES": (
        (
            (("vpp", "schedule"), False),
            (("recompute", "recompute_layers"), False),
            (("sharding", "dp_replicate"), False),
            (("sequence_parallel",), True),
            (("precision",), True),
            (("cp_comm",), True),
            (("dispatcher",), True),
            (("cuda_graph",), True),
        ),
        "what the time of a layer depends on, but for recomputation, which only adds",
    ),
    "plan.training.OBJECTIVES": (
        {
            "cost": (True, False),
            "time": (True, False),
            "energy": (True, True),
            "goodput": (False, False),
            "throughput": (False, False),
        },
        "whether the least is best, and whether it follows the step only nearly",
    ),
    "plan.axes.PARTIAL_STEPS": (4, "a choice: winners are refined over all of them"),
    "plan.axes.UNEVEN_CHUNKS": (4, "a choice: more seldom pays"),
    "plan.bounds.ROUNDING": (0.999999999, "far above the rounding of sums"),
    "plan.bounds.FIRST_LOTS": (48, "twice the meshes that are kept"),
    "plan.bounds._ZERO_BUBBLE": (2, CODE),
    "plan.bounds._INTERLEAVED": (1, CODE),
    "plan.bounds._FULL": (2, CODE),
    "plan.constraints._INTERLEAVED": (1, CODE),
    "plan.constraints._WHOLE": (0, CODE),
    "plan.constraints._ZERO2": (2, CODE),
    "plan.constraints._ZERO3": (3, CODE),
    "plan.layouts.REFINED": (24, "a choice"),
    "plan.layouts.PRUNED_CHUNK_ROWS": (20_000, "a choice"),
    "plan.parallel.POLL_S": (0.05, "what a person does not wait for"),
    "plan.rank.MAX_DOUBLINGS": (3, "a choice"),
    "plan.space.CHUNK_ROWS": (60_000, "a choice"),
    "plan.space.DEFAULT_BATCH_TOKENS": (4_194_304, "4 M tokens: the order of published LLM runs"),
    "plan.space.STATE_BYTES_PER_PARAM": (18.0, "bf16 weights, fp32 gradients, master weights and two moments"),
    "plan.space.STATE_SHARE": (0.8, "a choice: activations take the rest"),
    "plan.training.TIGHT_SHARE": (0.05, "a choice: allocators fragment"),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "plan.axes.Axis": {"of_layer": False},
    "plan.axes.Scope": {"exhaustive": False},
    "plan.bounds.Bounds": {"ceiling": inf},
    "plan.layouts.Found": {"kept": 24, "evaluated": 0, "fitting": 0, "stopped": False},
    "plan.planner.Objective": {"least": True, "nearly": False},
    "plan.space.Tally": {"candidates": 0},
    "plan.space.candidates": {"chunk_rows": 60_000},
}


def test_every_constant_is_what_its_source_says() -> None:
    assert others(constants("fmctl.plan"), {name: value for name, (value, _) in CONSTANTS.items()}) == {}


def test_every_default_is_the_plain_case() -> None:
    found = defaults("fmctl.plan")
    # The constants of a cluster are those of the model, which `perf` holds.
    assert list(found.pop(f"plan.cluster.{Cluster.__name__}")) == ["calibration"]
    assert others(found, DEFAULTS) == {}
