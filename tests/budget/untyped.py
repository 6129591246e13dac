"""How many look-ups by a string mypy cannot check, by folder: `python tests/budget/untyped.py [--list FOLDER]`.

A look-up is `x["name"]` or `x.get("name", ...)`, in either quote and inside f-strings: the syntax tree has them all. It
is typed where mypy knows the mapping as a TypedDict. Of the untyped ones it is said how many a search for the double
quote finds, for f-strings hide the others from it. Beside them the lines that say `Any`, imports left out.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mypy import build
from mypy.modulefinder import BuildSource
from mypy.nodes import CallExpr, IndexExpr, MemberExpr, Node, StrExpr, TypeInfo, Var
from mypy.options import Options
from mypy.types import TypedDictType, get_proper_type

ROOT = Path(__file__).parents[2]
FOLDERS = ("cli", "tui", "report", "operate", "observe", "progress", "targets", "usecases")
NAME = re.compile(r"^[a-z_0-9]+$")


def nodes_of(tree: Node) -> Iterator[Node]:
    """Every node below a tree; mypy's own visitors are compiled and cannot be derived from."""
    waiting: list[Any] = [tree]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | tuple):
            waiting.extend(one)
        elif isinstance(one, Node) and id(one) not in seen and not isinstance(one, TypeInfo | Var):
            seen.add(id(one))
            yield one
            names = {name for kind in type(one).__mro__ for name in getattr(kind, "__mypyc_attrs__", ())}
            waiting.extend(getattr(one, name, None) for name in sorted(names - {"node", "info", "type", "names"}))


def look_ups_of(tree: Node, types: Mapping[Any, Any]) -> Iterator[tuple[int, str, bool]]:
    """(line, key, whether mypy knows the mapping) of one module."""
    for node in nodes_of(tree):
        if isinstance(node, IndexExpr) and isinstance(node.index, StrExpr):
            key, base = node.index.value, node.base
        elif isinstance(node, CallExpr) and isinstance(node.callee, MemberExpr) and node.callee.name == "get":
            first = node.args[0] if node.args else None
            if not isinstance(first, StrExpr):
                continue
            key, base = first.value, node.callee.expr
        else:
            continue
        kind = types.get(base)
        if NAME.match(key):
            yield node.line, key, kind is not None and isinstance(get_proper_type(kind), TypedDictType)


def look_ups() -> Iterator[tuple[str, Path, int, str, bool, bool]]:
    """(folder, file, line, key, typed, whether a search for the double quote finds it) of every look-up."""
    options = Options()
    options.export_types = options.preserve_asts = True
    options.python_version = (3, 11)
    options.ignore_missing_imports = True
    options.incremental = False
    paths = [(folder, path) for folder in FOLDERS for path in sorted((ROOT / "fmctl" / folder).rglob("*.py"))]
    names = {
        path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for _, path in paths
    }
    result = build.build([BuildSource(str(path), names[path]) for _, path in paths], options)
    for folder, path in paths:
        lines = path.read_text(encoding="utf-8").split("\n")
        for line, key, typed in look_ups_of(result.files[names[path]], result.types):
            searched = any(f'"{key}"' in text for text in lines[line - 1 : line + 9])
            yield folder, path, line, key, typed, searched


def lines_of_any() -> int:
    """Lines of the package that say `Any` and are no imports."""
    lines = (line for path in (ROOT / "fmctl").rglob("*.py") for line in path.read_text(encoding="utf-8").split("\n"))
    return sum(bool(re.search(r"\bAny\b", line)) and not re.match(r"\s*(from|import) ", line) for line in lines)


def main() -> None:
    """Print the table."""
    typed, untyped, found = Counter[str](), Counter[str](), Counter[str]()
    wanted = sys.argv[2] if sys.argv[1:2] == ["--list"] else None
    for folder, path, line, key, known, searched in look_ups():
        (typed if known else untyped)[folder] += 1
        found[folder] += searched and not known
        if folder == wanted and not known:
            print(f"{path.relative_to(ROOT)}:{line} {key}")
    for folder in FOLDERS:
        print(f"{folder:10} {typed[folder]:5} typed {untyped[folder]:5} untyped, {found[folder]:5} found by a search")
    print(f"{'all':10} {typed.total():5} typed {untyped.total():5} untyped, {found.total():5} found by a search")
    print(f"{lines_of_any()} lines with Any")


if __name__ == "__main__":
    main()
