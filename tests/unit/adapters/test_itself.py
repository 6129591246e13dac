"""fmctl in a process of its own: its document, its words, its errors."""

from __future__ import annotations

import pytest

from fmctl.adapters.itself import answered
from fmctl.base.errors import OperationFailed


def test_the_document_is_the_command_s_own_and_words_are_told_as_they_come() -> None:
    said: list[str] = []
    found = answered(["models", "show", "llama-3.1-8b"], said.append)
    assert found["schema"] == "fmctl.model/1" and said == []


def test_an_error_keeps_its_three_parts() -> None:
    with pytest.raises(OperationFailed) as caught:
        answered(["models", "show", "llama-9"], lambda line: None)
    assert caught.value.what == "no model called 'llama-9'"
    assert caught.value.next == "fmctl models list"
