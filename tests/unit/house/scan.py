"""What a file of fmctl does, as names and texts: comments and docstrings are prose, and may name a source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import fmctl

HOME = Path(fmctl.__file__).parent
_NAMES = ("id", "attr", "name", "module", "arg")  # fields of a syntax tree that hold names


def files() -> Iterator[tuple[str, Path]]:
    """Every file of fmctl by its place."""
    return ((path.relative_to(HOME).as_posix(), path) for path in sorted(HOME.rglob("*.py")))


def code_of(path: Path) -> Iterator[str]:
    """Every name and every text of a file but comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value
        yield from (str(getattr(node, field)) for field in _NAMES if hasattr(node, field))
