"""A module that a comment or a docstring names is there: after a move nothing points to an empty room."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.unit.house.scan import HOME, files

# Their words are printed (`explain`, NOMENCLATURE.md), and still name the rooms before the move.
PRINTED = {"domain/terms.py", "report/waterfall.py"}
ROOMS = sorted(path.name for path in HOME.iterdir() if (path / "__init__.py").exists())
_NAMED = re.compile(rf"(?<![\w./-])(?:fmctl\.)?((?:{'|'.join(ROOMS)})(?:\.[A-Za-z_]\w*)+)")


def prose(path: Path) -> Iterator[str]:
    """Every comment and docstring."""
    text = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def is_there(name: str) -> bool:
    """Whether it is a module of fmctl, or a name that stands in one."""
    room, _, last = name.rpartition(".")
    if any((HOME / f"{name.replace('.', '/')}{end}").exists() for end in (".py", "/__init__.py")):
        return True
    inside = [HOME / f"{room.replace('.', '/')}{end}" for end in (".py", "/__init__.py")]
    return any(one.exists() and re.search(rf"\b{last}\b", one.read_text(encoding="utf-8")) for one in inside)


def test_every_module_that_prose_names_is_there() -> None:
    named = {(place, name) for place, path in files() for text in prose(path) for name in _NAMED.findall(text)}
    assert len(named) > 40
    gone = {(place, name) for place, name in named if not name.endswith((".py", ".md", ".json")) and not is_there(name)}
    assert {place for place, _ in gone} <= PRINTED, sorted(gone)


def test_a_room_that_is_gone_is_noticed() -> None:
    assert is_there("perf.ops.kernels") and is_there("perf.train.stages.chunk_sizes")
    assert not is_there("perf.kernels") and not is_there("perf.train.stages.no_such_thing")
