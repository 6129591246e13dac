"""Curves as SVG and as a line of text, and the page around them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.report.html import as_html
from fmctl.report.svg import HEIGHT, WIDTH, as_svg, ticks
from fmctl.report.text import sparkline
from fmctl.report.view import Column, Plot, Report, Section, Table

NUMBERS = st.floats(-1e12, 1e12, allow_subnormal=False)


def plot(points: list[tuple[float, float | None]], **more: object) -> Plot:
    return Plot("loss", "step", tuple(points), lambda value: f"{value:.3g}", **more)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.none() | NUMBERS), max_size=30), st.none() | NUMBERS)
def test_any_curve_is_a_picture_inside_its_frame(
    points: list[tuple[float, float | None]], middle: float | None
) -> None:
    expected = None if middle is None else (middle - 1.0, middle, None)
    text = as_svg(plot(points, expected=expected, marks=((3.0, "start 2"),)))
    root = ET.fromstring(text)
    for path in root.iter("path"):
        numbers = [float(n) for n in path.attrib["d"].replace("M", " ").replace("L", " ").split()]
        assert all(-1 <= x <= WIDTH + 1 for x in numbers[::2])
        assert all(-1 <= y <= HEIGHT + 1 for y in numbers[1::2])
    assert len(sparkline(plot(points))) in (0, 2)


@given(NUMBERS, NUMBERS)
def test_ticks_are_few_round_and_around(a: float, b: float) -> None:
    low, high = sorted((a, b))
    found = ticks(low, high)
    assert found[0] <= low + abs(low) * 1e-9 + 1e-9
    assert found[-1] >= high - abs(high) * 1e-9 - 1e-9
    assert 2 <= len(found) <= 8


def test_ticks_by_hand() -> None:
    assert ticks(0.0, 10.0) == [0, 2, 4, 6, 8, 10]
    assert ticks(2.58, 3.44) == pytest.approx([2.4, 2.6, 2.8, 3.0, 3.2, 3.4, 3.6])


def test_a_gap_is_not_bridged_and_the_band_is_where_it_was_predicted() -> None:
    text = as_svg(plot([(0, 1.0), (1, None), (2, 2.0), (3, 3.0)], expected=(1.5, 2.0, 2.5)))
    root = ET.fromstring(text)
    (path,) = root.iter("path")
    assert path.attrib["d"].count("M") == 2
    (band,) = [one for one in root.iter("rect") if one.attrib["class"] == "band"]
    top, height = float(band.attrib["y"]), float(band.attrib["height"])
    (line,) = [one for one in root.iter("line") if one.attrib["class"] == "expected"]
    assert top < float(line.attrib["y1"]) < top + height


def test_a_sparkline_by_hand() -> None:
    head, line = sparkline(plot([(0, 1.0), (1, 2.0), (2, None), (3, 8.0)]))
    assert head == "loss: 1 to 8, between 1 and 8"
    assert line == "▁▂█"
    assert sparkline(plot([])) == []
    assert len(sparkline(plot([(i, float(i)) for i in range(1000)]), 40)[1]) == 40


def test_a_page_is_whole_and_runs_nothing() -> None:
    evil = "<script>alert(1)</script>\x1b[31m"
    table = Table((Column(evil), Column("b", "right")), ((evil, "1"),))
    page = as_html(Report(evil, (Section(evil, table, (evil,), (plot([(0, 1.0)], marks=((0.0, evil),)),)),)), [evil])
    assert "<script" not in page
    assert "\x1b" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert page.count("&lt;script&gt;") >= 6
