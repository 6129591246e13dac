"""Candidates that cannot win: whose step, with nothing but its layers, is slower than rows already found.

A row is left out when its lower bound (perf.train.floor) exceeds the step of the last mesh that can matter: the
`kept`-th best mesh so far. Every mesh that the search returns has a row at least as fast as that, and rows only ever
get better, so none of the left-out ones could have been returned, refined, or been the fastest that fits. Until `kept`
meshes fit and meet the targets nothing is left out: where there is no answer, every reason is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, product

import numpy as np

from fmctl.domain.layout import IntArray, Layouts, Recompute, Schedule
from fmctl.domain.result import FloatArray
from fmctl.perf.train.floor import micro_batch_s, step_floor_s
from fmctl.plan.axes import AXES, MESH_FIELDS
from fmctl.plan.cluster import Cluster
from fmctl.plan.constraints import BoolArray
from fmctl.plan.space import Lot

# The bound adds in another order than the model: rounding must not make it larger than what it bounds.
ROUNDING = 1.0 - 1e-9
# Lots that are looked at before all others: twice the meshes that are kept, since some will not fit.
FIRST_LOTS = 48
# Codes as plain integers: looking up an enum member costs as much as a NumPy call on a few rows.
_ZERO_BUBBLE, _INTERLEAVED, _FULL = int(Schedule.ZERO_BUBBLE), int(Schedule.INTERLEAVED), int(Recompute.FULL)


@dataclass(slots=True, eq=False, repr=False)
class Bounds:
    """Lower bounds for the lots of one cluster; `ceiling`: the step that a row must not exceed to matter, s."""

    cluster: Cluster
    ceiling: float = float("inf")
    _times: dict[Lot, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    _lowest: dict[Lot, float] = field(default_factory=dict)

    def groups(self, lots: list[Lot]) -> tuple[list[Lot], list[Lot]]:
        """The lots with the lowest bounds, which bring the ceiling down, and the others in the order they came in."""
        if not lots:
            return [], []
        starts = np.cumsum([0, *(len(lot.micro) for lot in lots)])
        whole, forward = self._layer_times(lots)
        lowest = np.minimum.reduceat(self._mesh_floors(lots, whole), starts[:-1])
        for lot, start, end, low in zip(lots, starts[:-1], starts[1:], lowest.tolist(), strict=True):
            self._times[lot] = (whole[start:end], forward[start:end])
            self._lowest[lot] = low
        first = set(sorted(lots, key=self._lowest.__getitem__)[:FIRST_LOTS])
        return [lot for lot in lots if lot in first], [lot for lot in lots if lot not in first]

    def hopeless(self, lot: Lot) -> bool:
        """Whether no row of the lot can matter any more."""
        return self._lowest[lot] * ROUNDING > self.ceiling

    def too_slow(self, lot: Lot, chosen: Mapping[str, IntArray]) -> BoolArray:
        """Which rows of the options [Q] crossed with the micro batches [M] cannot matter, shape [Q, M]."""
        whole, forward = self._times[lot]
        pp, layers = lot.mesh.pp, self.cluster.arch.n_layers
        some = chosen["recompute_layers"]
        again = np.where(some > 0, np.minimum(some * pp / layers, 1.0), 1.0) * (chosen["recompute"] == _FULL)
        with_it = whole[None, :] + again[:, None] * forward[None, :]
        bubble = np.where(chosen["schedule"] == _ZERO_BUBBLE, 0.0, (pp - 1.0) / chosen["vpp"])
        floor = step_floor_s(with_it, self._counts(lot)[None, :], np.asarray(float(pp)), bubble[:, None])
        slow: BoolArray = floor * ROUNDING > self.ceiling
        return slow

    def _counts(self, lot: Lot) -> FloatArray:
        """Micro batches per step for each micro batch size."""
        counts: FloatArray = self.cluster.workload.global_batch / (lot.mesh.dp * lot.micro.astype(np.float64))
        return counts

    def _layer_times(self, lots: list[Lot]) -> tuple[FloatArray, FloatArray]:
        """Layer times of every lot's micro batches, one lot after another; the least over what is chosen per layer."""
        axes = [axis.fields for axis in AXES if axis.of_layer]
        rows, sizes, variants = [], [], []
        for lot in lots:
            mesh = tuple(getattr(lot.mesh, name) for name in MESH_FIELDS)
            choices = list(product(*(lot.options.choices[fields] for fields in axes)))
            rows += [(*mesh, *chain.from_iterable(choice)) for choice in choices]
            sizes += [len(lot.micro)] * len(choices)
            variants.append(len(choices))
        table = np.repeat(np.array(rows, dtype=np.int64), sizes, axis=0)
        names = (*MESH_FIELDS, *chain.from_iterable(axes))
        columns: dict[str, IntArray | int] = {name: table[:, j] for j, name in enumerate(names)}
        columns["micro_batch"] = np.concatenate([np.tile(lot.micro, v) for lot, v in zip(lots, variants, strict=True)])
        c = self.cluster
        whole, forward = micro_batch_s(
            c.arch, c.workload, c.instance, Layouts(len(table), columns), c.framework, c.calibration
        )
        if max(variants) == 1:
            return np.broadcast_to(whole, (len(table),)), np.broadcast_to(forward, (len(table),))
        return _least(whole, lots, variants), _least(forward, lots, variants)

    def _mesh_floors(self, lots: list[Lot], whole: FloatArray) -> FloatArray:
        """The bound of each lot's micro batches with its best schedule, one lot after another."""
        sizes = [len(lot.micro) for lot in lots]
        pp = np.repeat([float(lot.mesh.pp) for lot in lots], sizes)
        counts = np.concatenate([self._counts(lot) for lot in lots])
        # An interleaved schedule needs a multiple of pp micro batches.
        every = np.repeat([_bubble(lot, interleaved=True) for lot in lots], sizes)
        plain = np.repeat([_bubble(lot, interleaved=False) for lot in lots], sizes)
        return step_floor_s(whole, counts, pp, np.where(counts % pp == 0.0, every, plain))


def _least(values: FloatArray, lots: list[Lot], variants: list[int]) -> FloatArray:
    parts, start = [], 0
    for lot, v in zip(lots, variants, strict=True):
        end = start + v * len(lot.micro)
        parts.append(values[start:end].reshape(v, len(lot.micro)).min(axis=0))
        start = end
    return np.concatenate(parts)


def _bubble(lot: Lot, interleaved: bool) -> float:
    """Smallest share of a micro batch that the lot's schedules wait for, in units of T / p; infinite without one."""
    shares = [
        0.0 if schedule == _ZERO_BUBBLE else (lot.mesh.pp - 1.0) / vpp
        for vpp, schedule in lot.options.choices["vpp", "schedule"]
        if interleaved or schedule != _INTERLEAVED
    ]
    return min(shares, default=float("inf"))
