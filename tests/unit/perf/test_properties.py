"""What physics says of any layout: where memory and time may not grow, that parts add up, that rows stand alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Layout, Layouts, Precision, Recompute, Schedule, Sharding
from fmctl.domain.terms import TERMS
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.train.evaluate import evaluate
from tests.unit.perf.helpers import instance, model, run
from tests.unit.perf.strategies import INSTANCES, PRESETS, Case, cases, spread

ROUNDING = 1e-12
PARTS = {parent: [t.name for t in TERMS if t.parent == parent] for parent in ("step_s", "allocated_bytes")}


def not_more(after: float, before: float, slack: float = ROUNDING) -> bool:
    return after <= before * (1.0 + slack)


@given(cases())
@settings(max_examples=200)
def test_terms_are_finite_and_add_up(case: Case) -> None:
    row = case.terms().row(0)
    assert list(row) == [t.name for t in TERMS]
    assert all(np.isfinite(value) for value in row.values())
    assert all(value >= 0.0 for name, value in row.items() if name != "margin_bytes")
    for parent, parts in PARTS.items():
        assert sum(row[name] for name in parts) == pytest.approx(row[parent], rel=1e-9), parent
    assert row["step_low_s"] < row["step_s"] < row["step_high_s"]
    assert row["allocated_bytes"] <= row["reserved_bytes"] <= row["used_bytes"]
    assert row["mfu"] <= row["hfu"]
    assert row["measured_fraction"] <= 1.0
    for kind in ("tp", "cp", "ep", "pp", "dp"):
        assert not_more(row[f"{kind}_exposed_s"], row[f"{kind}_total_s"], 1e-9), kind


@pytest.mark.parametrize("on", INSTANCES)
@pytest.mark.parametrize("arch", PRESETS)
def test_every_preset_on_every_instance_under_every_framework(arch: str, on: str) -> None:
    rows = [Layout(tp=8, dp=8, micro_batch=2, recompute=r) for r in Recompute]
    for framework in FRAMEWORKS:
        terms = run(arch, on, rows, framework=framework)
        assert all(np.all(np.isfinite(terms[t.name])) for t in TERMS)
        assert np.all(terms["mfu"] < 1.0)


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["tp", "pp", "dp"])
@given(cases())
def test_more_ranks_never_need_more_memory_each(field: str, case: Case) -> None:
    layout = case.layout
    if field == "pp":
        # Layers that do not divide sit in longer stages than their share, and the first stage holds pp micro batches.
        even = [p for p in (4, 2, 1) if model(case.arch).n_layers % (2 * p) == 0]
        assume(even)
        layout = replace(layout, pp=even[layout.micro_batch % len(even)], vpp=1, schedule=Schedule.ONE_F_ONE_B)
    wider = replace(layout, **{field: 2 * getattr(layout, field)})
    if field == "tp":
        wider = replace(wider, etp=2 * layout.etp if layout.etp > 1 else 1)
    if field == "dp":
        assume(layout.sharding != Sharding.NONE)
    assume(case.valid(wider))
    narrow, wide = case.terms(layout, wider)["used_bytes"]
    # A rank that joins one more group holds one more communicator's buffers.
    assert not_more(wide, narrow + 2 * 0.35e9)
    if getattr(layout, field) > 1:
        assert not_more(wide, narrow)


@given(cases())
def test_sequence_parallelism_saves_memory(case: Case) -> None:
    assume(case.layout.tp > 1)
    off, on = case.terms(case.with_layout(sequence_parallel=0), case.with_layout(sequence_parallel=1))["used_bytes"]
    assert not_more(on, off)


@given(cases())
def test_recomputation_trades_time_for_memory(case: Case) -> None:
    terms = case.terms(*(case.with_layout(recompute=r, recompute_layers=0) for r in Recompute))
    none, selective, full = terms["used_bytes"]
    assert not_more(selective, none)
    assert not_more(full, selective)
    time = terms["step_s"]
    assert not_more(time[0], time[1])
    assert not_more(time[0], time[2])


@given(cases())
def test_each_layer_recomputed_trades_time_for_memory(case: Case) -> None:
    stage = max(model(case.arch).n_layers // case.layout.pp, 1)
    rows = [case.with_layout(recompute=Recompute.FULL, recompute_layers=n) for n in range(1, stage + 1)]
    terms = case.terms(*rows)
    assert np.all(terms["step_s"][1:] >= terms["step_s"][:-1] * (1.0 - ROUNDING))
    assert np.all(terms["used_bytes"][1:] <= terms["used_bytes"][:-1] * (1.0 + ROUNDING))


@given(cases())
def test_larger_micro_batches_need_more_memory(case: Case) -> None:
    wider = case.with_layout(micro_batch=2 * case.layout.micro_batch)
    assume(case.valid(wider))
    small, large = case.terms(case.layout, wider)["used_bytes"]
    assert not_more(small, large)


# --- time -----------------------------------------------------------------------------------------------------------


@given(cases())
def test_more_tokens_take_longer(case: Case) -> None:
    now = case.terms()["step_s"][0]
    assert case.terms(batch=2 * case.batch)["step_s"][0] > now
    assert case.terms(seq=2 * case.seq)["step_s"][0] > now


def slower(on: Instance, nvlink: float = 1.0, network: float = 1.0, hbm: float = 1.0) -> Instance:
    """`on` with rates divided by the factors given."""
    fabric, gpu = on.fabric, on.accelerator
    return replace(
        on,
        accelerator=replace(gpu, hbm_bytes_per_s=gpu.hbm_bytes_per_s / hbm),
        fabric=replace(
            fabric,
            nvlink=replace(fabric.nvlink, bytes_per_s=fabric.nvlink.bytes_per_s / nvlink),
            network=replace(fabric.network, bytes_per_s=fabric.network.bytes_per_s / network),
        ),
    )


@pytest.mark.parametrize(("what", "factor"), [("nvlink", 1.1), ("network", 3.0), ("hbm", 1.5)])
@given(cases())
def test_slower_hardware_takes_longer(what: str, factor: float, case: Case) -> None:
    on = instance(case.on)
    arch, workload, rows = model(case.arch), TrainingWorkload(case.seq, case.batch), Layouts.of([case.layout])
    framework = FRAMEWORKS[case.framework]
    fast = evaluate(arch, workload, on, rows, framework)["step_s"][0]
    slow = evaluate(arch, workload, slower(on, **{what: factor}), rows, framework)["step_s"][0]
    assert not_more(fast, slow)


@pytest.mark.parametrize("on", ["p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge", "p6-b300.48xlarge"])
@pytest.mark.parametrize("arch", ["llama-3.1-70b", "llama-3.1-405b", "gpt3-175b", "mixtral-8x22b"])
def test_low_precision_pays_at_large_shapes(arch: str, on: str) -> None:
    offered = [Precision.BF16, Precision.FP8] + ([Precision.NVFP4] if on.startswith("p6") else [])
    rows = [Layout(tp=4, dp=16, sequence_parallel=1, precision=p) for p in offered]
    terms = run(arch, on, rows, seq=16384)
    # NVFP4 may lose to FP8 by a few percent where narrow experts make its GEMMs bandwidth-bound.
    for name in ("gemm_s", "step_s"):
        assert terms[name][1] < terms[name][0]
        assert np.all(terms[name][2:] < 1.05 * terms[name][1])


@given(cases())
def test_interleaving_never_lengthens_the_bubble(case: Case) -> None:
    pp = case.layout.pp
    assume(pp > 1)
    plain = case.with_layout(vpp=1, schedule=Schedule.ONE_F_ONE_B)
    finer = [
        case.with_layout(vpp=v, schedule=Schedule.INTERLEAVED) for v in (2, 4) if v * pp <= model(case.arch).n_layers
    ]
    bubble = case.terms(plain, *finer)["bubble_s"]
    assert np.all(np.diff(bubble) <= ROUNDING * bubble[0])
    zero_bubble = case.terms(plain, case.with_layout(vpp=1, schedule=Schedule.ZERO_BUBBLE))["bubble_s"]
    assert zero_bubble[1] <= zero_bubble[0]


@given(cases())
def test_cuda_graphs_and_more_overlap_never_cost(case: Case) -> None:
    eager, layer, full = case.terms(*(case.with_layout(cuda_graph=graph) for graph in range(3)))["step_s"]
    assert not_more(layer, eager)
    assert not_more(full, layer)


# --- one evaluation, two uses ---------------------------------------------------------------------------------------


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Case, list[Layout]]:
    """A case, and layouts that are valid in its place."""
    case = draw(cases())
    rows = [case.layout]
    for _ in range(draw(st.integers(5, 25))):
        tp, dp = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from([1, 4, 16]))
        candidate = Layout(
            tp=tp,
            pp=draw(st.sampled_from([1, 2, 4])),
            cp=draw(st.sampled_from([1, 2])),
            ep=draw(st.sampled_from([1, 4])),
            dp=dp,
            micro_batch=draw(st.sampled_from([1, 2, 4])),
            sequence_parallel=draw(st.integers(0, 1)),
            sharding=draw(st.integers(0, 3)),
            recompute=draw(st.integers(0, 2)),
            precision=case.layout.precision,
        )
        if case.valid(candidate):
            rows.append(candidate)
    return case, rows


@given(crowds())
def test_a_row_of_many_is_that_row_alone(crowd: tuple[Case, list[Layout]]) -> None:
    case, rows = crowd
    many = case.terms(*rows)
    for i, layout in enumerate(rows):
        alone = case.terms(layout)
        assert alone.row(0) == many.row(i), layout


@given(crowds(), st.integers(1, 9))
def test_chunks_and_the_whole_agree(crowd: tuple[Case, list[Layout]], size: int) -> None:
    case, rows = crowd
    whole = case.terms(*rows)
    chunks = [case.terms(*rows[i : i + size]) for i in range(0, len(rows), size)]
    for name in ("step_s", "used_bytes", "mfu", "checkpoint_save_s"):
        assert np.array_equal(np.concatenate([chunk[name] for chunk in chunks]), whole[name]), name


@given(crowds())
def test_ranking_sees_the_numbers_of_the_full_evaluation(crowd: tuple[Case, list[Layout]]) -> None:
    case, rows = crowd
    full = case.terms(*rows)
    fast = run(case.arch, case.on, spread(case, rows), case.seq, case.batch, case.framework, detail=False)
    for name in ("step_s", "used_bytes"):
        assert np.array_equal(fast[name], full[name]), name


@given(cases())
def test_a_column_of_one_value_may_be_a_scalar(case: Case) -> None:
    rows = [case.layout, case.layout, case.layout]
    listed = Layouts.of(rows)
    scalars = Layouts(3, {name: int(values[0]) for name, values in listed.columns.items()})
    for name in ("step_s", "used_bytes"):
        one = np.broadcast_to(run(case.arch, case.on, scalars, case.seq, case.batch, case.framework)[name], (3,))
        assert np.array_equal(one, case.terms(*rows)[name])
