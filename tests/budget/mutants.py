"""Small mutations of the code, and whether the unit tests of their area notice.

    python tests/budget/mutants.py                  # all areas, a fixed number of mutants each
    python tests/budget/mutants.py step buying      # these areas
    python tests/budget/mutants.py --each 12 --seed 3

Each mutant changes one expression or statement, drawn by seed from all lines of the area. The tests of the area alone
are run against a copy of the tree: neither the prediction gate nor a golden file sees it. Survivors that stand in
`mutants.json` with a reason are equivalent: they change nothing that anybody could see. The exit code is 1 where fewer
than 95 % of the others are killed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).parent.parent.parent
REASONS = Path(__file__).with_name("mutants.json")
GOAL = 0.95


@dataclass(frozen=True, slots=True)
class Area:
    """Modules that belong together, and the tests that are theirs."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


# A golden document of what the code does says that something changed, not what is right.
LEFT_OUT = "tests/unit/operate/test_chaos.py::test_the_table_in_the_documentation_is_the_one_the_code_gives"


def _operate(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/unit/operate/test_{name}.py" for name in names)


# By name. A module may be a folder.
AREAS: Mapping[str, Area] = {
    "step": Area(("perf/ops", "perf/layer", "perf/train"), ("tests/unit/perf",)),
    "storage": Area(("perf/store",), ("tests/unit/perf",)),
    "failures": Area(("perf/run",), ("tests/unit/perf",)),
    "search": Area(("plan",), ("tests/unit/plan",)),
    "whole runs": Area(("runs",), ("tests/unit/runs",)),
    "buying": Area(("buying",), ("tests/unit/buying",)),
    "controller": Area(
        ("operate/launch.py", "operate/extension.py", "operate/status.py", "operate/steps.py", "operate/actions.py"),
        _operate("actions", "controller", "chaos"),
    ),
    "journal": Area(("operate/journal.py", "operate/state"), _operate("journal", "locks", "s3store")),
    "consent": Area(
        ("usecases/launching.py", "cli/operations.py", "cli/prompts.py"),
        ("tests/cli/test_consent.py", "tests/cli/test_words.py", "tests/cli/test_operations.py"),
    ),
    "teardown": Area(("operate/teardown.py", "operate/fleet.py"), _operate("teardown", "fleet", "controller")),
    "run": Area(("operate/runs.py", "operate/submission.py"), _operate("runs", "submission")),
}

_COMPARED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "maximum": "minimum", "minimum": "maximum",
           "ceil": "floor", "floor": "ceil", "argmin": "argmax", "argmax": "argmin"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module."""

    area: str
    module: str
    line: int
    source: str  # the line
    was: str  # the part of it that is changed
    now: str
    text: str  # the whole module with the change

    @property
    def key(self) -> str:
        """How `mutants.json` names it: stable while the line stays as it is."""
        return f"{self.module} | {self.source} | {self.was} -> {self.now}"


def points(tree: ast.Module) -> Iterator[ast.AST]:
    """Every place of a module that can be changed: neither annotations nor decorators, docstrings or imports."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if _replaced(node) is not None:
            yield node
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "type_params"}:
                continue
            todo += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, ast.AST)]


def _replaced(node: ast.AST) -> ast.AST | None:  # noqa: PLR0911, C901 - one line for each kind of change
    """What a node becomes; None where it stays."""
    match node:
        case ast.Compare(left, [op], right) if type(op) in _COMPARED:
            return ast.Compare(left, [_COMPARED[type(op)]()], right)
        case ast.BinOp(left, op, right) if type(op) in _COMPUTED and not (_is_text(left) or _is_text(right)):
            return ast.BinOp(left, _COMPUTED[type(op)](), right)
        case ast.BoolOp(op, values):
            return ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            return operand
        case ast.Constant(bool(value)):
            return ast.Constant(not value)
        case ast.Constant(int(value)):
            return ast.Constant(value + 1)
        case ast.Constant(float(value)):
            return ast.Constant(value * 1.1 or 1.0)
        case ast.Call(ast.Name(name), args, keywords) if name in _CALLED:
            return ast.Call(ast.Name(_CALLED[name]), args, keywords)
        case ast.Call(ast.Attribute(value, name), args, keywords) if name in _CALLED:
            return ast.Call(ast.Attribute(value, _CALLED[name]), args, keywords)
        case ast.If(test, body, orelse) if not _is_for_types(test):
            return ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            return ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Raise() | ast.AugAssign() | ast.Expr(ast.Call()):
            return ast.Pass()
    return None


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


