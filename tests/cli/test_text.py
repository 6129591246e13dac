"""What others wrote (job names, log lines, messages of AWS) steers no terminal, question, spreadsheet or page."""

from __future__ import annotations

import csv
import gzip
import io
import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from fmctl.base.printing import LONGEST_LINE, block, csv_cell, json_text, printable, printable_lines
from fmctl.cli import prompts
from fmctl.operate.watch import Event
from fmctl.report.formats import as_markdown, found
from fmctl.report.view import Column, Report, Section, Table
from fmctl.targets.target import Condition, State
from fmctl.usecases import clusters

STEERING = "train\x1b]0;owned\x07\x1b[2K\rjob 7 (idle-test) is pending on no nodes yet"
HOSTILE = (
    STEERING, "\x9b2Jgone", "a\u202eb\u2066c", "a\u200bb\ufeff", "a\ud800b", "a\x08\x08b", "a\nfmctl: error: fake\n",
    "x" * 100_000, "a\x00b", "a\u2028b\u2029c", "e" + "\u0301" * 50, "a\U000e0041b\ufe0f", "\u3164\u2800", "a\x7fb",
    "=HYPERLINK(\"http://evil\")", "@SUM(1)|cmd", "+1+1|calc", "-2+3", "\t=1", "\r=1", "\uff1d1+1", "|a|b|", "`x`",
    "<img src=x onerror=1>", "[a](javascript:1)", "![a](http://x)", "# a", "- a", "&#60;b&#62;", "a\\|b", "~~~", "```",
    "\"\n- b: c", "a: b # c",
)  # fmt: skip


def clean(text: str) -> bool:
    """Whether nothing but lines and tabs stands between what is seen."""
    return all(c.isprintable() or c in "\n\t" for c in text) and printable_lines(text) == text


@pytest.fixture
def named(cli: Any) -> Any:
    """A world whose job has the name that is set."""

    def name(text: str) -> Any:
        said = json.loads(cli.services.operations.shell.said["squeue"])
        for job in said["jobs"]:
            job["name"] = job["user_name"] = text
        cli.services.operations.shell.said["squeue"] = json.dumps(said)
        return cli

    return name


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_one_function_makes_any_text_one_visible_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and printable(shown) == shown
    assert "\u0301" * 4 not in shown
    assert clean(printable_lines(text))
    (line,) = block([text]).splitlines()
    assert len(line) < LONGEST_LINE + 10
    assert json.loads(json_text({"a": text})) == {"a": text}
    assert json_text([text]).isprintable()


@pytest.mark.parametrize("text", [STEERING, "a\nyes\njob 2 (b) is pending", "x" * 5000], ids=["steer", "lines", "long"])
def test_the_question_before_a_job_ends_names_that_job(named: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = named(text)
    monkeypatch.setattr(prompts, "_asks", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    asked = ops("cancel", "live", "1").err
    assert clean(asked)
    first, question = asked.splitlines()[:2]
    assert first.startswith("job 1 is ")
    assert len(first) < 300
    assert question.startswith("type the name to cancel (live)")


def test_the_questions_of_launch_and_teardown_are_lines_whatever_stands_in_them() -> None:
    from fmctl.operate.actions import Actual
    from fmctl.report.removals import teardown_text

    class Step:
        destroys = ("stack\x1b[2K\nstays: everything", "\u202eb")
        keeps = (STEERING,)

    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    tags = {"fmctl:created-by": "eve\x1b[2K\ngoes: nothing", "\u202e": STEERING}
    there = Actual(State("live", Condition.READY, "CREATE_COMPLETE\rGONE", "", at, tags))
    lines = teardown_text("live", [Step()], there, "us-east-1", at).splitlines()  # type: ignore[list-item]
    starts = ["teardown of live in us-east-1", "made by eve", "tags", "goes", "stays"]
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "md", "html", "yaml"])
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_every_format_is_clean_and_true(named: Any, form: str, number: int) -> None:
    text = HOSTILE[number]
    if form == "yaml":
        text = text[:5000]  # PyYAML is slow
    true = text.replace("\ud800", "?")  # half a character does not come in
    out = named(text).ok("jobs", "live", "-o", form).out
    assert clean(out)
    if form in ("json", "yaml"):
        whole = json.loads(out) if form == "json" else yaml.safe_load(out)
        assert whole["result"]["jobs"][0]["name"] == true
    elif form == "jsonl":
        assert json.loads(out.splitlines()[0])["name"] == true
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        assert all(
            not cell.startswith(("=", "+", "@", "-", "\t", "\r")) for row in rows for cell in row.values() if cell
        )
        assert len(rows) == len({row["job"] for row in rows})
    elif form == "html":
        assert "<img" not in out and "<a" not in out


