"""An output format is one entry: a name with its writer, and every way of printing knows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fmctl.__main__ import main
from fmctl.base.outputs import OUTPUTS
from fmctl.report.formats import Format, found

SHOUTED = Format(lambda answer: f"DOCUMENT {answer.document['schema']}\n", lambda value: f"VALUE {json.dumps(value)}\n")


@pytest.fixture
def shouted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole change: one entry in the list of formats."""
    assert isinstance(OUTPUTS, dict)
    monkeypatch.setitem(OUTPUTS, "shouted", f"{__name__}:SHOUTED")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str) -> str:
        assert main(words) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.usefixtures("shouted")
def test_a_format_prints_documents_fields_and_answers_to_queries(printed: Callable[..., str]) -> None:
    command = ("models", "list", "-o", "shouted")
    assert printed(*command) == "DOCUMENT fmctl.models/1\n"
    picked = printed(*command, "--fields", "name")
    assert picked.startswith('VALUE [{"name": ')
    assert printed(*command, "--query", "schema") == 'VALUE "fmctl.models/1"\n'


@pytest.mark.usefixtures("shouted")
def test_a_format_is_a_setting_and_is_completed(printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "shouted\n" in printed("__complete", "formats")
    monkeypatch.setenv("FMCTL_OUTPUT", "shouted")
    assert printed("models", "list") == "DOCUMENT fmctl.models/1\n"


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_format_writes_any_plain_value(name: str) -> None:
    values: tuple[Any, ...] = (None, 1.5, "a", [], [{"a": 1}], {"a": {"b": [1]}}, ["x"])
    for value in values:
        text = found(name).value(value)
        assert text.endswith("\n") or text == ""


def test_formats_differ_in_what_they_print() -> None:
    rows: list[Mapping[str, Any]] = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert len({found(name).value(rows) for name in OUTPUTS}) == len(OUTPUTS)
