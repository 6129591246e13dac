"""The answers of `plan` to ten questions are those on record."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parent.parent / "golden" / "questions.py"
_spec = importlib.util.spec_from_file_location("questions", _SCRIPT)
assert _spec is not None and _spec.loader is not None
questions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(questions)


@pytest.mark.parametrize("name", questions.QUESTIONS)
def test_the_answer_is_the_one_on_record(name: str) -> None:
    recorded = json.loads(questions.ANSWERS.read_text(encoding="utf-8"))
    assert set(recorded) == set(questions.QUESTIONS)
    found = questions.summary(questions.asked(questions.QUESTIONS[name])["result"])
    assert found == recorded[name], "python tests/golden/questions.py --write records it, if this is meant"
