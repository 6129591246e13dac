"""Estimate every preset on every instance type that can be planned: what `fmctl estimate MODEL --instance TYPE` finds.

Prints what does not fit anywhere and what looks implausible; exits 1 where a preset fits no instance type. About three
minutes.
"""

from __future__ import annotations

import math
import sys
import time
from datetime import date

from fmctl.catalog import find_price, instance_names, load_instance, load_model, model_names
from fmctl.domain.result import PlanRequest
from fmctl.plan.rank import best

DAY = date(2026, 11, 22)


def main() -> int:
    """Run all pairs and print the tally."""
    start = time.perf_counter()
    instances = [load_instance(name) for name in instance_names(plannable_only=True)]
    prices = {i.name: find_price(i.name, "us-east-1", "on-demand", DAY) for i in instances}
    pairs = fitting = 0
    homeless = []
    for name in model_names():
        arch = load_model(name)
        found = 0
        for instance in instances:
            pairs += 1
            plan = best(PlanRequest(arch, min(8192, arch.max_seq), (instance,), (), prices, top=1))
            if not plan.rows:
                print(f"{name} does not fit {instance.name}: {plan.nearest and plan.nearest.largest_term}")
                continue
            found += 1
            terms = plan.rows[0].terms
            if not all(math.isfinite(v) for v in terms.values()) or not 0.0 < terms["mfu"] < 0.8:
                print(f"implausible: {name} on {instance.name}: MFU {terms['mfu']:.3f}")
        fitting += found
        homeless += [name] if not found else []
    print(f"{fitting} of {pairs} pairs of preset and instance type have a layout; {time.perf_counter() - start:.0f} s")
    return 1 if homeless else 0


if __name__ == "__main__":
    sys.exit(main())
