"""Wording and layout of reports: units, tables that fit, nothing that steers a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.report.envelope import plain
from fmctl.report.formats import as_csv, as_jsonl, as_markdown, found
from fmctl.report.text import fit, plain_text, terminal_text
from fmctl.report.view import Column, Report, Section, Table, facts
from fmctl.report.words import brief_usd, compact_layout, label, paid_by, plural, say

WORDS = st.text(max_size=30)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("step_s", 4.2, "4.2 s"),
        ("used_bytes", 80 * 2**30, "80 GiB"),
        ("hbm_bytes_per_s", 3.35e12, "3.35 TB/s"),
        ("efa_bits_per_s", 8e10, "80 Gb/s"),
        ("model_flop", 1.5e18, "1.5 EFLOP"),
        ("bf16_flop_per_s", 9.895e14, "990 TFLOP/s"),
        ("mfu", 0.412, "41.2%"),
        ("usd_per_h", 55.04, "$55.04/h"),
        ("run_usd", 1.9e6, "$1.9M"),
        ("power_w", 4600.0, "4.6 kW"),
        ("tokens", 15e12, "15T"),
        ("tokens_per_s_per_gpu", 1200.0, "1200/s"),
        ("vcpu", 192, "192"),
        ("run_usd", None, "unknown"),
        ("rdma_write", True, "yes"),
        ("purchase", ["spot", "on-demand"], "spot, on-demand"),
        ("time.step_s", 0.5, "500 ms"),
    ],
)
def test_values_are_said_by_the_unit_in_their_name(name: str, value: Any, said: str) -> None:
    assert say(name, value) == said


def test_labels_leave_the_unit_to_the_value() -> None:
    assert label("host_power_w") == "host power"
    assert label("efa_bits_per_s") == "EFA"


def test_small_words() -> None:
    assert (plural(1, "node"), plural(2048, "node")) == ("1 node", "2,048 nodes")
    assert [brief_usd(v) for v in (None, 12.5, 2338.24, 21.4e6)] == ["unknown", "$12.50", "$2.34k", "$21.4M"]


def test_a_price_is_said_with_its_date_or_as_not_known() -> None:
    cost = {"price_option": "on-demand", "price_region": "us-east-1", "price_date": "2026-07-20", "usd_per_h": 55.0}
    assert paid_by(cost) == "on-demand in us-east-1 of 2026-07-20"
    assert paid_by(cost | {"usd_per_h": None, "price_date": ""}) == "on-demand in us-east-1 (price not known)"


def test_a_compact_layout_names_what_is_not_one_or_none() -> None:
    layout = {
        "tp": 8, "pp": 4, "vpp": 1, "cp": 1, "ep": 1, "etp": 1, "dp": 32, "micro_batch": 1, "sharding": "zero1",
        "recompute": "full", "recompute_layers": 4, "precision": "fp8",
    }  # fmt: skip
    assert compact_layout(layout) == "TP8 PP4 DP32 mb1 Z1 Rf4 fp8"


def table(keeps: tuple[int, ...], rows: list[list[str]]) -> Table:
    return Table(tuple(Column(f"c{i}", keep=k) for i, k in enumerate(keeps)), tuple(map(tuple, rows)))


@given(st.lists(st.lists(WORDS, min_size=4, max_size=4), max_size=5), st.integers(20, 120))
def test_a_table_keeps_its_dearest_columns_and_fits_if_it_can(rows: list[list[str]], width: int) -> None:
    shown = fit(table((0, 1, 2, 6), rows), width)
    assert shown.columns[0].title == "c0"
    titles = [column.title for column in shown.columns]
    assert titles == sorted(titles)
    if len(titles) > 1 and "c1" in titles:
        lengths = [max([2, *(len(row[i]) for row in shown.rows)]) for i in range(len(titles))]
        assert shown.columns[-1].keep
        assert sum(lengths) + shown.gap * (len(lengths) - 1) <= width


@given(st.lists(st.tuples(WORDS, WORDS), max_size=5), WORDS, st.integers(20, 100))
def test_nothing_in_a_report_steers_the_terminal(rows: list[tuple[str, str]], title: str, width: int) -> None:
    report = Report(title, (Section(title, facts(*rows), (title,)),))
    for text in (plain_text(report), terminal_text(report, width, colour=False)):
        assert all(line.isprintable() for line in text.split("\n"))


def test_a_long_last_remark_folds_under_itself() -> None:
    report = Report("", (Section(table=facts(("name", "word " * 30))),))
    lines = terminal_text(report, 40, colour=False).strip().splitlines()
    assert len(lines) > 3
    assert all(line.startswith("      word") for line in lines[1:])


def test_states_are_coloured_and_said_in_words() -> None:
    report = Report("T", (Section(table=Table((Column("x"),), (("tight",), ("OOM",)))),))
    shown = terminal_text(report, 80, colour=True)
    assert "\x1b[33mtight\x1b[0m" in shown
    assert "OOM" in terminal_text(report, 80, colour=False)


def test_markdown_escapes_what_would_break_a_table() -> None:
    text = as_markdown(Report("T", (Section("S", Table((Column("a"), Column("b", "right")), (("x|y", "1"),))),)))
    assert text == "# T\n\n## S\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"


def test_rows_with_different_fields_share_one_header() -> None:
    assert as_csv([{"a": 1, "b": None}, {"c": [1, 2]}]) == 'a,b,c\n1,,\n,,"[1, 2]"\n'
    assert as_csv([]) == ""
    assert as_jsonl([{"a": float("nan")}]) == '{"a": null}\n'


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "md", "yaml"])
@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [1, 2], [{"a": 1}], {"a": [1]}, [[1], {"b": 2}]])
def test_whatever_a_query_finds_can_be_written(value: Any, form: str) -> None:
    assert isinstance(found(form).value(value), str)


def test_numbers_that_json_lacks_become_null() -> None:
    assert plain({"a": (float("inf"), 1), 2: {"b": float("nan")}}) == {"a": [None, 1], "2": {"b": None}}
