"""Hours of metrics written into a real Prometheus's store: what only a long window shows."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from fmctl.adapters.prometheus.client import Prometheus
from fmctl.observe.measured import Window, measure
from fmctl.observe.render import PROMETHEUS
from fmctl.progress.diagnose import POWER, diagnose
from fmctl.progress.evidence import Evidence
from tests.observe.server import running

pytestmark = pytest.mark.real("prometheus")

HOURS, EVERY_S = 4, 30
# Clock (MHz), share of time busy and power limit reached (bit 0x4) of a GPU, by seconds since the run began.
GPU = Callable[[int], tuple[float, float, int]]


def steady(t: int) -> tuple[float, float, int]:
    """At the power limit, as training is; clocks differ by what a step does."""
    return 1700.0 + t // EVERY_S * 37 % 60, 97.0, 0x4


def restarted(t: int) -> tuple[float, float, int]:
    """Idle for half an hour: clocks rise where nobody works."""
    return (1980.0, 0.0, 0x1) if 3600 <= t < 5400 else steady(t)


def capped(t: int) -> tuple[float, float, int]:
    """From the second hour on a limit takes a fifth of the clock, on all GPUs at once."""
    return (1380.0, 97.0, 0x4) if t > 3600 else steady(t)


RUNS: dict[str, GPU] = {"steady": steady, "restarted": restarted, "capped": capped}


@dataclass(frozen=True)
class Past:
    server: Prometheus
    window: Window


@pytest.fixture(scope="module")
def past(
    prometheus: str, promtool: str, open_loopback: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Past]:
    folder = tmp_path_factory.mktemp("past")
    end = int(time.time()) - 600
    start = end - HOURS * 3600
    names = ("DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_CLOCKS_EVENT_REASONS")
    lines = []
    for index, name in enumerate(names):
        lines.append(f"# TYPE {name} gauge")
        for cluster, gpu in RUNS.items():
            for where in ("a", "b"):
                of = f'{name}{{cluster="{cluster}",node="{where}",gpu="0"}}'
                lines += [f"{of} {gpu(t)[index]} {start + t}" for t in range(0, end - start + 1, EVERY_S)]
    (folder / "past.txt").write_text("\n".join([*lines, "# EOF\n"]))
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(folder / "past.txt"), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True)
    (folder / PROMETHEUS).write_text("global: {}\n")
    with running(prometheus, folder) as (server, _):
        yield Past(server, Window(float(start), float(end)))


def evidence(past: Past, cluster: str) -> Evidence:
    found = measure(past.server, cluster, past.window, 2)
    assert found.warnings == ()
    return replace(Evidence(step_excess=0.2), **dict[str, float](found.values))  # type: ignore[arg-type]


@pytest.mark.parametrize("cluster", ["steady", "restarted"])
def test_a_run_at_its_limit_and_idle_clocks_are_no_reason(past: Past, cluster: str) -> None:
    found = evidence(past, cluster)
    assert found.clock_excess == pytest.approx(0.0, abs=0.01)
    assert found.power_share is not None and found.power_share > 0.8
    assert diagnose(found) == ()


def test_a_limit_that_comes_later_is_told_from_the_runs_own_best_part(past: Past) -> None:
    found = evidence(past, "capped")
    # Three quarters at 1,380 MHz and one at 1,730 over 1,730.
    assert found.clock_excess == pytest.approx((0.75 * 1380 + 0.25 * 1730) / 1730 - 1.0, abs=0.015)
    assert [one.name for one in diagnose(found)] == [POWER]


def test_a_week_is_looked_at_with_as_many_points(past: Past) -> None:
    week = Window(past.window.end - 7 * 86_400.0, past.window.end)
    assert measure(past.server, "steady", week, 2).values["power_share"] == pytest.approx(1.0)
