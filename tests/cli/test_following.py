"""`progress --follow`, its metrics and money, and `observe export --once`: a log that grows, terminals and pipes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fmctl.base.errors import ServiceUnavailable
from fmctl.documents.metrics import MetricsDocument
from fmctl.documents.progress import ProgressDocument
from fmctl.operate.records import Record, write_record
from fmctl.operate.state.files import FileStore
from fmctl.usecases.following import watch
from fmctl.usecases.services import Services
from tests.cli.test_progress import PLAN, log, predicted

BEGAN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def real(cli: Any) -> Any:
    """What ships, with the made-up head node and store."""
    operations = cli.services.operations
    cli.services = replace(Services(), operations=operations)
    cli.ok("plan", *PLAN, "--save", "r1")
    return cli


class NoAnswer:
    """A Prometheus that is not there."""

    def instant(self, query: str, at: float | None = None) -> Any:
        raise ServiceUnavailable("Prometheus cannot be reached", why="refused", next="check the address")


def test_without_an_answer_of_prometheus_the_log_answers_all_the_same(real: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(log(1.4 * predicted(real)))
    urls: list[str] = []
    real.services = replace(real.services, prometheus=lambda url: urls.append(url) or NoAnswer())
    ran = real.ok("progress", "r1", "--log", "a.log", "--prometheus", "http://127.0.0.1:9", "--json")
    document = ran.json()
    ProgressDocument.model_validate(document)
    assert ["Prometheus cannot be reached (refused)" in one for one in document["warnings"]] == [True]
    assert document["result"]["state"]["records"] == 39
    table = real.ok("progress", "r1", "--log", "a.log", "--prometheus", "http://127.0.0.1:9")
    assert "warning: Prometheus cannot be reached" in table.err and "Against the plan" in table.out
    assert "metrics of the nodes may" in table.out  # who was not answered has seen nothing
    real.ok("config", "set", "prometheus_url", "http://127.0.0.1:8")
    real.ok("progress", "r1", "--log", "a.log")
    assert urls[-1] == "http://127.0.0.1:8"


def test_without_a_clock_metrics_are_not_asked_but_since_says_how_far(real: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"step": i, "step_time_s": 9.0}) + "\n" for i in range(20)))
    words = ("progress", "r1", "--log", "a.jsonl", "--prometheus", "http://127.0.0.1:9", "--json")
    real.services = replace(real.services, prometheus=lambda url: NoAnswer())
    assert "has no clock" in real.ok(*words).json()["warnings"][0]
    assert "cannot be reached" in real.ok(*words, "--since", "1h").json()["warnings"][0]


@pytest.mark.parametrize("url", ["", "ftp://x", "http://user:pw@127.0.0.1", "127.0.0.1:9090"])
def test_an_address_that_is_none_is_an_error(real: Any, tmp_path: Path, url: str) -> None:
    (tmp_path / "a.log").write_text(log(9.0))
    ran = real("progress", "r1", "--log", "a.log", "--prometheus", url)
    assert ran.code == 2 and "pw" not in ran.err


def record(**changes: Any) -> Record:
    made = Record(
        name="live", region="us-east-1", account="", plan="r1", plan_digest="", spec_digest="", config_digest="",
        tags={}, instance="p5.48xlarge", nodes=32, usd_per_h=1800.0, max_hours=100.0, created_by="me", began=BEGAN,
        end=BEGAN + timedelta(hours=100),
    )  # fmt: skip
    return replace(made, **changes)


def test_what_the_cluster_cost_counts_from_its_beginning(real: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(log(9.0))  # the first record is of 10:01:30, the last of 10:58:30
    store = FileStore(tmp_path / "store")
    write_record(store, record())
    real.services.operations.store = lambda *_: store
    words = ("progress", "r1", "--log", "a.log", "--store", "store", "--json")
    with_record = real.ok(*words, "--cluster", "live").json()["result"]
    assert with_record["spent_usd"] == pytest.approx(1800.0 * 118.5 / 60)
    without = real.ok(*words, "--cluster", "another").json()["result"]
    assert without["spent_usd"] is None

    def total(result: Any) -> float:
        return float(next(one["measured"] for one in result["figures"] if one["name"] == "total_usd"))

    assert total(with_record) == pytest.approx(total(without) * 1800.0 / price(without) + 1800.0 * 61.5 / 60, rel=0.01)
    write_record(store, record(state="gone", spent_usd=5.0))
    assert real.ok(*words, "--cluster", "live").json()["result"]["spent_usd"] == 5.0


def price(result: Any) -> float:
    figures = {one["name"]: one for one in result["figures"]}
    return float(3600.0 * figures["total_usd"]["measured"] / figures["wall_s"]["measured"])


def test_a_run_that_is_done_is_finished(real: Any, tmp_path: Path) -> None:
    whole = log(9.0).replace("/  238419", "/     395")
    (tmp_path / "a.log").write_text(whole)
    real.ok("plan", *PLAN[:1], *PLAN[3:], "--save", "untold")  # a plan of no whole run: the log tells the length
    told = real.ok("progress", "untold", "--log", "a.log").out
    assert re.search(r"finished\s+2026-11-22 10:58 UTC", told) and "at this pace" not in told


@pytest.mark.parametrize("words", [("-O", "x"), ("--query", "result"), ("--fields", "name")])
def test_what_follows_is_no_file_and_no_selection(real: Any, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "a.log").write_text(log(9.0))
    assert real("progress", "r1", "--log", "a.log", "--follow", *words).code == 2


class Grown:
    """A run that is followed without a clock: every sleep is one more reading of what `grow` does."""

    def __init__(self, grow: list[Callable[[], None]]) -> None:
        self.grow, self.slept = grow, 0

    def __call__(self, seconds: float) -> None:
        self.slept += 1
        assert self.slept < 100, "it does not end"
        if self.grow:
            self.grow.pop(0)()


def test_each_change_is_shown_once_and_a_finished_quiet_log_ends_it(real: Any, tmp_path: Path) -> None:
    from fmctl.domain.logged import Job
    from fmctl.progress.feeds import FileFeed
    from fmctl.progress.formats import Parser
    from fmctl.usecases.beside import Beside
    from fmctl.usecases.following import Followed

    path = tmp_path / "a.jsonl"
    path.write_text('{"step": 1, "step_time_s": 9.0, "loss": 2.5}\n')

    def more(text: str) -> Callable[[], None]:
        def write() -> None:
            with path.open("a") as stream:
                stream.write(text)

        return write

    row = real.ok("plan", *PLAN, "--json").json()["result"]["rows"][0]
    feed = FileFeed(str(path), Parser(Job(total_steps=3)))
    beside = Beside(row, None, "r1", None, None, lambda: BEGAN)
    found = Followed("r1", row, real.services.catalogue.load_instance("p5.48xlarge"), feed, beside)
    shown: list[Any] = []
    grow = [
        more("nothing new\n"),
        more('{"step": 2, "step_time_s": 9.0}\n'),
        more('{"step": 3,'),
        more(' "loss": 1}\n'),
    ]
    watch(found, lambda answer: shown.append(answer.document["result"]["state"]["last_step"]), Grown(grow))
    assert shown == [1, 2, 3]


@pytest.fixture
def program(real: Any, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `fmctl progress r1 --follow` on a growing log; ends what it started."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **more: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "fmctl", "progress", "r1", "--log", "a.jsonl", "--follow", *words]
        started.append(subprocess.Popen(command, **more))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()
        for stream in (one.stdout, one.stderr):
            if stream is not None:
                stream.close()


def add(path: Path, step: int) -> None:
    with path.open("a") as stream:
        stream.write(json.dumps({"step": step, "step_time_s": 9.0, "loss": 2.5, "at": 1.8e9 + 9 * step}) + "\n")


def test_through_a_pipe_every_change_is_a_line(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    add(path, 1)
    ran = program(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for step in (1, 2, 3):
        document = json.loads(ran.stdout.readline())
        ProgressDocument.model_validate(document)
        assert document["result"]["state"]["last_step"] == step
        add(path, step + 1)
        written = time.monotonic()
        assert select.select([ran.stdout], [], [], 10.0)[0]
        assert step < 3 or time.monotonic() - written < 5.0  # the promise is a second; a busy machine gets more
    ran.send_signal(signal.SIGINT)
    assert ran.wait(timeout=10) == 130
    assert b"Traceback" not in ran.stderr.read()


def drawn(leader: int, seconds: float, until: bytes) -> bytes:
    found, ends = b"", time.monotonic() + seconds
    while time.monotonic() < ends and until not in found:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                found += os.read(leader, 65_536)
            except OSError:
                break
    return found


def test_a_terminal_is_redrawn_in_place_and_left_as_it_was(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    add(path, 41)
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "NO_COLOR": "1"}
    ran = program(stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    first = drawn(leader, 20.0, b"goodput")
    assert b"\033[?25l" in first and b"41 of" in first
    add(path, 42)
    second = drawn(leader, 10.0, b"42 of")
    lines = int(re.search(rb"\033\[(\d+)F\033\[J", second)[1])  # type: ignore[index]
    assert lines > 10 and b"42 of" in second
    ran.send_signal(signal.SIGINT)
    assert b"\033[?25h" in drawn(leader, 10.0, b"\033[?25h")
    assert ran.wait(timeout=10) == 130
    assert b"\033[1" not in first + second  # no colour
    os.close(leader)


def test_metrics_once_as_text_and_as_a_document(real: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(log(9.0))
    words = ("observe", "export", "r1", "--log", "a.log", "--once")
    text = real.ok(*words).out
    assert 'fmctl_step{cluster="r1",run="r1"} 390.0\n' in text
    measured = re.search(r'fmctl_measured\{cluster="r1",run="r1",figure="step_s"\} (.*)', text)
    assert measured is not None and float(measured[1]) == pytest.approx(9.0, rel=0.001)
    for unknown in ("power_w", "memory_bytes", "save_stall_s"):
        assert f'fmctl_measured{{cluster="r1",run="r1",figure="{unknown}"}}' not in text
    assert "fmctl_spend_usd" not in text and "fmctl_checkpoint_timestamp_seconds" not in text
    document = real.ok(*words, "--json").json()
    MetricsDocument.model_validate(document)
    names = {one["name"] for one in document["result"]["metrics"]}
    assert names == set(re.findall(r"^# TYPE (\S+)", text, re.M))


def test_of_a_log_that_has_not_begun_nothing_is_counted(real: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("starting\n")
    text = real.ok("observe", "export", "r1", "--log", "a.log", "--once").out
    assert {line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")} == {
        "fmctl_predicted", "fmctl_predicted_low", "fmctl_predicted_high", "fmctl_planned_steps", "fmctl_log_readable",
    }  # fmt: skip


@pytest.mark.parametrize("address", ["", "localhost", "::", "300.1.1.1", "127.0.0.1; rm"])
def test_an_address_to_listen_on_is_one(real: Any, tmp_path: Path, address: str) -> None:
    (tmp_path / "a.log").write_text(log(9.0))
    assert real("observe", "export", "r1", "--log", "a.log", "--address", address).code == 2


def test_with_a_state_only_what_is_new_is_read(real: Any, tmp_path: Path) -> None:
    whole = log(9.0)
    words = ("progress", "r1", "--log", "a.log", "--state", "kept", "--json")
    (tmp_path / "a.log").write_text(whole[:5000])
    first = real.ok(*words).json()["result"]["state"]
    (tmp_path / "a.log").write_text("x" * 2000 + whole[2000:])  # what was read is not looked at again, but for its end
    found = real.ok(*words).json()["result"]
    (tmp_path / "b.log").write_text(whole)
    assert found["state"] == real.ok("progress", "r1", "--log", "b.log", "--json").json()["result"]["state"]
    assert found["state"]["records"] > first["records"]
    (tmp_path / "kept").write_text("a letter to my aunt")
    assert real(*words).code == 2
    assert (tmp_path / "kept").read_text() == "a letter to my aunt"


class Away:
    """A log that cannot be read now and then, as one behind a head node that reboots."""

    over = False

    def __init__(self, feed: Any) -> None:
        self.parser, self.feed, self.away = feed.parser, feed, False

    def read(self) -> Any:
        if self.away:
            raise ServiceUnavailable("the head node does not answer", next="later")
        return self.feed.read()


def test_a_head_node_that_is_away_ends_nothing_and_is_told(real: Any, tmp_path: Path) -> None:
    from fmctl.progress.feeds import FileFeed
    from fmctl.progress.formats import Parser
    from fmctl.usecases.beside import Beside
    from fmctl.usecases.exporting import families_now
    from fmctl.usecases.following import Followed

    path = tmp_path / "a.jsonl"
    add(path, 1)
    row = real.ok("plan", *PLAN, "--json").json()["result"]["rows"][0]
    feed: Any = Away(FileFeed(str(path), Parser()))
    beside = Beside(row, None, "r1", None, None, lambda: BEGAN)
    found = Followed("r1", row, real.services.catalogue.load_instance("p5.48xlarge"), feed, beside)

    def readable() -> list[float]:
        return [one.samples[0][1] for one in families_now(found, {})[0] if one.name == "fmctl_log_readable"]

    assert found.advance() and (found.trouble, readable()) == (None, [1.0])
    feed.away = True
    assert found.advance() and not found.advance()  # told once
    assert "does not answer" in str(found.trouble) and readable() == [0.0]
    assert found.answer().warnings == (found.trouble,)
    feed.away = False
    add(path, 2)
    assert found.advance() and (found.trouble, readable()) == (None, [1.0])
    assert found.summary.progress().last_step == 2


def test_who_trains_on_beyond_the_plan_is_followed_on(real: Any, tmp_path: Path) -> None:
    from fmctl.domain.logged import Job
    from fmctl.progress.feeds import FileFeed
    from fmctl.progress.formats import Parser
    from fmctl.usecases.beside import Beside
    from fmctl.usecases.following import Followed, is_over

    path = tmp_path / "a.jsonl"
    for step in (1, 2, 3, 4):
        add(path, step)
    row = real.ok("plan", *PLAN, "--json").json()["result"]["rows"][0]
    beside = Beside(row, None, "r1", None, None, lambda: BEGAN)
    instance = real.services.catalogue.load_instance("p5.48xlarge")
    for total, quiet_s, over in ((4, 20.0, False), (4, 28.0, True), (3, 28.0, True), (5, 1e6, False)):
        found = Followed("r1", row, instance, FileFeed(str(path), Parser(Job(total_steps=total))), beside)
        found.read()
        assert is_over(found, quiet_s) is over, (total, quiet_s)


def test_clocks_of_no_calendar_and_a_pace_of_ages_are_survived(real: Any, tmp_path: Path) -> None:
    def told(*times: float) -> str:
        lines = [json.dumps({"step": i, "step_time_s": 9.0, "at": at}) for i, at in enumerate(times, 1)]
        (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
        real.services = replace(real.services, prometheus=lambda url: NoAnswer())
        return str(real.ok("progress", "r1", "--log", "a.jsonl", "--prometheus", "http://127.0.0.1:9").out)

    assert "finish" not in told(-1e15, 1e18, 5e300)
    assert "never" in told(0.0, 1.0, 2.5e11)
