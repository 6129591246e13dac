"""Prometheus's text format: whatever a label holds is read back as it was, and nothing unknown is written."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from fmctl.observe.exposition import Family, exposition, printed

_LABEL = re.compile(r'(\w+)="((?:[^"\\\n]|\\["\\n])*)"')


def read_back(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


@given(st.text(), st.text())
def test_labels_are_read_back_as_they_were(first: str, second: str) -> None:
    text = exposition([Family("a", "gauge", "h", (({"one": first, "two": second}, 1.0),))])
    sample = text.split("\n")[2]
    found = {name: read_back(value) for name, value in _LABEL.findall(sample)}
    assert found == {"one": clean(first), "two": clean(second)}
    assert _LABEL.sub("", sample) == "a{,} 1.0"


def clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@given(st.text())
def test_help_is_one_line(text: str) -> None:
    lines = exposition([Family("a", "gauge", text, (({}, 1.0),))]).split("\n")
    assert len(lines) == 4 and lines[1:] == ["# TYPE a gauge", "a 1.0", ""]


def test_a_metric_without_samples_is_left_out() -> None:
    text = exposition([Family("a", "gauge", "h", ()), Family("b", "counter", "h", (({}, 0.0),))])
    assert text == "# HELP b h\n# TYPE b counter\nb 0.0\n"


@given(st.floats())
def test_values_lose_no_digit(value: float) -> None:
    found = float(printed(value))
    assert found == value or (math.isnan(found) and math.isnan(value))
