"""The bounds of lots by hand: the least of each lot, which lots come first, which lot and which row cannot win."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fmctl.catalog import load_instance, load_model
from fmctl.domain.layout import Layout, Layouts
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR
from fmctl.perf.train.floor import micro_batch_s
from fmctl.plan import bounds
from fmctl.plan.axes import Scope
from fmctl.plan.bounds import Bounds
from fmctl.plan.cluster import Cluster
from fmctl.plan.space import Lot, Tally, lots, setting_of

ARCH, P5, MEGATRON = load_model("llama-3-8b"), load_instance("p5.48xlarge"), FRAMEWORKS["megatron"]
BATCH = 12


def made(**fixed: tuple[int, ...]) -> tuple[Bounds, list[Lot]]:
    work = TrainingWorkload(4096, BATCH)
    cluster = Cluster(ARCH, work, P5, 1, MEGATRON, price=None)  # type: ignore[arg-type]
    scope = Scope(setting_of(ARCH, P5, MEGATRON, 4096, BATCH, True), 8, fixed)
    return Bounds(cluster), list(lots(scope, Tally()))


def times(lot: Lot, micro: int, **more: int) -> tuple[float, float]:
    """Seconds of a micro batch over all stages, and of its forward pass, the least over what a layer may do."""
    mesh = {name: getattr(lot.mesh, name) for name in ("tp", "pp", "cp", "ep", "etp", "dp")}
    found = []
    for precision in lot.options.choices[("precision",)]:
        row = Layout(**mesh, micro_batch=micro, precision=precision[0], sequence_parallel=int(lot.mesh.tp > 1), **more)
        work = TrainingWorkload(4096, BATCH)
        found.append(micro_batch_s(ARCH, work, P5, Layouts.of([row]), MEGATRON, PRIOR))
    return min(float(w[0]) for w, _ in found), min(float(f[0]) for _, f in found)


@pytest.mark.parametrize("fixed", [{}, {"precision": (0, 1)}, {"vpp": (1,)}, {"cp": (1,), "vpp": (1, 2)}])
def test_the_least_of_a_lot(fixed: dict[str, tuple[int, ...]]) -> None:
    found, all_of_them = made(**fixed)
    found.groups(all_of_them)
    assert len(all_of_them) > 3
    for lot in all_of_them:
        pp, floors = lot.mesh.pp, []
        for micro in lot.micro.tolist():
            count = BATCH / (lot.mesh.dp * micro)
            # An interleaved schedule, whose bubble is shorter by its chunks, needs a multiple of pp micro batches.
            chunks = [v for v, s in lot.options.choices["vpp", "schedule"] if s != 1 or count % pp == 0]
            waits = min(((pp - 1) / v for v in chunks), default=np.inf)
            floors.append(times(lot, micro)[0] / pp * (count + waits))
        assert found._lowest[lot] == pytest.approx(min(floors), rel=1e-12)


def test_zero_bubbles_wait_for_nothing() -> None:
    framework_lot: Any = made(pp=(4,), cp=(1,))[1][0]
    plain = dict(framework_lot.options.choices)
    for choices, interleaved, share in (
        ([(1, 2)], False, 0.0), ([(1, 0)], False, 3.0), ([(1, 0), (2, 1)], False, 3.0), ([(1, 0), (2, 1)], True, 1.5),
        ([(2, 1)], False, np.inf), ([(1, 2), (2, 1)], True, 0.0),
    ):  # fmt: skip
        lot = Lot(
            framework_lot.mesh,
            type(framework_lot.options)(plain | {("vpp", "schedule"): choices}, 1),
            framework_lot.micro,
        )
        assert bounds._bubble(lot, interleaved) == share


def test_lots_with_the_lowest_bounds_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FIRST_LOTS", 3)
    found, all_of_them = made()
    first, others = found.groups(all_of_them)
    assert (len(first), len(others)) == (3, len(all_of_them) - 3)
    assert max(found._lowest[lot] for lot in first) <= min(found._lowest[lot] for lot in others)
    # Each in the order in which they came.
    assert [lot for lot in all_of_them if lot in first] == first
    assert [lot for lot in all_of_them if lot in others] == others
    assert Bounds(found.cluster).groups([]) == ([], [])


def test_what_cannot_win() -> None:
    found, all_of_them = made(pp=(2,), cp=(1,), tp=(2,))
    found.groups(all_of_them)
    (lot,) = all_of_them
    low = found._lowest[lot]
    for ceiling, hopeless in ((low * 1.001, False), (low, False), (low * 0.999, True), (np.inf, False)):
        found.ceiling = ceiling
        assert found.hopeless(lot) == hopeless
    # Rows: without recomputation, all of it, five of a stage's sixteen layers; 1F1B, two chunks, no bubble.
    chosen = {
        "recompute": np.array([0, 2, 2, 1, 0, 0, 2]), "recompute_layers": np.array([0, 0, 5, 0, 0, 0, 99]),
        "schedule": np.array([0, 0, 0, 0, 1, 2, 0]), "vpp": np.array([1, 1, 1, 1, 2, 1, 1]),
    }  # fmt: skip
    share = np.array([0.0, 1.0, 5 * 2 / 32, 0.0, 0.0, 0.0, 1.0])
    waits = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 0.0, 1.0])
    by_hand = np.empty((7, len(lot.micro)))
    for m, micro in enumerate(lot.micro.tolist()):
        whole, forward = times(lot, micro)
        by_hand[:, m] = (whole + share * forward) / 2 * (BATCH / (lot.mesh.dp * micro) + waits)
    for ceiling in np.unique(by_hand):
        found.ceiling = float(ceiling)
        assert np.array_equal(found.too_slow(lot, chosen), by_hand > ceiling * (1.0 + 1e-8))
