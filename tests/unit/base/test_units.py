from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.base import units
from fmctl.base.errors import UsageError
from fmctl.base.units import NodeCounts

PARSERS: list[Callable[..., Any]] = [
    units.parse_count,
    units.parse_bytes,
    units.parse_duration_s,
    units.parse_deadline,
    units.parse_usd,
    units.parse_number,
    units.parse_nodes,
]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1024", 1024),
        ("1_000", 1000),
        ("1,000,000", 10**6),
        ("2.5B", 2_500_000_000),
        ("2.3B", 2_300_000_000),
        ("15T", 15 * 10**12),
        ("15t", 15 * 10**12),
        (" 15 T ", 15 * 10**12),
        ("1e12", 10**12),
        (".5M", 500_000),
        ("128k", 128_000),
    ],
)
def test_counts(text: str, count: int) -> None:
    assert units.parse_count(text) == count
    assert isinstance(units.parse_count(text), int)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("80GiB", 80 * 2**30),
        ("80gib", 80 * 2**30),
        ("1.5TB", 1_500_000_000_000),
        ("4096", 4096),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("0.5MiB", 2**19),
    ],
)
def test_bytes(text: str, size: int) -> None:
    assert units.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["80Gb", "80Gib", "80G", "80 GBps", "80 parsecs"])
def test_bytes_refuse_bits_and_halves_of_units(text: str) -> None:
    with pytest.raises(UsageError, match="80GiB"):
        units.parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("21d", 21 * 86400), ("36h", 129600), ("1w", 604800), ("90m", 5400), ("90min", 5400), ("1.5h", 5400), ("30S", 30)],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration_s(text) == seconds


def test_a_duration_needs_its_unit() -> None:
    with pytest.raises(UsageError) as caught:
        units.parse_duration_s("21", what="--deadline")
    assert "unit is missing" in (caught.value.why or "")
    assert "--deadline '21'" in caught.value.what


def test_deadlines() -> None:
    assert units.parse_deadline("60d") == 60 * 86400
    assert units.parse_deadline("2027-03-01") == date(2027, 3, 1)
    for impossible in ("2027-02-30", "2027-13-01", "0000-01-01"):
        with pytest.raises(UsageError, match="2027-03-01"):
            units.parse_deadline(impossible)


@pytest.mark.parametrize(
    ("text", "usd"), [("$1.9M", 1.9e6), ("4M", 4e6), ("250k", 250e3), ("412.50", 412.5), ("$1,000", 1000.0)]
)
def test_money(text: str, usd: float) -> None:
    assert units.parse_usd(text) == usd


@pytest.mark.parametrize(
    ("text", "nodes", "inside", "outside"),
    [
        ("8", NodeCounts(8, 8, (8,)), [8], [7, 9]),
        ("8..256", NodeCounts(8, 256), [8, 100, 256], [7, 257]),
        ("8..8", NodeCounts(8, 8, (8,)), [8], [9]),
        ("24,8,16", NodeCounts(8, 24, (8, 16, 24)), [16], [17]),
    ],
)
def test_node_counts(text: str, nodes: NodeCounts, inside: list[int], outside: list[int]) -> None:
    assert units.parse_nodes(text) == nodes
    assert all(count in nodes for count in inside)
    assert not any(count in nodes for count in outside)
    assert "8" not in nodes


def test_lists() -> None:
    assert units.parse_list("a, b,a") == ["a", "b"]
    for empty in ("", "a,", ",", "a,,b"):
        with pytest.raises(UsageError, match="a,b"):
            units.parse_list(empty)


