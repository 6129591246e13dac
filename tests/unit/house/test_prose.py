"""A module that a comment or a docstring names is there: after a move nothing points to an empty room."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.unit.house.scan import HOME, files

# Their words are printed (`explain`, NOMENCLATURE.md): they change with the model, and name the rooms before the move.
PRINTED = {"domain/terms.py", "report/waterfall.py"}
ROOMS = sorted(path.name for path in HOME.iterdir() if (path / "__init__.py").exists())
_NAMED = re.compile(rf"(?<![\w./-])(?:fmctl\.)?((?:{'|'.join(ROOMS)})(?:\.[A-Za-z_]\w*)+)")


def prose(path: Path) -> Iterator[str]:
    """Every comment and docstring, those of constants too."""
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


@cache
def names_of(path: Path) -> frozenset[str]:
    """What a module makes or imports at its top: what only its prose or the inside of a function says is not there."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {one.asname or one.name for one in node.names}
    return frozenset(found)


def is_there(name: str) -> bool:
    """Whether it is a module of fmctl, or an attribute of one."""
    room, _, last = name.rpartition(".")
    if any((HOME / f"{name.replace('.', '/')}{end}").exists() for end in (".py", "/__init__.py")):
        return True
    inside = [HOME / f"{room.replace('.', '/')}{end}" for end in (".py", "/__init__.py")]
    return any(one.exists() and last in names_of(one) for one in inside)


def test_every_module_that_prose_names_is_there() -> None:
    named = {(place, name) for place, path in files() for text in prose(path) for name in _NAMED.findall(text)}
    assert len(named) > 40
    gone = {(place, name) for place, name in named if not name.endswith((".py", ".md", ".json")) and not is_there(name)}
    assert {place for place, _ in gone} <= PRINTED, sorted(gone)


def test_a_room_that_is_gone_is_noticed() -> None:
    assert is_there("perf.ops.kernels") and is_there("perf.train.stages.chunk_sizes")
    assert not is_there("perf.kernels") and not is_there("perf.train.stages.no_such_thing")
    assert not is_there("perf.train.stages.layers")  # a word of its docstring, no name of its own
