"""The equations, once with quantities instead of numbers: a wrong unit fails here and costs nothing at run time.

FLOPs, tokens and counts have no unit; bytes and seconds are units of their own. Then the whole evaluation, with every
second made two: each time must double, bit for bit, or a bare number of seconds hides somewhere.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pint
import pytest

from fmctl.catalog import instance_names, load_instance, load_model
from fmctl.domain.layout import Dispatcher, Layout, Layouts, Recompute, Schedule
from fmctl.domain.terms import TERMS
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops import collectives, kernels
from fmctl.perf.ops.calibration import PRIOR
from fmctl.perf.run import cost, energy
from fmctl.perf.train import schedule, setup
from fmctl.perf.train.evaluate import evaluate

UNITS = pint.UnitRegistry()
UNITS.define("octet = [data]")  # pint's own byte has no dimension
UNITS.define("usd = [money]")
Q = UNITS.Quantity
S, B, RATE = UNITS.second, UNITS.octet, UNITS.octet / UNITS.second
ONE = np.array([1.0, 3.0])
INSTANCE = load_instance("p5.48xlarge")


def dims(value: Any) -> Any:
    return Q(value).dimensionality


TIME, DATA = dims(Q(1.0, S)), dims(Q(1.0, B))


def kernel_quantities() -> kernels.KernelRates:
    rates = kernels.kernel_rates(INSTANCE.accelerator, "fa3", PRIOR)
    return replace(
        rates,
        rate_flop_per_s=Q(rates.rate_flop_per_s, 1 / S),
        fixed_s=Q(rates.fixed_s, S),
        gemm_hbm_bytes_per_s=Q(rates.gemm_hbm_bytes_per_s, RATE),
        operand_bytes=Q(rates.operand_bytes, B),
        attention_forward_flop_per_s=Q(rates.attention_forward_flop_per_s, 1 / S),
        attention_backward_flop_per_s=Q(rates.attention_backward_flop_per_s, 1 / S),
        hbm_bytes_per_s=Q(rates.hbm_bytes_per_s, RATE),
    )


def fabric_quantities() -> collectives.FabricRates:
    f = collectives.fabric_rates(INSTANCE.fabric)

    def nvlink(fit: collectives.NvlinkFit) -> Any:
        a0, a1, share, ramp = fit
        return Q(a0, S), Q(a1, S), share, Q(ramp, B)

    net = replace(
        f.net,
        base_s=Q(f.net.base_s, S),
        node_s=Q(f.net.node_s, S),
        peer_s=Q(f.net.peer_s, S),
        send_s=Q(f.net.send_s, S),
        ramp_bytes=Q(f.net.ramp_bytes, B),
    )
    return replace(
        f,
        nv_bytes_per_s=Q(f.nv_bytes_per_s, RATE),
        nv_ring=nvlink(f.nv_ring),
        nv_all_to_all=nvlink(f.nv_all_to_all),
        net_bytes_per_s=Q(f.net_bytes_per_s, RATE),
        net=net,
    )


@pytest.fixture
def timed_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "STREAM_LAUNCH_S", Q(kernels.STREAM_LAUNCH_S, S))
    monkeypatch.setattr(kernels, "ATTENTION_FIXED_S", Q(kernels.ATTENTION_FIXED_S, S))


@pytest.mark.usefixtures("timed_constants")
def test_the_check_sees_a_wrong_unit() -> None:
    rates = replace(kernel_quantities(), hbm_bytes_per_s=Q(1.0, B))
    with pytest.raises(pint.DimensionalityError):
        kernels.stream_s(rates, Q(ONE, B), 1.0)


@pytest.mark.usefixtures("timed_constants")
def test_kernels() -> None:
    rates, plain = kernel_quantities(), kernels.kernel_rates(INSTANCE.accelerator, "fa3", PRIOR)
    precision = np.array([0, 1])
    m, n, k = 4096.0 * ONE, 2048.0 * ONE, 1024.0 * ONE
    for groups in (ONE, 8.0 * ONE):
        time = kernels.gemm_s(rates, precision, m, n, k, groups, Q(2.0, B))
        assert dims(time) == TIME
        assert np.array_equal(time.to(S).magnitude, kernels.gemm_s(plain, precision, m, n, k, groups, 2.0))
    for backward in (False, True):
        core = kernels.attention_s(rates, 1e12 * ONE, Q(1e9 * ONE, B), 4096.0 * ONE, 128, backward)
        assert dims(core) == TIME
    assert dims(kernels.stream_s(rates, Q(1e9 * ONE, B), 8.0)) == TIME


def test_collectives() -> None:
    f, plain = fabric_quantities(), collectives.fabric_rates(INSTANCE.fabric)
    size, ranks, local = Q(1e8 * ONE, B), np.array([8.0, 64.0]), np.array([8.0, 8.0])
    for equation in (collectives.gather_s, collectives.all_reduce_s, collectives.all_to_all_s):
        time = equation(f, size, ranks, local)
        assert dims(time) == TIME
        assert time.to(S).magnitude == pytest.approx(equation(plain, size.magnitude, ranks, local), rel=1e-12)
    assert dims(collectives.dispatch_s(f, size, np.array(8.0), ranks, local)) == TIME
    assert dims(collectives.send_s(f, size, np.array([True, False]))) == TIME


def test_schedules() -> None:
    kinds = np.array([int(s) for s in Schedule])
    pp, vpp, g = np.full(3, 8.0), np.array([1.0, 4.0, 1.0]), np.full(3, 64.0)
    assert dims(schedule.bubble_s(kinds, Q(np.full(3, 7.0), S), Q(np.full(3, 2.0), S), pp, vpp)) == TIME
    for sends in schedule.sends_s(Q(np.full(3, 1e-4), S), g, pp, vpp):
        assert dims(sends) == TIME
    # Micro batches in flight are a count.
    assert dims(schedule.in_flight(kinds, np.zeros(3), pp, vpp, g)) == dims(1.0)


def test_money_and_energy() -> None:
    tokens_per_s = Q(1e6, 1 / S)
    per_h = cost.usd_per_h(Q(98.32, UNITS.usd / UNITS.hour), 16)
    # The equations convert hours to seconds by 3600 and tokens by 10^9: one hour's price of a run of an hour is itself.
    assert dims(per_h) == dims(Q(1.0, UNITS.usd / S))
    assert dims(cost.usd_per_billion_tokens(per_h, tokens_per_s)) == dims(Q(1.0, UNITS.usd))
    assert dims(cost.run_usd(per_h, Q(3600.0, S))) == dims(Q(1.0, UNITS.usd))
    assert cost.run_usd(98.32, 3600.0) == 98.32
    assert cost.usd_per_billion_tokens(3600.0, 1e9) == 1.0
    watts = Q(10e3, UNITS.watt)
    assert dims(energy.wh_per_million_tokens(watts, tokens_per_s)) == dims(Q(1.0, UNITS.watt * UNITS.hour))
    assert energy.wh_per_million_tokens(3600.0, 1e6) == 1.0


# --- the whole evaluation, with every second made two ---------------------------------------------------------------

SECONDS = (
    "host_layer_s", "host_moe_layer_s", "host_expert_s", "host_collective_s", "host_send_s", "host_rank_s",
    "broadcast_s", "update_layer_s", "step_overhead_s", "token_s",
)  # fmt: skip
# The one bare number of seconds left: perf.train.states adds it to the optimizer's time.
OPTIMIZER_FIXED_S = 2e-3
LAYOUTS = [
    Layout(tp=8, pp=2, vpp=2, dp=4, sequence_parallel=1, schedule=Schedule.INTERLEAVED, sharding=1),
    Layout(tp=2, cp=2, ep=4, dp=16, recompute=Recompute.SELECTIVE, sharding=3),
    Layout(tp=4, pp=4, ep=8, dp=8, recompute=Recompute.FULL, dispatcher=Dispatcher.FUSED, precision=1),
]


def doubled_fabric(fabric: Any) -> collectives.FabricRates:
    f = collectives.fabric_rates(fabric)

    def nvlink(fit: collectives.NvlinkFit) -> collectives.NvlinkFit:
        return 2.0 * fit[0], 2.0 * fit[1], fit[2], fit[3]

    net = replace(f.net, **{name.name: 2.0 * getattr(f.net, name.name) for name in fields(f.net) if
                            name.name.endswith("_s")})  # fmt: skip
    return replace(
        f,
        nv_bytes_per_s=f.nv_bytes_per_s / 2.0,
        nv_ring=nvlink(f.nv_ring),
        nv_all_to_all=nvlink(f.nv_all_to_all),
        net_bytes_per_s=f.net_bytes_per_s / 2.0,
        net=net,
    )


def doubled_kernels(*arguments: Any) -> kernels.KernelRates:
    rates = kernels.kernel_rates(*arguments)
    slow = {f.name: getattr(rates, f.name) / 2.0 for f in fields(rates) if f.name.endswith("_per_s")}
    return replace(rates, fixed_s=2.0 * rates.fixed_s, **slow)


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
@pytest.mark.parametrize("name", ["llama-3.1-70b", "deepseek-v3", "qwen3-next-80b-a3b", "nemotron-h-56b"])
@pytest.mark.parametrize("on", instance_names(plannable_only=True)[3::3])
def test_every_time_doubles_with_the_second(
    monkeypatch: pytest.MonkeyPatch, on: str, name: str, framework: str
) -> None:
    arch, instance, workload = load_model(name), load_instance(on), TrainingWorkload(4096, 128)
    calibration = replace(PRIOR, wait_per_doubling=0.0)
    rows = Layouts.of(LAYOUTS if arch.is_moe else [replace(layout, ep=1) for layout in LAYOUTS])
    profile = FRAMEWORKS[framework]
    once = evaluate(arch, workload, instance, rows, profile, calibration)
    monkeypatch.setattr(kernels, "STREAM_LAUNCH_S", 2.0 * kernels.STREAM_LAUNCH_S)
    monkeypatch.setattr(kernels, "ATTENTION_FIXED_S", 2.0 * kernels.ATTENTION_FIXED_S)
    monkeypatch.setattr(setup, "kernel_rates", doubled_kernels)
    monkeypatch.setattr(setup, "fabric_rates", doubled_fabric)
    slow = replace(profile, **{field: 2.0 * getattr(profile, field) for field in SECONDS})
    twice = evaluate(arch, workload, instance, rows, slow, calibration)
    for term in TERMS:
        before, after = once[term.name], twice[term.name]
        if term.group not in ("time", "communication"):
            continue
        if term.name == "optimizer_s":
            assert after - OPTIMIZER_FIXED_S == pytest.approx(2.0 * (before - OPTIMIZER_FIXED_S), rel=1e-9)
        elif term.name in ("step_s", "step_low_s", "step_high_s"):
            assert after == pytest.approx(2.0 * before, rel=1e-2), term.name  # they hold the optimizer's fixed part
        elif term.name == "logits_s":
            assert after == pytest.approx(2.0 * before, rel=1e-9), term.name  # a difference of large sums
        else:
            assert np.array_equal(after, 2.0 * before), term.name
    for name_ in (t.name for t in TERMS if t.group == "memory"):
        assert np.array_equal(once[name_], twice[name_]), name_
