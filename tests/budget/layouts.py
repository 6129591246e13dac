"""How many layouts per second one core plans, end to end: enumerate, evaluate, reject with reasons, rank.

Prints a table for three whole (exhaustive) spaces, the time of a single row, the peak memory and where the time goes.
Run with `python tests/budget/layouts.py [--profile]`; exits 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import sys
import time
from datetime import date

from fmctl.catalog import find_price, load_instance, load_model
from fmctl.domain.layout import Layout, Layouts
from fmctl.domain.result import Plan, PlanRequest
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.train.evaluate import evaluate
from fmctl.plan.rank import search

GOAL_PER_S, GOAL_ROW_S, GOAL_MIB = 2e6, 1.5e-3, 300
SPACES = (
    ("GPT-3 175B, 1,024 H100", "gpt3-175b", 128, 2048, 1536),
    ("1T, 4,096 H100", "megatron-1t", 512, 2048, 3072),
    ("DeepSeek-V3, 1,024 H100", "deepseek-v3", 128, 4096, 1024),
)


def request(model: str, nodes: int, seq_len: int, batch: int) -> PlanRequest:
    """An exhaustive request on p5.48xlarge."""
    instance = load_instance("p5.48xlarge")
    price = find_price(instance.name, "us-east-1", "on-demand", date(2026, 11, 22))
    return PlanRequest(
        arch=load_model(model),
        seq_len=seq_len,
        instances=(instance,),
        node_counts=(nodes,),
        prices={instance.name: price},
        global_batch=batch,
        options={"exhaustive": True},
    )


def row_s() -> float:
    """Median time of one row with all its terms, s."""
    arch, instance = load_model("deepseek-v3"), load_instance("p5.48xlarge")
    layouts = Layouts.of([Layout(tp=1, pp=8, vpp=2, ep=64, dp=128, sharding=1, schedule=1)])
    times = []
    for _ in range(200):
        start = time.perf_counter()
        evaluate(arch, TrainingWorkload(4096, 8192), instance, layouts, FRAMEWORKS["megatron"])
        times.append(time.perf_counter() - start)
    return sorted(times)[100]


def report(name: str, plan: Plan, seconds: float) -> bool:
    """Print one space; True where the goal holds. Only evaluated layouts count, not those rejected by structure."""
    rate = plan.evaluated / seconds
    rejected = {r.reason: r.count for r in plan.rejects}
    print(f"{name:26} candidates {plan.candidates:>11,}  evaluated {plan.evaluated:>11,}  fit {plan.fitting:>10,}")
    print(f"{'':26} {seconds:6.2f} s  {rate / 1e6:5.2f} M evaluated/s  {plan.candidates / seconds / 1e6:6.2f} M seen/s")
    print(f"{'':26} rejected: {rejected}")
    return rate >= GOAL_PER_S and plan.evaluated >= 1_000_000


def main() -> int:
    """Run all spaces and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    good = True
    for name, *what in SPACES:
        asked = request(*what)
        start = time.perf_counter()
        plan = search(asked)
        good &= report(name, plan, time.perf_counter() - start)
    one = row_s()
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"one row, all terms: {one * 1e3:.2f} ms (goal {GOAL_ROW_S * 1e3} ms)")
    print(f"peak memory: {peak_mib:.0f} MiB (goal {GOAL_MIB} MiB)")
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(search, request(*SPACES[0][1:]))
        pstats.Stats(profile).sort_stats("tottime").print_stats(16)
    return 0 if good and one <= GOAL_ROW_S and peak_mib <= GOAL_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
