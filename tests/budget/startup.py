"""Start-up times against the goals of the interface: median wall time of whole processes over a bare `python -c pass`.

The bare interpreter runs in between all the others, so that a busy or throttled machine slows both alike.

    python tests/budget/startup.py [--rounds 15] [--strict]

With --strict the exit code is 1 when a goal is missed; a command that fails always makes it 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

SCRIPT = Path(sys.executable).with_name("fmctl")
FMCTL = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "fmctl"]
BARE = [sys.executable, "-c", "pass"]
LARGE_PLAN = ["plan", "llama-3.1-70b", "--instances", "p5.48xlarge", "--nodes", "4..32"]  # a little over the least
LEAST_LAYOUTS = 100_000


@dataclass(frozen=True)
class Case:
    """One command and how many bare starts it may cost."""

    name: str
    command: list[str]
    goal: float


CASES = [
    Case("--version", [*FMCTL, "--version"], 2.5),
    Case("completion values", [*FMCTL, "__complete", "models"], 2.5),
    Case("--help", [*FMCTL, "--help"], 8),
    Case("estimate -o json", [*FMCTL, "estimate", "llama-3.1-70b", "-o", "json"], 16),
    Case("plan, first table", [*FMCTL, *LARGE_PLAN], 40),
]


def wall_s(command: list[str]) -> float:
    """Wall time of one process, start to end; raises CalledProcessError when it fails."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - start


def layouts_searched() -> int | None:
    """How many layouts the large plan evaluated, by its own JSON; None when it does not say."""
    run = subprocess.run([*FMCTL, *LARGE_PLAN, "-o", "json"], check=True, capture_output=True, text=True)
    found = [value for key, value in _numbers(json.loads(run.stdout)) if key == "evaluated"]
    return max(found, default=None)


def _numbers(document: object) -> list[tuple[str, int]]:
    if isinstance(document, list):
        return [pair for item in document for pair in _numbers(item)]
    if not isinstance(document, dict):
        return []
    own = [(key, value) for key, value in document.items() if isinstance(value, int) and not isinstance(value, bool)]
    return own + [pair for value in document.values() for pair in _numbers(value)]


def measure(cases: list[Case], rounds: int) -> tuple[float, dict[str, float]]:
    """Median seconds of the bare interpreter and of each case, interleaved."""
    bare: list[float] = []
    seen: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            bare.append(wall_s(BARE))
            seen[case.name].append(wall_s(case.command))
    return median(bare), {name: median(times) for name, times in seen.items()}


def usable(case: Case) -> bool:
    """Run a case once: that warms the byte code, and a command that fails is reported and left out."""
    try:
        wall_s(case.command)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        print(f"{case.name}: exit {error.returncode}: {last[0]}", file=sys.stderr)
        return False
    return True


def main() -> int:
    """Measure, print the table, say whether all is well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    cases = [case for case in CASES if usable(case)]
    if not cases:
        return 1
    bare_s, seen_s = measure(cases, options.rounds)
    print(f"python -c pass: {bare_s * 1e3:.1f} ms (median, {options.rounds} rounds, {shutil.which(FMCTL[0])})")
    print(f"{'command':<20} {'ms':>8} {'x bare':>8} {'goal':>6}")
    ok = True
    for case in cases:
        ratio = seen_s[case.name] / bare_s
        ok &= ratio <= case.goal
        verdict = "ok" if ratio <= case.goal else "MISSED"
        print(f"{case.name:<20} {seen_s[case.name] * 1e3:>8.1f} {ratio:>8.1f} {case.goal:>6} {verdict}")
    if any(case.name.startswith("plan") for case in cases):
        layouts = layouts_searched()
        enough = layouts is not None and layouts >= LEAST_LAYOUTS
        print(f"plan evaluated {layouts} layouts: {'ok' if enough else f'fewer than {LEAST_LAYOUTS}, or not said'}")
    return int(len(cases) < len(CASES) or (options.strict and not ok))


if __name__ == "__main__":
    sys.exit(main())