BAD = ["", " ", "nan", "inf", "-inf", "Infinity", "-5", "\u22125", "0", "1e25", "1e999", "9" * 5000, "ten", "1.2.3"]
BAD += ["e5", ".", "1e", "0x10", "\u0665d", "8..4", "5 5", "None", "\x00", "1e-999x"]


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("text", BAD)
def test_what_is_no_quantity_is_refused_with_an_example(parse: Callable[..., Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, what="--thing")
    assert caught.value.what.startswith("--thing '") or text.strip() == ""
    assert "such as" in caught.value.what
    assert caught.value.why


def test_a_decimal_comma_is_not_a_thousand() -> None:
    with pytest.raises(UsageError):
        units.parse_count("1,5")
    with pytest.raises(UsageError, match="a range such as"):
        units.parse_nodes("8..4")


def test_a_count_is_whole_and_zero_only_on_request() -> None:
    with pytest.raises(UsageError, match="whole number"):
        units.parse_count("1.5")
    assert units.parse_count("0", zero=True) == 0
    assert units.parse_usd("$0", zero=True) == 0.0


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text(max_size=80))
def test_any_text_is_read_or_refused(parse: Callable[..., Any], text: str) -> None:
    try:
        parse(text)
    except UsageError as error:
        assert all(line.isprintable() for line in error.lines())


@given(st.integers(1, 10**24))
def test_whole_counts_are_read_back_exactly(count: int) -> None:
    assert units.parse_count(str(count)) == count
    assert units.parse_count(f"{count:,}") == count
    assert units.parse_bytes(str(count)) == count


@given(st.floats(1, 9e17))
def test_printed_counts_and_bytes_read_back_to_three_digits(value: float) -> None:
    assert units.parse_count(units.format_count(round(value))) == pytest.approx(value, rel=0.006, abs=0.5)
    assert units.parse_bytes(units.format_bytes(value)) == pytest.approx(value, rel=0.006, abs=0.5)


@given(st.floats(0.1, 9e14))
def test_printed_money_reads_back_to_three_digits(value: float) -> None:
    text = units.format_usd(value)
    if not text.endswith("T"):
        assert units.parse_usd(text) == pytest.approx(value, rel=0.006, abs=0.006)


@given(st.floats(1, 1e10))
def test_printed_durations_read_back(value: float) -> None:
    parts = units.format_seconds(value).split()
    seconds = sum(
        units.parse_duration_s(f"{n}{unit}", zero=True) for n, unit in zip(parts[::2], parts[1::2], strict=True)
    )
    assert seconds == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.412, "412 ms"),
        (3.2, "3.2 s"),
        (1.23e-5, "12.3 \u00b5s"),
        (61, "1 min 1 s"),
        (3599.7, "1 h"),
        (18720, "5 h 12 min"),
        (43.1 * 86400, "43.1 d"),
        (0, "0 s"),
        (-90, "-1 min 30 s"),
        (None, "unknown"),
        (float("nan"), "unknown"),
        (float("inf"), "inf"),
    ],
)
def test_seconds(seconds: float | None, text: str) -> None:
    assert units.format_seconds(seconds) == text


def test_other_formats() -> None:
    assert units.format_count(405_853_388_800) == "406B"
    assert units.format_count(8192) == "8192"
    assert units.format_count(999.6e9) == "1T"
    assert units.format_bytes(80 * 2**30) == "80 GiB"
    assert units.format_bytes(0) == "0 B"
    assert units.format_usd(1.93e6) == "$1.93M"
    assert units.format_usd(412.5) == "$412.50"
    assert units.format_usd(9_999.999) == "$10k"
    assert units.format_usd(0.0042) == "$0.0042"
    assert units.format_usd(-5) == "-$5.00"
    assert units.format_usd(None) == "unknown"
    assert units.format_percent(0.412) == "41.2%"
    assert units.format_watts_hours(1.21e9) == "1.21 GWh"
    assert units.significant(0.00421) == "0.00421"
    assert units.significant(12345.6) == "12346"


def test_a_negative_count_is_said_to_be_negative_not_to_be_no_whole_number() -> None:
    with pytest.raises(UsageError) as refused:
        units.parse_count("-5", what="--tokens")
    assert str(refused.value).startswith("--tokens '-5' has to be above 0: ")
    assert refused.value.why == "it is negative"
