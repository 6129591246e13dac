"""A large state store: 10,000 runs and 300 clusters, one in ten damaged, against a local endpoint of AWS.

    python tests/budget/store.py [--runs 10000] [--clusters 300] [--strict]

Goals: `status` of all under 3 s and 300 MiB; `teardown --all --dry-run` lists every cluster; `teardown` of one takes no
longer than with a store that has nothing else. Processes in turns, medians of three.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(sys.executable).with_name("fmctl")
FMCTL = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "fmctl"]
MOST_S, MOST_MIB, ROUNDS, LONGER = 3.0, 300.0, 3, 1.15
DAMAGE = ("{", '{"schema": "fmctl.cluster/9"}', "\x00\x01\x02", "[" * 3000, "null", "")


@dataclass(frozen=True)
class Ran:
    """One process: what it said, how long it took, how much memory its largest child ever had."""

    out: str
    code: int
    wall_s: float
    mib: float


def record(name: str) -> dict[str, object]:
    """A running cluster, as fmctl keeps it."""
    tags = {"fmctl:cluster": name, "fmctl:plan": "llama", "fmctl:created-by": "ada"}
    return {
        "schema": "fmctl.cluster/1", "fmctl_version": "0.1.0", "name": name, "region": "us-east-1",
        "account": "********9012", "plan": "llama", "plan_digest": "sha256:p", "spec_digest": "sha256:s",
        "config_digest": "sha256:c", "tags": tags, "instance": "p5.48xlarge", "nodes": 8, "usd_per_h": 440.32,
        "max_hours": 24.0, "created_by": "ada", "began": "2026-11-22T09:00:00+00:00",
        "end": "2026-11-23T09:00:00+00:00", "state": "running",
    }  # fmt: skip


def fill(folder: Path, clusters: int, runs: int) -> None:
    """A store with so many of each, one in ten of them damaged."""
    for name in ("clusters", "runs", "journals"):
        (folder / name).mkdir(parents=True)
    for number in range(clusters):
        text = DAMAGE[number // 10 % len(DAMAGE)] if number % 10 == 0 else json.dumps(record(f"c{number}"))
        (folder / "clusters" / f"c{number}.json").write_text(text)
    for number in range(runs):
        text = DAMAGE[number // 10 % len(DAMAGE)] if number % 10 == 0 else '{"schema": "fmctl.run/1"}'
        (folder / "runs" / f"c{number % max(clusters, 1)}-{number}.json").write_text(text)


@contextmanager
def aws() -> Iterator[dict[str, str]]:
    """A local endpoint in a process of its own, as environment."""
    code = "import sys; from moto.server import ThreadedMotoServer as S; s = S(port=0, verbose=False); s.start(); "
    code += "print(s.get_host_and_port()[1], flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FMCTL_"))}
        yield kept | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_REGION": "us-east-1", "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        server.kill()


def run(environment: dict[str, str], folder: Path, *words: str) -> Ran:
    """One command over a store."""
    began = time.perf_counter()
    ran = subprocess.run(
        [*FMCTL, *words], env=environment | {"FMCTL_DATA": str(folder)}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Ran(ran.stdout, ran.returncode, time.perf_counter() - began, most)


def main() -> int:
    """Fill, ask, print; 1 where a goal is missed and that was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a goal is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, aws() as environment:
        large, empty = Path(place) / "large", Path(place) / "empty"
        fill(large, options.clusters, options.runs)
        fill(empty, 0, 0)
        run(environment, empty, "status")
        seen = [run(environment, large, "status", "-o", "json") for _ in range(ROUNDS)]
        listed = run(environment, large, "teardown", "--all", "--dry-run", "-o", "json")
        mine = json.dumps(record("mine"))
        took: dict[str, list[float]] = {"large": [], "empty": []}
        for _ in range(ROUNDS):
            for name, folder in (("large", large), ("empty", empty)):
                (folder / "clusters" / "mine.json").write_text(mine)
                took[name].append(run(environment, folder, "teardown", "mine", "--yes").wall_s)
    status_s, mib = median(one.wall_s for one in seen), max(one.mib for one in seen)
    rows = len(json.loads(seen[0].out)["result"]["clusters"]), len(json.loads(listed.out)["result"]["clusters"])
    healthy = options.clusters - (options.clusters + 9) // 10
    longer = median(took["large"]) / median(took["empty"])
    goals = {
        f"status of {rows[0]} clusters: {status_s:.2f} s (goal {MOST_S:g})": status_s < MOST_S and rows[0] >= healthy,
        f"its memory, and that of whatever ran before it: {mib:.0f} MiB (goal {MOST_MIB:g})": mib < MOST_MIB,
        f"teardown --all --dry-run lists {rows[1]} in {listed.wall_s:.2f} s": rows[1] == options.clusters,
        f"teardown of one: {median(took['large']):.2f} s, in an empty store {median(took['empty']):.2f} s, "
        f"{longer:.2f} x (goal {LONGER:g})": longer < LONGER,
    }
    for text, met in goals.items():
        print(f"{'met   ' if met else 'MISSED'} {text}")
    return int(options.strict and not all(goals.values()))


if __name__ == "__main__":
    sys.exit(main())
