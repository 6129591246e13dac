"""The values that options accept, by the option's name.

Frameworks, purchases and formats come from their tables. The others are spelled out, since help may not wait for numpy;
a test holds them against the domain's.
"""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.base.outputs import OUTPUTS
from fmctl.domain.purchase import PURCHASES as _PURCHASES
from fmctl.domain.purchase import launched
from fmctl.frameworks import registry

FRAMEWORKS = tuple(registry.FRAMEWORKS)
PRECISIONS = ("bf16", "fp8", "mxfp8", "nvfp4")
CAPACITIES = launched()
PURCHASES = tuple(_PURCHASES)
OBJECTIVES = ("cost", "time", "energy", "goodput", "throughput")
SHELLS = ("bash", "zsh", "fish")
SCHEMAS = (
    "estimate", "plan", "explain", "diff", "validate", "calibrate", "render", "policy", "observe", "site", "preflight",
    "launch", "status", "teardown", "history", "models", "model", "instances", "instance", "prices",
    "prices-refresh", "capacity", "submit", "metrics", "progress", "jobs", "cancel", "report", "note", "lab",
    "pcluster", "config", "schemas", "spec", "error",
)  # fmt: skip

CHOICES: Mapping[str, tuple[str, ...]] = {
    "output": tuple(OUTPUTS),
    "framework": FRAMEWORKS,
    "precision": PRECISIONS,
    "sharding": ("none", "zero1", "zero2", "zero3"),
    "recompute": ("none", "selective", "full"),
    "schedule": ("1f1b", "interleaved", "zero-bubble"),
    "cp_comm": ("ring", "all-gather", "all-to-all"),
    "dispatcher": ("all-to-all", "fused", "proxy"),
    "cuda_graph": ("none", "layer", "full"),
    "purchase": PURCHASES,
    "capacity": CAPACITIES,
    "objective": OBJECTIVES,
    "shell": SHELLS,
    "schema_name": SCHEMAS,
    "scope": ("user", "project"),
}
