from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.base import errors
from fmctl.base.errors import ExitCode, FmctlError, UnknownName, did_you_mean, shorten

MODELS = ["llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "deepseek-v3", "Qwen3-235B-A22B"]


def _tree(root: type[FmctlError]) -> list[type[FmctlError]]:
    return [root, *(found for child in root.__subclasses__() for found in _tree(child))]


def test_exit_codes_are_the_ones_promised_to_scripts() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NO_LAYOUT": 3,
        "PERMISSION": 4,
        "CAPACITY": 5,
        "STALE": 6,
        "TIMEOUT": 7,
        "DIFFERENT": 10,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("kind", [kind for kind in _tree(FmctlError) if kind not in (FmctlError, UnknownName)])
def test_the_docstring_draws_every_error_with_its_code_and_exit(kind: type[FmctlError]) -> None:
    drawn = next(line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in line)
    assert f" {kind.code} " in drawn
    assert f"exit {int(kind.exit_code)} " in drawn


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in _tree(FmctlError) if kind is not UnknownName]
    assert len(codes) == len(set(codes))


def test_lines_leave_out_what_is_not_known() -> None:
    assert FmctlError("it broke").lines() == ["fmctl: error: it broke"]
    assert FmctlError("it broke", why="rust", next="oil it").lines() == [
        "fmctl: error: it broke",
        "  why: rust",
        "  next: oil it",
    ]
    assert str(FmctlError("it broke", why="rust")) == "it broke"


def test_unknown_name_suggests_and_says_how_to_list() -> None:
    error = UnknownName("model", "lama-3.1-70b", MODELS, next="fmctl models list")
    assert error.code == "unknown-model"
    assert error.exit_code == ExitCode.USAGE
    assert error.suggestions[0] == "llama-3.1-70b"
    assert "llama-3.1-70b" in (error.why or "")
    assert error.next == "fmctl models list"
    assert UnknownName("price option", "x", []).code == "unknown-price-option"


def test_unknown_name_without_anything_near_does_not_pretend() -> None:
    assert UnknownName("model", "zzzzzz", MODELS).why is None


@pytest.mark.parametrize(
    ("word", "first"),
    [("LLAMA-3.1-8B", "llama-3.1-8b"), ("qwen3-235b", "Qwen3-235B-A22B"), ("405b", "llama-3.1-405b")],
)
def test_did_you_mean_knows_case_and_parts(word: str, first: str) -> None:
    assert did_you_mean(word, MODELS)[0] == first


@given(st.text(max_size=200))
def test_any_name_can_be_reported_on_one_short_line(name: str) -> None:
    lines = UnknownName("model", name, MODELS).lines()
    assert all(line.isprintable() and len(line) < 300 for line in lines)
    assert len(did_you_mean(name, MODELS)) <= 3


def test_shorten_keeps_both_ends() -> None:
    assert shorten("a" * 500 + "z") == "a" * 40 + "..." + "a" * 19 + "z"
    assert shorten("red\x1b[31m") == "red\\x1b[31m"
