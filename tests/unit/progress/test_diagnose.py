"""Planted faults are named first, healthy runs are left in peace, and every reason shows what it rests on."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmctl.progress import diagnose as rules
from fmctl.progress.diagnose import RULES, Reason, diagnose
from fmctl.progress.evidence import Evidence
from tests.unit.progress.cluster import NODES, Fault, ran

HEALTHY = Fault()
FAULTS = [
    Fault(rules.STRAGGLER, work=1.25),
    Fault(rules.THERMAL, clock=0.75, hot=True),
    Fault(rules.POWER, hit=NODES, clock=0.85, capped=True),
    Fault(rules.NETWORK, network=0.4, resent=0.02),
    Fault(rules.EXCHANGE, experts=2.6),
    Fault(rules.DATA, batch_s=1.2),
    Fault(rules.SAVES, save_s=120.0),
    Fault(rules.RESTARTS, restarts=4),
    Fault(rules.HOST, host_s=1.6),
    Fault(rules.MEMORY, memory=0.98, retries=0.3),
    Fault(rules.LOSS, nan_at=350),
]
IDS = [fault.name for fault in FAULTS]


def first(evidence: Evidence) -> str:
    reasons = diagnose(evidence)
    return reasons[0].name if reasons else ""


@pytest.mark.parametrize("fault", FAULTS, ids=IDS)
def test_the_planted_fault_is_named_first(fault: Fault) -> None:
    assert [first(ran(fault, seed)) for seed in range(5)] == [fault.name] * 5


@pytest.mark.parametrize("fault", FAULTS, ids=IDS)
def test_a_milder_fault_is_named_first_or_not_at_all(fault: Fault) -> None:
    mild = Fault(
        fault.name,
        fault.hit,
        clock=1 - (1 - fault.clock) / 2,
        hot=fault.hot,
        capped=fault.capped,
        work=1 + (fault.work - 1) / 2,
        network=1 - (1 - fault.network) / 2,
        resent=fault.resent / 2,
        experts=1.15 + (fault.experts - 1.15) / 2,
        batch_s=fault.batch_s / 2,
        save_s=10 + (fault.save_s - 10) / 2,
        restarts=fault.restarts // 2,
        host_s=fault.host_s / 2,
        retries=fault.retries / 2,
        memory=fault.memory,
        nan_at=fault.nan_at,
    )
    assert {first(ran(mild, seed)) for seed in range(5)} <= {fault.name, ""}


def test_nothing_is_named_on_a_healthy_run_without_noise() -> None:
    assert diagnose(ran(HEALTHY, 0, noise=0.0)) == ()


@pytest.mark.slow
def test_nothing_is_named_on_two_hundred_healthy_runs() -> None:
    assert {seed: names for seed in range(200) if (names := [r.name for r in diagnose(ran(HEALTHY, seed))])} == {}


def test_a_log_alone_tells_of_a_slow_rank_saves_restarts_retries_and_nan() -> None:
    by_log = (rules.STRAGGLER, rules.SAVES, rules.RESTARTS, rules.MEMORY, rules.LOSS)
    told = [fault for fault in FAULTS if fault.name in by_log]
    assert [first(ran(replace(fault, metrics=False), 1)) for fault in told] == [fault.name for fault in told]


def test_nothing_is_named_where_nothing_was_measured() -> None:
    assert diagnose(Evidence()) == ()


def test_what_follows_from_another_reason_comes_after_it() -> None:
    hot = ran(Fault(rules.THERMAL, clock=0.75, hot=True), 0)
    assert [r.name for r in diagnose(hot)] == [rules.THERMAL, rules.STRAGGLER]
    assert diagnose(replace(hot, thermal_share=0.0, temperature_c=60.0))[0].name == rules.STRAGGLER


def test_a_hot_gpu_that_keeps_its_clocks_is_no_reason() -> None:
    assert diagnose(replace(ran(HEALTHY, 0), temperature_c=90.0)) == ()


def test_a_power_limit_at_full_clocks_is_no_reason() -> None:
    assert diagnose(replace(ran(HEALTHY, 0), power_share=0.9)) == ()


def test_a_slow_exchange_with_even_experts_is_not_called_imbalance() -> None:
    slow = replace(ran(HEALTHY, 0), all_to_all_share=0.4)
    assert diagnose(slow) == ()
    assert first(replace(slow, expert_load=None)) == rules.EXCHANGE


@pytest.mark.parametrize("fault", FAULTS, ids=IDS)
def test_every_reason_lists_values_beyond_what_is_normal(fault: Fault) -> None:
    evidence = ran(fault, 0)
    for reason in diagnose(evidence):
        assert reason.values
        assert 0.0 < reason.score <= 1.0
        assert reason.advice
        for value in reason.values:
            assert value.measured == getattr(evidence, value.name) != value.normal
        assert reason.as_dict()["values"][0]["name"] in {f.name for f in fields(Evidence)}


NUMBERS = {f.name: st.one_of(st.none(), st.floats(-0.99, 3.0)) for f in fields(Evidence) if f.name != "slowest_rank"}


@given(st.fixed_dictionaries(NUMBERS))
def test_any_evidence_has_an_answer_in_order(values: dict[str, float | None]) -> None:
    reasons = diagnose(Evidence(**values))  # type: ignore[arg-type]
    names = [r.name for r in reasons]
    assert len(set(names)) == len(names)
    assert set(names) <= {name for name, _, _ in RULES}
    assert all(isinstance(r, Reason) and 0.0 <= r.score <= 1.0 for r in reasons)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_slower_rank_never_scores_less(a: float, b: float) -> None:
    scores = [next((r.score for r in diagnose(Evidence(rank_excess=x))), 0.0) for x in sorted((a, b))]
    assert scores[0] <= scores[1]
