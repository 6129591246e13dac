"""`progress --prometheus` and `observe export` against a real Prometheus: a fake fleet, no rules installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmctl.__main__ import main
from fmctl.adapters.prometheus.client import Prometheus
from fmctl.observe.render import PROMETHEUS, as_yaml, render
from fmctl.observe.scrape import DCGM, EFA, JOB_HEAD, NODE, Targets
from fmctl.observe.watched import Settings
from fmctl.progress import diagnose as rules
from tests.observe.conftest import ROW
from tests.observe.fake_fleet import HEALTHY, NODES, Fault, address, serve
from tests.observe.server import free_port, running

pytestmark = pytest.mark.real("prometheus")

HOSTILE_RUN = "r\"1\\ {{ $x }} [[z]] '`é\N{PILE OF POO}"
SCRAPED = (NODE, DCGM, EFA)
PLAN = ("llama-3.1-8b", "--tokens", "10B", "--nodes", "1", "--instances", "p5.48xlarge")
# (first reason, where it is, what is planted); the first GPU of the first node unless everywhere.
FAULTS: list[tuple[str, str, Fault]] = [
    ("", "", HEALTHY),
    (rules.STRAGGLER, "slowest_clock_excess", Fault({"DCGM_FI_DEV_SM_CLOCK": 1300})),
    (
        rules.THERMAL,
        "thermal_share",
        Fault({"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 0x64, "DCGM_FI_DEV_SM_CLOCK": 1300, "DCGM_FI_DEV_GPU_TEMP": 91}),
    ),
    (
        rules.POWER,
        "power_limit_excess",
        Fault({"DCGM_FI_DEV_POWER_MGMT_LIMIT": 400, "DCGM_FI_DEV_SM_CLOCK": 1200}, everywhere=True),
    ),
    (rules.POWER, "brake_share", Fault({"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 0x88, "DCGM_FI_DEV_SM_CLOCK": 900})),
    (rules.NETWORK, "retransmit_share", Fault({"node_amazonefa_retrans_pkts": lambda t: 0.1 * t * 1.2e6})),
    (rules.NETWORK, "retransmit_share", Fault({"node_amazonefa_retrans_bytes": lambda t: 1e9 * t})),
    (
        rules.DATA,
        "",
        Fault(
            {"DCGM_FI_DEV_GPU_UTIL": 62, "node_pressure_io_waiting_seconds_total": lambda t: 0.6 * t}, everywhere=True
        ),
    ),
    ("", "", Fault({"DCGM_FI_DEV_GPU_UTIL": 62}, everywhere=True)),  # idle, and nothing says for what
    (
        "",
        "",
        Fault({"node_pressure_io_waiting_seconds_total": lambda t: 0.6 * t}, everywhere=True),
    ),  # busy all the same
]
# What exporters do not count must not be a zero: these fall back to bytes.
NO_PACKETS = 6


@dataclass(frozen=True)
class World:
    """A Prometheus that has looked at the fleet for a while, a plan, and its log so far."""

    server: Prometheus
    url: str
    folder: Path
    began: float


def run(*words: str) -> int:
    return main(list(words))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's own folders, with a saved plan."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMCTL_DATA", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))
        assert run("plan", *PLAN, "--save", "m1", "-q", "-O", str(folder / "plan.txt")) == 0
        yield folder


@pytest.fixture(scope="module")
def world(
    prometheus: str, open_loopback: None, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("prometheus")
    clusters = [(fault, "r1") for _, _, fault in FAULTS]
    with serve(clusters, tuple(one.name for one in SCRAPED)) as ports:
        jobs: list[dict[str, Any]] = []
        exporters = tuple(replace(one, port=ports[one.name]) for one in SCRAPED)
        for number in range(len(FAULTS)):
            hosts = tuple(address(number, node) for node in range(NODES))
            files = render(ROW, f"c{number}", Settings(scrape_s=1), Targets(hosts, exporters=exporters))
            config = yaml.safe_load(files[PROMETHEUS])
            jobs += config["scrape_configs"]
        drop = {"source_labels": ["__name__"], "regex": "node_amazonefa_.*_pkts", "action": "drop"}
        for job in jobs:
            if job["job_name"] == f"c{NO_PACKETS}-efa":
                job["metric_relabel_configs"] = [drop]
        (folder / PROMETHEUS).write_text(as_yaml(config | {"rule_files": [], "scrape_configs": jobs}))
        began = time.time()
        with running(prometheus, folder) as (server, url):
            time.sleep(10)
            yield World(server, url, folder, began)


def predicted_step(data: Path) -> float:
    document = json.loads((data / "plans" / "m1.json").read_text())
    return float(document["result"]["rows"][0]["time"]["step_s"])


def log_of(folder: Path, step_s: float, began: float, ended: float) -> Path:
    """A log of lines of JSON whose steps state a time; its clock is the fleet's."""
    path = folder / f"{step_s:.6f}.jsonl"
    lines = [
        {"step": i + 1, "step_time_s": step_s, "loss": 2.5, "at": began + i * (ended - began) / 49} for i in range(50)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_the_planted_fault_is_named_first(
    world: World, data: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    name, where, _ = FAULTS[number]
    log = log_of(world.folder, 1.35 * predicted_step(data), world.began + 3, time.time())
    words = ("--log", str(log), "--prometheus", world.url, "--metrics-cluster", f"c{number}", "--json")
    assert run("progress", "m1", *words) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert "step_s" in result["worse"]
    assert [one["name"] for one in result["reasons"]][:1] == ([name] if name else []), result["metrics"]
    if where:
        assert where in [value["name"] for value in result["reasons"][0]["values"]]
        assert result["metrics"]["where"][where].startswith("127.1.")
        if number != 3:  # there all are at fault
            assert result["metrics"]["where"][where].partition(" ")[0] == address(number, 0)


def test_a_cluster_that_prometheus_does_not_know_is_a_warning(
    world: World, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = log_of(world.folder, 1.35 * predicted_step(data), world.began + 3, time.time())
    assert run("progress", "m1", "--log", str(log), "--prometheus", world.url, "--metrics-cluster", "nobody") == 0
    told = capsys.readouterr()
    assert "Prometheus has no metrics with cluster='nobody'" in told.err and "Against the plan" in told.out


def until(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        told = found()
        if told:
            return told
        time.sleep(0.2)
    raise AssertionError("it did not come")


def test_the_exporter_is_scraped_and_a_growing_log_sets_an_alert_off(
    prometheus: str, promtool: str, data: Path, tmp_path: Path
) -> None:
    """From a log that grows to an alert that fires: fmctl's exporter, scrape jobs and rules; a hostile name."""
    log, port = tmp_path / "live.jsonl", free_port()
    step_s, two_days_ago = predicted_step(data), time.time() - 2 * 86_400.0

    def write(step: int, loss: float, at: float) -> None:
        with log.open("a") as stream:
            stream.write(json.dumps({"step": step, "step_time_s": step_s, "loss": loss, "at": at}) + "\n")

    for step in range(1, 11):
        write(step, 2.5, two_days_ago + step)
    row = json.loads((data / "plans" / "m1.json").read_text())["result"]["rows"][0]
    where = Targets((), "127.0.0.1", (replace(JOB_HEAD, port=port),))
    files = render(row, "live", Settings(run=HOSTILE_RUN, scrape_s=1, pace=1 / 80), where)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [
        sys.executable, "-m", "fmctl", "observe", "export", "m1", "--log", str(log), "--port", str(port),
        "--run", HOSTILE_RUN, "--metrics-cluster", "live",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as exporter:
        try:
            assert exporter.stderr is not None and f"http://127.0.0.1:{port}/metrics" in exporter.stderr.readline()
            with running(prometheus, tmp_path) as (server, _):
                (step,) = until(lambda: server.instant('fmctl:run_step{cluster="live"}').series)
                assert (step.values, step.labels["run"]) == ((10.0,), HOSTILE_RUN)

                def firing(name: str) -> list[Any]:
                    return [one for one in server.alerts() if (one.name, one.state) == (name, "firing")]

                until(lambda: firing("CheckpointOverdue"))  # begun two days ago, and nothing saved
                assert not firing("LossNotFinite")
                write(11, float("nan"), time.time())
                assert until(lambda: firing("LossNotFinite"))[0].labels["run"] == HOSTILE_RUN
                with log.open("a") as stream:
                    stream.write("successfully saved checkpoint from iteration      11 to /fsx\n")
                until(lambda: not firing("CheckpointOverdue"))
                (measured,) = server.instant('fmctl_measured{figure="step_s"}').series
                assert measured.values[0] == pytest.approx(step_s, rel=0.01)
        finally:
            exporter.terminate()
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=subprocess.run([*command, "--once"], capture_output=True, text=True, check=True).stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
