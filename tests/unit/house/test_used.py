"""What stands in fmctl is used by fmctl: a function that only tests call belongs to them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3] / "fmctl"
# Called by name by a library, or by a process of its own.
CALLED_FROM_OUTSIDE = {
    "compose", "do_GET", "do_HEAD", "format_commands", "format_options", "handle_error", "log_message",
    "redirect_request", "upload_cfn_asset",
}  # fmt: skip
# What docs/accuracy is made of: its programs (tests/budget) are the only callers.
ACCURACY = {"attention_tables", "efa_tables", "families_off", "gemm_tables", "left_out_records"}
# Textual calls these, and moto what the lab puts in its place.
LIBRARIES = ("tui/", "adapters/lab/")


def test_no_function_is_there_for_tests_alone() -> None:
    words: Counter[str] = Counter()
    defined: dict[str, Path] = {}
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        words.update(re.findall(r"\b\w+\b", re.sub(r'"""(?:.|\n)*?"""', "", text)))
        if not str(path.relative_to(ROOT)).startswith(LIBRARIES):
            nodes = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.ClassDef))
            defined |= {node.name: path for node in nodes if not node.name.startswith("__")}
    alone = {name for name in defined if words[name] == 1}
    assert alone - CALLED_FROM_OUTSIDE - ACCURACY == set()