def test_logs_and_the_output_of_a_job_steer_nothing(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = cli.services.operations
    operations.world.logs = [(datetime(2026, 11, 23, tzinfo=UTC), "cfn-init", text) for text in HOSTILE[:14]]
    out = cli.ok("logs", "live").out
    assert clean(out)
    assert len(out.splitlines()) == 14  # no line becomes two
    body = b"step 1\r 10%\r 20%\r\n\x1b]0;owned\x07\x9b2J\xff\tdone\n"
    monkeypatch.setattr(operations.shell, "run", _shell(operations.shell.run, body))
    out = cli.ok("logs", "live", "--job", "1").out
    assert clean(out)
    assert out.splitlines()[:3] == ["step 1", " 10%", " 20%"]
    assert "\tdone" in out


def _shell(run: Any, body: bytes) -> Any:
    def answer(command: Any, stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        if command[0] == "stat":
            return f"{len(body)}\n"
        if command[0] == "bash" and "base64" in command[2]:
            return b64encode(gzip.compress(body[int(command[4]) - 1 :])).decode()
        return str(run(command, stdin, timeout_s))

    return answer


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_watch_prints_a_line_per_event(cli: Any, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    happened = [Event(at, "stack", "resource", text, "CREATE_FAILED", text) for text in HOSTILE[:14]]
    monkeypatch.setattr(clusters, "events", lambda *args: iter(happened))
    out = cli.ok("watch", "live", "-o", form).out
    assert clean(out)
    assert len(out.splitlines()) == 14
    if form == "jsonl":
        assert json.loads(out.splitlines()[0])["text"] == STEERING


def test_a_bare_query_and_warnings_and_errors_steer_nothing(named: Any, tmp_path: Path) -> None:
    ops = named(STEERING)
    assert clean(ops.ok("jobs", "live", "--query", "result.jobs[0].name").out)
    ops.ok("jobs", "live", "--query", "result.jobs[0].name", "-O", "out.txt")
    assert clean((tmp_path / "out.txt").read_text())
    assert json.loads(ops.ok("jobs", "live", "--query", "result.jobs[0].name", "-o", "json").out) == STEERING
    ran = ops("status", STEERING)
    assert (ran.code, clean(ran.err)) == (2, True)
    ran = ops("status", STEERING, "-o", "json")
    assert clean(ran.err)
    assert json.loads(ran.err)["result"]["what"]


def test_warnings_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    from fmctl.cli.options import Output
    from fmctl.cli.output import warn

    warn(HOSTILE, Output())
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(HOSTILE)
    assert all(line.startswith("fmctl: warning: ") and line.isprintable() and len(line) < 5000 for line in lines)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"), ("+1", "+1"), ("-1.5e3", "-1.5e3"), ("-1-1", "'-1-1"), ("@x", "'@x"), ("\t=x", "' =x"),
        (-3, -3), (2.5, 2.5), ("", ""), ("plain", "plain"), ("\uff1d1", "'\uff1d1"), ("  =1", "'  =1"),
        ("\u00a0=1", "' =1"), ("\u3000@x", "' @x"), (True, True),
    ],
)  # fmt: skip
def test_no_cell_is_a_formula_and_numbers_stay_numbers(value: object, shown: object) -> None:
    assert csv_cell(value) == shown


@pytest.mark.parametrize("text", HOSTILE[14:], ids=range(len(HOSTILE) - 14))
def test_markdown_shows_a_text_as_it_is_written(text: str) -> None:
    markdown = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    cells = Table((Column(text), Column("b")), ((text, "x"), ("y", text)))
    page = markdown.render(as_markdown(Report(text, (Section(text, cells, (text,)),))))
    assert page.count("<tr>") == 3
    assert page.count("<td>") == 4
    assert [page.count(f"<{tag}") for tag in ("img", "a ", "code", "ul", "pre", "em", "strong", "s>")] == [0] * 8
    assert page.count("<h1>") == page.count("<h2>") == page.count("<p>") == 1


def test_a_file_in_markdown_ends_its_fence_itself() -> None:
    page = as_markdown(Report("", (Section("job.sh", code="a\n```\n# not a heading\n````\n\x1b[2J"),)))
    assert page.count("`````") == 2
    assert clean(page)


def test_a_value_of_a_query_is_clean_in_every_format() -> None:
    for form in ("table", "csv", "md", "html", "yaml", "json", "jsonl"):
        for text in HOSTILE[:7]:
            assert clean(found(form).value([{text: text}])), form
            assert clean(found(form).value(text)), form


def test_a_terminal_gets_colours_of_fmctl_alone(capsys: pytest.CaptureFixture[str]) -> None:
    from fmctl.report.text import terminal_text

    table = Table((Column("x"),), ((STEERING,), ("ok",)))
    shown = terminal_text(Report(STEERING, (Section(STEERING, table, (STEERING,)),)), 80, colour=True)
    left = shown.replace("\033[1m", "").replace("\033[1;36m", "").replace("\033[2m", "").replace("\033[32m", "")
    assert clean(left.replace("\033[0m", ""))


def test_an_answer_on_a_terminal_is_drawn_and_a_query_on_it_is_not(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert "\033[1m" in cli.ok("jobs", "live").out
    assert "\033" not in cli.ok("jobs", "live", "--query", "result.jobs[0].name").out


def test_a_coloured_log_is_read_without_its_colours() -> None:
    assert printable_lines("\x1b[32mINFO\x1b[0m step 1\n\x1b[1;31mbad\x1b[m") == "INFO step 1\nbad"
    assert clean(printable_lines("\x1b[\x1b[0m31mred\x1b[0\x1b[2K"))  # what is left over is shown
    assert "\\x1b[0m" in printable("\x1b[0m")


@pytest.mark.parametrize("name", ["$(id)", "a b", "a;id", "a`id`", "a\nb", "a\x1b[2Kb", "a*", "~", "a'b"])
def test_completion_hands_a_shell_plain_words_alone(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fmctl.cli import completing

    monkeypatch.setitem(completing._KINDS, "runs", lambda: ["fm-a_1.2", name])  # type: ignore[index]
    assert completing.complete(["runs"]) == 0
    assert capsys.readouterr().out == "fm-a_1.2\n"
