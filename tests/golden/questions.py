"""Ten questions to `plan`, and what it answered when that was last recorded.

`python tests/golden/questions.py` says which answers moved; `--write` records them anew. Predictions have a gate of
their own (predictions.py): this one holds the answer as a whole, rows, near misses, reasons and levers.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
ANSWERS = Path(__file__).with_name("questions.json")
# The first day of every run, far enough ahead that no answer depends on the day on which it is asked.
START = "2027-03-01"
QUESTIONS: Mapping[str, str] = {
    "llama 70b on three types": "llama-3.1-70b --instances p5.48xlarge,p5en.48xlarge,p6-b200.48xlarge --nodes 8..64 "
    "--tokens 15T",
    "a deadline and a budget": "llama-3.1-70b --instances p5.48xlarge,p5en.48xlarge --nodes 32..128 --tokens 2T "
    "--deadline 2027-06-15 --budget 20M",
    "deepseek in mxfp8": "deepseek-v3 --instances p6-b200.48xlarge --nodes 32,64 --precision mxfp8 --objective time",
    "405b on UltraServers": "llama-3.1-405b --instances p6e-gb200 --nodes 1..8 --regions us-east-1-dfw-2a",
    "8b in two regions": "llama-3.1-8b --tokens 15T --nodes 16..64 --instances p5.48xlarge "
    "--regions us-east-1,us-west-2 --purchase on-demand,capacity-block",
    "least energy with a spare": "llama-3.1-8b --tokens 15T --nodes 64 --instances p5en.48xlarge,p6-b300.48xlarge "
    "--objective energy --spares 1 --failures 6",
    "mixtral under torchtitan": "mixtral-8x7b --instances p4de.24xlarge,p5.48xlarge --nodes 4..16 "
    "--framework torchtitan --tokens 1T",
    "nothing fits": "llama-3.1-405b --instances p4d.24xlarge --nodes 1",
    "spot at a rate of one's own": "llama-3.2-3b --instances p4d.24xlarge --nodes 2..8 --tokens 300B "
    "--purchase spot,on-demand --spot-price 9.5",
    "every value of every field": "gpt3-1.3b --instances p4d.24xlarge --nodes 2 --exhaustive --tokens 26B",
}


def asked(question: str) -> dict[str, Any]:
    """The document that the command prints: the plan, or the error."""
    command = [sys.executable, "-m", "fmctl", "plan", *shlex.split(question), "--start", START, "-o", "json"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    found: dict[str, Any] = json.loads(ran.stdout or ran.stderr)
    return found


def rounded(value: Any) -> Any:
    """Numbers to nine figures: the last bits of a sum depend on the processor."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items() if name != "search_s"}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a person reads of an answer, and the digest of all of it."""
    content = json.dumps(rounded(result), sort_keys=True).encode()
    told = {"digest": hashlib.sha256(content).hexdigest(), "rows": [_told(row) for row in result.get("rows") or ()]}
    return told | {name: result[name] for name in ("code", "evaluated", "fitting", "rejects") if name in result}


def _told(row: Mapping[str, Any]) -> str:
    layout = " ".join(f"{name}={value}" for name, value in sorted(row["layout"].items()))
    run = row.get("whole_run") or {}
    return (
        f"{row['nodes']} x {row['instance']}: step {row['time']['step_s']:.6g} s, {row['memory']['used_bytes']:.6g} B, "
        f"run ${run.get('usd') or row['cost']['run_usd'] or 0:.6g}, {layout}"
    )


def answers() -> dict[str, Any]:
    """The summary of every answer, by question."""
    return {name: summary(asked(question)["result"]) for name, question in QUESTIONS.items()}


def main(arguments: list[str]) -> int:
    """Compare, or with `--write` record."""
    found = answers()
    if arguments == ["--write"]:
        ANSWERS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    recorded = json.loads(ANSWERS.read_text(encoding="utf-8"))
    moved = [name for name in QUESTIONS if recorded.get(name) != found[name]]
    print("\n".join(moved) or "no answer moved")
    return int(bool(moved))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
