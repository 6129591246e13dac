"""Everything that is printed or asked goes through the streams, which make it printable: no module writes past them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from .scan import files

_STREAMS = "cli/streams.py"
# Who may touch the streams themselves, and why nothing of others passes there.
_PAST = {
    "__main__.py": "the version, before anything is imported",
    "cli/completing.py": "values for a shell, of which those that are not printable are left out",
    "cli/prompts.py": "whether somebody sits there, and the line that is typed",
    "adapters/parallelcluster/worker.py": "a process of its own, read by fmctl alone",
}
# Who draws with colours and cursor movements of fmctl's own; each makes the texts in them printable one by one.
_DRAW = {"cli/output.py", "cli/live.py"}
_WRITERS = {"print", "input", "breakpoint", "getpass"}
_ATTRIBUTES = {("sys", "stdout"), ("sys", "stderr"), ("sys", "stdin"), ("sys", "__stdout__"), ("sys", "__stderr__"),
               ("typer", "echo"), ("typer", "secho"), ("typer", "prompt"), ("typer", "confirm"), ("click", "echo"),
               ("warnings", "warn")}  # fmt: skip


def _writes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _WRITERS:
            yield node.func.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from (f"{a}.{b}" for a, b in {(node.value.id, node.attr)} & _ATTRIBUTES)
        if isinstance(node, ast.ImportFrom) and node.module in ("sys", "typer", "click", "getpass"):
            names = {(node.module, alias.name) for alias in node.names}
            yield from (".".join(pair) for pair in names & _ATTRIBUTES)


def _draws(tree: ast.AST) -> bool:
    return any(isinstance(node, ast.Name) and node.id in ("draw_stdout", "draw_stderr") for node in ast.walk(tree))


def _parsed() -> Iterator[tuple[str, ast.AST]]:
    for place, path in files():
        yield place, ast.parse(Path(path).read_text(encoding="utf-8"))


def test_no_module_writes_past_the_streams() -> None:
    past = {place: sorted(set(_writes(tree))) for place, tree in _parsed() if place != _STREAMS}
    assert {place: words for place, words in past.items() if words and place not in _PAST} == {}
    assert set(_PAST) <= {place for place, words in past.items() if words}, "an exception that nobody needs"


def test_only_what_draws_on_a_terminal_writes_as_it_is() -> None:
    assert {place for place, tree in _parsed() if place != _STREAMS and _draws(tree)} == _DRAW


def test_one_module_alone_decides_what_is_printable() -> None:
    def decides(tree: ast.AST) -> bool:
        return any(
            isinstance(node, ast.GeneratorExp | ast.ListComp)
            and any(isinstance(one, ast.Attribute) and one.attr == "isprintable" for one in ast.walk(node.elt))
            for node in ast.walk(tree)
        )

    assert {place for place, tree in _parsed() if decides(tree)} <= {"base/printing.py"}