class _Change(ast.NodeTransformer):
    """Puts something else in the place of one node."""

    def __init__(self, node: ast.AST) -> None:
        self._node = node

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._node:
            changed = _replaced(node)
            assert changed is not None
            return ast.copy_location(changed, node)
        return self.generic_visit(node)


def mutants(area: str, each: int, seed: int) -> list[Mutant]:
    """So many changes of an area's modules."""
    found = [(path, index) for path in files(area) for index, _ in enumerate(points(ast.parse(path.read_text())))]
    drawn = random.Random(f"{area} {seed}").sample(found, min(each, len(found)))
    return [_mutant(area, path, index) for path, index in drawn]


def files(area: str) -> list[Path]:
    """The modules of an area."""
    named = [ROOT / "fmctl" / name for name in AREAS[area].modules]
    return sorted(path for one in named for path in ([one] if one.is_file() else one.rglob("*.py")))


def _mutant(area: str, path: Path, index: int) -> Mutant:
    before = path.read_text()
    tree = ast.parse(before)
    node = list(points(tree))[index]
    was, line = ast.unparse(node).split("\n")[0], getattr(node, "lineno", 0)
    now = ast.unparse(ast.fix_missing_locations(_replaced(node) or node)).split("\n")[0]
    text = ast.unparse(ast.fix_missing_locations(_Change(node).visit(tree)))
    source = before.splitlines()[line - 1].strip() if line else ""
    return Mutant(area, str(path.relative_to(ROOT)), line, source, was, now, text)


def killed(mutant: Mutant, tree: Path) -> bool:
    """Whether a test of the area fails in a tree that has the change."""
    path = tree / mutant.module
    before = path.read_text()
    path.write_text(mutant.text)
    try:
        return not passes(mutant.area, tree)
    finally:
        path.write_text(before)


def passes(area: str, tree: Path) -> bool:
    """Whether the tests of the area pass in that tree; one that hangs does not."""
    tests = [name for name in AREAS[area].tests if (tree / name).exists()]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not real",
        "--deselect",
        LEFT_OUT,
        *tests,
    ]
    try:
        ran = subprocess.run(command, cwd=tree, capture_output=True, timeout=600, check=False, env=_environment(tree))
    except subprocess.TimeoutExpired:
        return False
    return ran.returncode == 0


def _environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}


def trees(count: int, folder: Path) -> Queue[Path]:
    """So many copies of what git knows of the tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: Queue[Path] = Queue()
    for number in range(count):
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / str(number) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / str(number) / name)
        found.put(folder / str(number))
    return found


def survivors(chosen: Sequence[Mutant], workers: int) -> list[Mutant]:
    """The changes that no test noticed, said as they are found."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        free = trees(workers, Path(folder))
        for area in dict.fromkeys(mutant.area for mutant in chosen):
            if not passes(area, Path(folder) / "0"):
                sys.exit(f"the tests of {area} fail as the code stands")

        def look(mutant: Mutant) -> Mutant | None:
            tree = free.get()
            try:
                dead = killed(mutant, tree)
            finally:
                free.put(tree)
            print(f"{'killed  ' if dead else 'SURVIVES'}  {mutant.area}  {mutant.module}:{mutant.line}  "
                  f"{mutant.was}  ->  {mutant.now}", flush=True)  # fmt: skip
            return None if dead else mutant

        return [one for one in pool.map(look, chosen) if one is not None]


def main(arguments: Sequence[str]) -> int:
    """Draw, run, say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("areas", nargs="*", metavar="AREA", help=", ".join(AREAS))
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    chosen = [one for area in asked.areas or AREAS for one in mutants(area, asked.each, asked.seed)]
    reasons: Mapping[str, str] = json.loads(REASONS.read_text(encoding="utf-8"))
    left = survivors(chosen, asked.workers)
    equivalent = [one for one in left if one.key in reasons]
    bad = [one for one in left if one.key not in reasons]
    share = 1.0 - len(bad) / max(len(chosen) - len(equivalent), 1)
    print(f"\n{len(chosen)} mutants, {len(equivalent)} equivalent, {len(bad)} survive: {share:.1%} killed")
    for one in equivalent:
        print(f"  equivalent  {one.key}: {reasons[one.key]}")
    for one in bad:
        print(f"  survives    {one.key}")
    return int(share < GOAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
