"""What others wrote is read once, at the border: keys once, numbers finite, depth bounded, and never from a pipe."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from fmctl.base.errors import FmctlError, UnreadableFile, UnwritableFile, UsageError
from fmctl.base.files import read_bytes, read_text, write_atomic
from fmctl.base.parse import DEEPEST, NotParsed, from_json, from_toml, from_yaml
from fmctl.base.read import moment, number
from fmctl.base.units import parse_bytes, parse_duration_s
from tests.budget.fuzz import in_time


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, '{"a": [NaN]}'])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotParsed):
        from_json(text)
    odd = from_json(text, odd=True)
    assert number(odd) is None


@pytest.mark.parametrize("depth", [DEEPEST + 1, 3_000, 100_000])
@pytest.mark.parametrize("read", [from_json, from_yaml, from_toml], ids=["json", "yaml", "toml"])
def test_depth_is_bounded(read: object, depth: int) -> None:
    text = "[" * depth + "]" * depth
    with pytest.raises(NotParsed, match=r"deep|longer|depth"):
        read("a = " + text if read is from_toml else text)  # type: ignore[operator]
    assert from_json("[" * DEEPEST + "]" * DEEPEST)


def test_a_key_that_stands_there_twice_is_named_with_its_line() -> None:
    with pytest.raises(NotParsed, match="line 3: 'a'"):
        from_yaml("a: 1\nb: 2\na: 3\n")
    with pytest.raises(NotParsed, match="'a'"):
        from_json('{"a": 1, "a": 2}')
    with pytest.raises(NotParsed):
        from_toml("a = 1\na = 2")


@pytest.mark.parametrize(
    "text", [".nan", "-.inf", "1.0e+999", "9" * 400, "a: &x [1]\nb: *x", "!!python/name:os.system ''"]
)
def test_yaml_that_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(NotParsed):
        from_yaml(text)


def test_half_a_character_is_replaced() -> None:
    found = from_json('{"\\ud800": ["\\udc00x", "\\ud83d\\ude00"]}')
    assert found == {"?": ["?x", "😀"]}
    json.dumps(found, ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "/dev/zero", "link", "/dev/tty"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the address of a socket is short
    path = tmp_path / "given"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("given")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "link" else kind)
    with in_time(2.0), pytest.raises(UnreadableFile) as caught:
        read_text(path, what="site")
    assert caught.value.why
    assert caught.value.next


def test_a_size_is_looked_at_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(2**40)
    with in_time(2.0), pytest.raises(UnreadableFile, match="large"):
        read_bytes(path)
    assert read_bytes("/proc/self/status", most=2**20).startswith(b"Name:")


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    with in_time(2.0), pytest.raises(UnwritableFile):
        write_atomic(tmp_path / "out", "text")


@pytest.mark.parametrize("given", ["a\0b", "\udcff", "x" * 5_000])
def test_a_path_that_no_file_can_have_is_an_error(given: str) -> None:
    with pytest.raises(FmctlError):
        read_text(given)


def test_less_than_a_byte_or_a_nanosecond_is_nothing() -> None:
    with pytest.raises(UsageError, match="size"):
        parse_bytes(".4B")
    assert parse_bytes("1.5kB") == 1500
    with pytest.raises(UsageError):
        parse_duration_s("1e-240h")
    assert parse_bytes("0", zero=True) == 0


@pytest.mark.parametrize("said", ["2026-11-22", "2026-11-22T10:00:00", "0001-01-01T00:00:00+23:59", "now", ""])
def test_a_moment_says_its_zone(said: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        moment(said)
