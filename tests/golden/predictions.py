"""What fmctl predicts for the plans of plans.csv, and the record of every time that changed.

`python tests/golden/predictions.py` says what moved since it was last recorded. `--write "reason"` writes
predictions.json anew and adds a line to docs/predictions.md: the date, what moved, by how much at most, and why.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fmctl.base.errors import shorten
from fmctl.base.files import write_atomic
from fmctl.catalog import load_instance, load_model
from fmctl.domain.layout import CODES, Layout, Layouts
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.train.evaluate import evaluate

ROOT = Path(__file__).parent.parent.parent
PLANS = ROOT / "tests" / "golden" / "plans.csv"
PREDICTIONS = ROOT / "tests" / "golden" / "predictions.json"
RECORD = ROOT / "docs" / "predictions.md"
COMMAND = 'python tests/golden/predictions.py --write "reason"'
COUNTS = ("nodes", "seq_len", "batch")
TERMS = ("step_s", "used_bytes", "mfu")
TOLERANCE = 1e-3
HEAD = f"""\
# When predictions moved

`tests/golden/predictions.json` holds step time, memory in use and MFU of the plans in `tests/golden/plans.csv`. A test
fails when one of them moves by more than {TOLERANCE:.1%}, until `{COMMAND}`
has recorded the change here. Whether predictions are right is another question: see `fmctl validate` and docs/accuracy.

| date | digest | plans moved | step_s | used_bytes | mfu | why |
|---|---|---|---|---|---|---|
"""
Values = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Case:
    """One plan: a model of so many sequences on nodes of an instance type under one framework and layout."""

    model: str
    instance: str
    nodes: int
    framework: str
    seq_len: int
    batch: int
    layout: str

    @property
    def name(self) -> str:
        """The plan in a line; its key in predictions.json."""
        run = f"{self.model}, {self.seq_len} x {self.batch}"
        return f"{run}, {self.nodes} {self.instance}, {self.framework}: {self.layout}"


def _cases() -> tuple[Case, ...]:
    with PLANS.open(encoding="utf-8", newline="") as file:
        return tuple(
            Case(*(int(text) if name in COUNTS else text for name, text in row.items()))  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        )


CASES = _cases()


_model, _instance = cache(load_model), cache(load_instance)


def layout_of(case: Case) -> Layout:
    """The layout as it is spelled in the case."""
    pairs = (word.split("=") for word in case.layout.split())
    fields = {name: int(CODES[name].parse(text)) if name in CODES else int(text) for name, text in pairs}
    return Layout(**fields)


def predicted() -> dict[str, dict[str, float]]:
    """What the model of performance says of every case now."""
    found = {}
    for case in CASES:
        layout, instance = layout_of(case), _instance(case.instance)
        if layout.gpus != case.nodes * instance.gpus:
            raise ValueError(
                f"{case.name}: {layout.gpus} GPUs in the layout, {case.nodes * instance.gpus} in the nodes"
            )
        work = TrainingWorkload(case.seq_len, case.batch)
        terms = evaluate(_model(case.model), work, instance, Layouts.of([layout]), FRAMEWORKS[case.framework]).row(0)
        found[case.name] = {name: float(f"{terms[name]:.9g}") for name in TERMS}
    return found


def recorded() -> dict[str, dict[str, float]]:
    """What was last written."""
    found: dict[str, dict[str, float]] = json.loads(PREDICTIONS.read_text(encoding="utf-8"))
    return found


def moves(before: Values, after: Values) -> dict[str, dict[str, float]]:
    """Relative changes beyond the tolerance, by plan and term; of plans that both have."""
    found = {}
    for name in before:
        changed = {t: after[name][t] / before[name][t] - 1.0 for t in TERMS} if name in after else {}
        if beyond := {t: change for t, change in changed.items() if abs(change) > TOLERANCE}:
            found[name] = beyond
    return found


def complaint(before: Values, after: Values) -> str:
    """What moved, by how much, and what to do; empty where nothing did."""
    lines = [f"{name}: {'; '.join(f'{t} {c:+.2%}' for t, c in m.items())}" for name, m in moves(before, after).items()]
    lines += [f"{name}: not recorded" for name in after if name not in before]
    lines += [f"{name}: recorded, but no case" for name in before if name not in after]
    if not lines:
        return ""
    head = f"{len(lines)} of {len(after)} predictions moved by more than {TOLERANCE:.1%}:"
    return "\n".join([head, *lines, f"Where that is meant, record it: {COMMAND}"])


def digest() -> str:
    """Of predictions.json as it lies there."""
    return hashlib.sha256(PREDICTIONS.read_bytes()).hexdigest()[:12]


def write(reason: str) -> str:
    """Record the predictions of now; returns the line that was added to the record."""
    before: dict[str, Any] = recorded() if PREDICTIONS.exists() else {}
    after = predicted()
    write_atomic(PREDICTIONS, json.dumps(after, indent=1, ensure_ascii=False) + "\n")
    moved = moves(before, after)
    new = len([name for name in after if name not in before])
    count = f"{len(moved)} of {len(after)}" + (f", {new} new" if new else "")
    most = [_most([m[t] for m in moved.values() if t in m]) for t in TERMS]
    why = shorten(" ".join(reason.split()), 400).replace("|", "/")
    line = f"| {datetime.now(UTC).date()} | `{digest()}` | {count} | {' | '.join(most)} | {why} |\n"
    text = RECORD.read_text(encoding="utf-8") if RECORD.exists() else HEAD
    write_atomic(RECORD, text + line)
    return line


def _most(changes: list[float]) -> str:
    """The largest fall and the largest rise."""
    falls, rises = min([0.0, *changes]), max([0.0, *changes])
    shown = [f"{change:+.1%}" for change in (falls, rises) if change]
    return " to ".join(shown) or "-"


def main() -> int:
    """Say what moved, or record it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", metavar="REASON", help="record the predictions of now, and why they moved")
    options = parser.parse_args()
    if options.write is not None:
        if not options.write.strip():
            parser.error("a reason is needed")
        print(write(options.write), end="")
        return 0
    found = complaint(recorded(), predicted())
    print(found or f"{len(CASES)} predictions as recorded")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
