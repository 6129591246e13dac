"""What metrics of nodes become, from answers written by hand: no figure from nothing, no error from a bad answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.base.errors import FmctlError, PermissionDenied, ServiceUnavailable, UsageError
from fmctl.catalog import load_instance
from fmctl.observe.measured import Measured, Window, measure, queries
from fmctl.perf.run.energy import AIR, nameplate_w, node_w_by_gpus
from fmctl.progress import diagnose as rules
from fmctl.progress.diagnose import diagnose
from fmctl.progress.evidence import Evidence
from fmctl.report.known import BY_GPUS, Known, figures_of
from tests.unit.progress.test_compare import ROW, run

HOURS = Window(0.0, 4 * 3600.0)
P5 = load_instance("p5.48xlarge")


@dataclass(frozen=True)
class Series:
    labels: dict[str, str]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Answered:
    series: list[Series]


class Fake:
    """Answers by the name of the query; counts them."""

    def __init__(self, window: Window = HOURS, error: FmctlError | None = None, **found: list[Series]) -> None:
        self.names = {query: name for name, query in queries("c1", window).items()}
        self.found, self.error, self.asked = found, error, list[str]()

    def instant(self, query: str, at: float | None = None) -> Answered:
        self.asked.append(self.names[query])
        if self.error is not None:
            raise self.error
        return Answered(self.found.get(self.names[query], []))


def gpus(*values: float, nodes: int = 2) -> list[Series]:
    """That many GPUs, spread over nodes in their order."""
    each = len(values) // nodes
    return [
        Series({"cluster": "c1", "node": f"n{i // each}", "gpu": str(i % each)}, (v,)) for i, v in enumerate(values)
    ]


def told(**found: list[Series]) -> Measured:
    return measure(Fake(**found), "c1", HOURS, 4, 700.0)


def test_nothing_is_measured_where_there_are_no_metrics() -> None:
    found = told()
    assert (found.values, found.gpu_power_w) == ({}, None)
    (warning,) = found.warnings
    assert warning.startswith(
        "Prometheus has no metrics with cluster='c1' from 1970-01-01 00:00 to 1970-01-01 04:00 UTC"
    )


def test_each_value_comes_from_its_own_metric() -> None:
    assert set(told(clock=gpus(1.8e9, 1.75e9, 1.7e9, 1.2e9)).values) == {"slowest_clock_excess"}
    assert set(told(thermal=gpus(0, 0, 0, 0.5)).values) == {"thermal_share"}
    assert set(told(active=gpus(0.9, 0.9, 0.9, 0.9)).values) == {"gpu_active_share"}
    assert set(told(io=[Series({"node": "n0"}, (0.4,))]).values) == set()  # who waits while GPUs work is no news


def test_every_value_is_a_field_of_the_evidence_that_diagnose_takes() -> None:
    everything = {name: gpus(0.5, 0.5, 0.5, 0.5) for name in Fake().names.values()}
    assert set(told(**everything).values) <= {field.name for field in fields(Evidence)}


def test_the_slowest_gpu_is_its_nodes_clock_and_the_node_is_named() -> None:
    found = told(clock=gpus(1.8e9, 1.6e9, 1.6e9, 1.8e9, 1.8e9, 1.2e9, nodes=3))
    assert found.values["slowest_clock_excess"] == pytest.approx(1.2 / 1.6 - 1.0)
    assert found.where["slowest_clock_excess"] == "n2"
    assert "slowest_clock_excess" not in told(clock=gpus(1.8e9, 1.2e9, nodes=1)).values  # nobody to compare with


def test_a_slowdown_is_a_brake_as_far_as_it_is_not_heat() -> None:
    assert told(brake=gpus(0, 0), slowed=gpus(0.5, 0.2)).values["brake_share"] == 0.5
    hot = told(brake=gpus(0, 0.1), slowed=gpus(0.5, 0.0), thermal=gpus(0.5, 0.0))
    assert (hot.values["brake_share"], hot.where["brake_share"]) == (0.1, "n1 GPU 0")


def test_spares_and_other_jobs_are_left_out() -> None:
    """Three nodes of two GPUs; the run has two of them, the third idles at a low clock, hot, and resends."""
    found = told(
        active=gpus(0.97, 0.96, 0.97, 0.97, 0.0, 0.0, nodes=3),
        clock=gpus(1.7e9, 1.7e9, 1.7e9, 1.7e9, 0.345e9, 0.345e9, nodes=3),
        thermal=gpus(0, 0, 0, 0, 1, 1, nodes=3),
        limit=gpus(700, 700, 700, 700, 400, 400, nodes=3),
        resent=[Series({"node": "n0"}, (1e-6,)), Series({"node": "n2"}, (0.5,))],
        steady=[Series({"cluster": "c1"}, (0.99,))],
    )
    assert found.values["slowest_clock_excess"] == found.values["thermal_share"] == 0.0
    assert found.values["power_limit_excess"] == 0.0 and found.values["retransmit_share"] == 1e-6
    assert found.values["gpu_active_share"] == pytest.approx(0.97)
    assert found.values["clock_excess"] == pytest.approx(-0.01)


def test_a_query_that_a_server_cannot_answer_is_the_only_one_missing() -> None:
    class Picky(Fake):
        def instant(self, query: str, at: float | None = None) -> Answered:
            if self.names[query] == "thermal":
                raise UsageError("Prometheus cannot answer this query", why="too many samples")
            return super().instant(query, at)

    found = measure(Picky(brake=gpus(0.5, 0.0)), "c1", HOURS, 4)
    assert found.values == {"brake_share": 0.5}
    assert found.warnings == ("Prometheus cannot answer this query (too many samples): thermal",)


def test_a_lowered_limit_is_told_against_the_catalogue() -> None:
    found = told(limit=gpus(700, 700, 400, 700))
    assert (found.values["power_limit_excess"], found.where["power_limit_excess"]) == (
        pytest.approx(400 / 700 - 1.0),
        "n1 GPU 0",
    )
    assert "power_limit_excess" not in measure(Fake(limit=gpus(400, 400)), "c1", HOURS, 2, None).values


def test_idle_gpus_wait_for_data_only_as_far_as_somebody_waits_for_storage() -> None:
    def waiting(active: float, io: float) -> float:
        return told(active=gpus(active, active), io=[Series({"node": "n0"}, (io,))]).values["data_wait_share"]

    assert waiting(0.6, 0.9) == pytest.approx(0.3)
    assert waiting(0.6, 0.2) == pytest.approx(0.2)
    assert waiting(0.95, 0.9) == waiting(0.6, 0.0) == 0.0


def test_power_is_of_the_runs_gpus_and_of_nearly_all_or_not_at_all() -> None:
    assert told(power=gpus(600, 600, 600, 400)).gpu_power_w == pytest.approx(2200.0)
    spares = told(power=gpus(100, 600, 600, 600, 600, 100))
    assert (spares.gpu_power_w, spares.gpus) == (pytest.approx(2400.0), 4)
    half = told(power=gpus(600, 600))
    assert half.gpu_power_w is None and "2 of 4 GPUs" in half.warnings[0]


def test_nan_is_no_value() -> None:
    assert told(thermal=gpus(math.nan, math.nan), power=gpus(math.nan, math.inf)).values == {}


@pytest.mark.parametrize("error", [ServiceUnavailable("Prometheus did not answer"), PermissionDenied("no entry")])
def test_who_does_not_answer_is_asked_once_and_is_a_warning(error: FmctlError) -> None:
    server = Fake(error=error)
    found = measure(server, "c1", HOURS, 4)
    assert len(server.asked) == 1 and found.values == {}
    assert len(found.warnings) == 1 and error.what in found.warnings[0]


def test_queries_are_few_and_young_runs_have_no_best_part() -> None:
    assert len(queries("c1", HOURS)) <= 12
    assert "[14400s:60s]" in queries("c1", HOURS)["clock"]


def test_many_gpus_are_looked_at_less_often() -> None:
    class Heard:
        def __init__(self) -> None:
            self.queries: list[str] = []

        def instant(self, query: str, at: float | None = None) -> Answered:
            self.queries.append(query)
            return Answered([])

    for count, step in ((4, "60s"), (1024, "60s"), (2048, "120s"), (16_384, "300s")):
        server = Heard()
        measure(server, "c1", HOURS, count)
        assert f"[14400s:{step}]" in server.queries[0]
    assert "steady" in queries("c1", HOURS) and "steady" not in queries("c1", Window(0.0, 600.0))
    assert all('cluster="c1"' in query for query in queries("c1", HOURS).values())


@given(st.dictionaries(st.sampled_from(sorted(Fake().names.values())), st.lists(st.floats(), max_size=5)))
def test_any_answer_is_survived_and_shares_stay_numbers(found: dict[str, list[float]]) -> None:
    answered: dict[str, Any] = {name: gpus(*values, nodes=1) for name, values in found.items() if values}
    for value in told(**answered).values.values():
        assert not math.isnan(value)


def test_power_of_a_node_by_its_gpus_meets_the_model_in_both_states() -> None:
    limit = P5.gpus * P5.accelerator.power_w
    assert node_w_by_gpus(P5, 0.88 * limit) == pytest.approx(nameplate_w(P5) * AIR.compute)
    assert node_w_by_gpus(P5, 0.12 * limit) == pytest.approx(nameplate_w(P5) * AIR.idle)


def test_power_is_compared_as_whole_nodes_and_says_what_was_metered() -> None:
    row = {**ROW, "gpus": 64}
    by_gpus = Measured("c1", HOURS, {}, {}, 64 * 0.6 * 700.0, 64)
    (power,) = (one for one in figures_of(row, run(), P5, Known(by_gpus)) if one.name == "power_w")
    assert power.measured == pytest.approx(8 * node_w_by_gpus(P5, 8 * 0.6 * 700.0))
    assert power.why == BY_GPUS and power.verdict != "unknown"
    (power,) = (one for one in figures_of(row, run(), P5, Known()) if one.name == "power_w")
    assert (power.measured, power.verdict) == (None, "unknown")


def test_the_limit_alone_is_no_reason_at_full_load_but_a_lowered_one_or_a_brake_is() -> None:
    assert diagnose(Evidence(power_share=1.0)) == ()
    assert diagnose(Evidence(power_share=1.0, power_limit_excess=0.0, clock_excess=-0.02)) == ()
    for evidence in (
        Evidence(power_share=1.0, power_limit_excess=-0.4, slowest_clock_excess=-0.2),
        Evidence(brake_share=0.9, slowest_clock_excess=-0.4),
        Evidence(power_share=1.0, clock_excess=-0.15),
    ):
        assert diagnose(evidence)[0].name == rules.POWER
    assert diagnose(Evidence(power_limit_excess=-0.4)) == ()  # lowered, and nothing held down: idle, or a light load
