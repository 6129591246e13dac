"""What the search of everything costs: llama-3.1-70b on every plannable instance type, 1 to 1,024 nodes, doubling,
as whole runs of 15T tokens bought in four ways in three regions.

Prints time on one core to the first and the last answer, peak memory and what was left out because it cannot win;
with --executors the same through two threads and two processes. Run with
`python tests/budget/scale.py [--executors] [--profile] [--model NAME]`; exits 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime

from fmctl.buying.offers import offers
from fmctl.catalog import find_price, instance_names, instance_record, load_instance, load_model
from fmctl.domain.result import Plan, PlanRequest
from fmctl.domain.run import RunRequest
from fmctl.plan.rank import search

GOAL_S, GOAL_FIRST_S, GOAL_MIB = 10.0, 1.0, 400
NODES = tuple(2**k for k in range(11))
DAY = date(2026, 11, 22)
REGIONS = ("us-east-1", "us-west-2", "eu-north-1")
WAYS = ("on-demand", "odcr", "capacity-block", "spot")


def request(model: str, objective: str = "cost") -> PlanRequest:
    """Every plannable type, with on-demand prices where there are any."""
    names = [name for name in instance_names() if not instance_record(name).get("unplannable")]
    instances = tuple(load_instance(name) for name in names)
    prices = {name: find_price(name, "us-east-1", "on-demand", DAY) for name in names}
    sold = {
        name: tuple(o for region in REGIONS for o in offers(name, region, DAY) if o.option in WAYS) for name in names
    }
    kept = tuple(instance for instance in instances if sold[instance.name])
    run = RunRequest(datetime(2026, 11, 22, tzinfo=UTC))
    return PlanRequest(
        load_model(model), 8192, kept, NODES, prices, objective=objective, tokens=15e12, offers=sold, run=run
    )


def timed(asked: PlanRequest, executor: Executor | None = None) -> tuple[Plan, float, float]:
    """(plan, seconds to the first answer with a row, seconds in all)."""
    firsts: list[float] = []
    start = time.perf_counter()

    def look(plan: Plan) -> None:
        if plan.rows and not firsts:
            firsts.append(time.perf_counter() - start)

    plan = search(asked, executor=executor, partial=look)
    return plan, firsts[0], time.perf_counter() - start


def executors(asked: PlanRequest, alone_s: float) -> None:
    """The same search through two threads and two processes, against one thread without an executor."""
    for name, made in (("threads", ThreadPoolExecutor), ("processes", ProcessPoolExecutor)):
        with made(2) as pool:
            timed(asked, pool)
            _, first, seconds = timed(asked, pool)
        print(f"2 {name:10} {seconds:6.2f} s, {seconds / alone_s:.2f} of one thread alone; first answer {first:.2f} s")


def main() -> int:
    """Search, print, compare with the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executors", action="store_true", help="also through two threads and two processes")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--model", default="llama-3.1-70b")
    options = parser.parse_args()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, {min(cores)})
    asked = request(options.model)
    print(f"{options.model}: {len(asked.instances)} instance types x {len(NODES)} node counts")
    good, slowest = True, 0.0
    for objective in ("cost", "time", "throughput"):
        plan, first, seconds = timed(request(options.model, objective))
        slowest = max(slowest, seconds)
        good &= seconds <= GOAL_S and first <= GOAL_FIRST_S
        left_out = sum(r.count for r in plan.rejects if r.reason == "cannot-win")
        print(
            f"{objective:12} {seconds:6.2f} s (goal {GOAL_S:.0f}), first answer {first:.2f} s (goal {GOAL_FIRST_S:.0f})"
        )
        print(f"{'':12} candidates {plan.candidates:,}  evaluated {plan.evaluated:,}  cannot win {left_out:,}")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory: {peak_mib:.0f} MiB (goal {GOAL_MIB})")
    if cores:
        os.sched_setaffinity(0, cores)
    if options.executors:
        executors(asked, timed(asked)[2])
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(search, asked)
        pstats.Stats(profile).sort_stats("tottime").print_stats(24)
    return 0 if good and peak_mib <= GOAL_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
