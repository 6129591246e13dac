"""The rows that mypy knows are those of the documents, key by key and type by type, and cost nothing at run time."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.golden import rows


def classes(text: str) -> dict[str, str]:
    """Every class by its name, as it reads without layout."""
    return {node.name: ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("name", sorted(rows.files()))
def test_rows_are_those_of_the_documents(name: str) -> None:
    made = classes(rows.files()[name])
    kept = classes((rows.HOME / name).read_text(encoding="utf-8"))
    assert kept == made, "python tests/golden/rows.py --write"


def test_there_are_no_other_files() -> None:
    assert {path.name for path in rows.HOME.glob("*.py")} == set(rows.files())


def test_no_command_pays_for_them() -> None:
    probe = (
        "import sys; from fmctl.__main__ import main; main(['estimate', 'llama-3.1-8b', '-o', 'json']); "
        "sys.stderr.write(' '.join(name for name in sys.modules if name.startswith('fmctl.domain.rows')))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stderr == ""
