"""The axes of the layouts: which meshes there are, and what is free beside each.

A mesh is (tp, pp, cp, ep, etp, dp). For each mesh that can exist, options (schedule and vpp, recomputation, sharding,
...) are crossed with the micro batches (`plan.space`). The default space leaves out what seldom or never wins in this
model: sequence parallelism off under TP, other exchanges of keys and expert dispatchers than the framework's first,
interleaving in chunks of unequal length (where no number of chunks divides the layers, up to four are tried), more than
four steps of partial recomputation; `exhaustive` adds them all, and `rank` refines the winners over the full range of
partial recomputation anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np

from fmctl.domain.layout import (
    ContextComm,
    Dispatcher,
    IntArray,
    Named,
    Precision,
    Recompute,
    Schedule,
    Sharding,
)
from fmctl.plan.constraints import Mesh, Setting

Choice = tuple[int, ...]  # values of the fields of one axis
MESH_FIELDS = ("tp", "pp", "cp", "ep", "etp", "dp")
PARTIAL_STEPS = 4
# Chunks per stage tried where no number of them divides the layers (61 of DeepSeek-V3); more seldom pays.
UNEVEN_CHUNKS = 4


@dataclass(slots=True, eq=False, repr=False)
class Scope:
    """One search over one cluster: fixed fields (field -> allowed values) and whether everything is enumerated."""

    setting: Setting
    gpus: int
    fixed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    exhaustive: bool = False


def divisors(n: int) -> list[int]:
    """All divisors of n, ascending."""
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return sorted({*small, *(n // d for d in small)})


@lru_cache(maxsize=64)
def _offered(kind: type[Named], labels: tuple[str, ...]) -> tuple[int, ...]:
    """Codes of the labels that a framework profile lists."""
    return tuple(int(kind.parse(label)) for label in labels)


def allowed(scope: Scope, name: str, values: list[int]) -> list[int]:
    """The fixed values of a field, else those given."""
    return list(scope.fixed[name]) if name in scope.fixed else values


def meshes(scope: Scope) -> Iterator[Mesh]:
    """Every mesh whose degrees multiply to the GPUs, within the fixed values."""
    gpus = scope.gpus
    experts = divisors(scope.setting.arch.n_experts) if scope.setting.arch.is_moe else [1]
    for tp in allowed(scope, "tp", divisors(gpus)):
        for pp in allowed(scope, "pp", divisors(gpus // tp) if gpus % tp == 0 else []):
            for cp in allowed(scope, "cp", divisors(gpus // (tp * pp)) if gpus % (tp * pp) == 0 else []):
                if gpus % (tp * pp * cp):
                    continue
                dp = gpus // (tp * pp * cp)
                if "dp" in scope.fixed and dp not in scope.fixed["dp"]:
                    continue
                etps = [1, tp] if tp > 1 and scope.setting.arch.is_moe else [1]
                for ep, etp in product(allowed(scope, "ep", experts), allowed(scope, "etp", etps)):
                    yield Mesh(tp, pp, cp, ep, etp, dp)


def _vpp(scope: Scope, mesh: Mesh) -> list[int]:
    if "vpp" in scope.fixed:
        return list(scope.fixed["vpp"])
    if mesh.pp == 1 or "interleaved" not in scope.setting.framework.limits.schedules:
        return [1]
    layers = scope.setting.arch.n_layers
    values = range(1, layers // mesh.pp + 1)
    if scope.exhaustive:
        return list(values)
    # Layers that divide, or that divide once the end stages give up a layer each for embedding and logits.
    even = [v for v in values if v == 1 or layers % (mesh.pp * v) == 0 or (layers + 2) % (mesh.pp * v) == 0]
    return even if len(even) > 1 else [v for v in values if v <= UNEVEN_CHUNKS]


def _recompute(scope: Scope, mesh: Mesh) -> list[Choice]:
    codes = scope.fixed.get("recompute")
    codes = codes or _offered(Recompute, scope.setting.framework.limits.recomputes)
    stage = -(-scope.setting.arch.n_layers // mesh.pp)
    step = 1 if scope.exhaustive else max(1, stage // PARTIAL_STEPS)
    partial = list(scope.fixed.get("recompute_layers", (0, *range(step, stage, step))))
    pairs: list[Choice] = []
    for code in codes:
        pairs += [(code, n) for n in partial] if code == Recompute.FULL else [(code, 0)]
    return pairs


def _schedules(scope: Scope, vpp: int) -> list[int]:
    offered = _offered(Schedule, scope.setting.framework.limits.schedules)
    values = [int(Schedule.INTERLEAVED)] if vpp > 1 else [s for s in offered if s != Schedule.INTERLEAVED]
    return [v for v in allowed(scope, "schedule", values) if v in values]


def _sharding(scope: Scope, mesh: Mesh) -> list[Choice]:
    offered = list(_offered(Sharding, scope.setting.framework.limits.shardings))
    ranks = mesh.dp * mesh.cp
    inside = max(scope.setting.domain_gpus // mesh.tp, 1)
    replicas = [1] if ranks <= inside or ranks % inside else [1, ranks // inside]
    pairs: list[Choice] = []
    for code in allowed(scope, "sharding", offered if ranks > 1 else [min(offered)]):
        spread = [1] if code == Sharding.NONE else allowed(scope, "dp_replicate", replicas)
        pairs += [(code, r) for r in spread]
    return pairs


def _codes(scope: Scope, name: str, default: int, every: list[int]) -> list[int]:
    return allowed(scope, name, every if scope.exhaustive else [default])


def _schedule(scope: Scope, mesh: Mesh) -> list[Choice]:
    return [(v, s) for v in _vpp(scope, mesh) for s in _schedules(scope, v)]


def _sequence_parallel(scope: Scope, mesh: Mesh) -> list[Choice]:
    limits = scope.setting.framework.limits
    alone = limits.data_groups and mesh.cp > 1
    none = mesh.tp == 1 or not limits.sequence_parallel or alone
    return single([0] if none else _codes(scope, "sequence_parallel", 1, [0, 1]))


def _cp_comm(scope: Scope, mesh: Mesh) -> list[Choice]:
    comms = list(_offered(ContextComm, scope.setting.framework.limits.cp_comms)) or [0]
    return single([comms[0]] if mesh.cp == 1 else _codes(scope, "cp_comm", comms[0], comms))


def _dispatcher(scope: Scope, mesh: Mesh) -> list[Choice]:
    plain = int(Dispatcher.ALL_TO_ALL)
    return single([0] if mesh.ep == 1 else _codes(scope, "dispatcher", plain, [plain, int(Dispatcher.FUSED)]))


def single(values: list[int]) -> list[Choice]:
    """Values of one field as choices of its axis."""
    return [(value,) for value in values]


@dataclass(slots=True, eq=False, repr=False)
class Axis:
    """Layout fields that are chosen together beside the mesh, and which values they can take on one."""

    fields: tuple[str, ...]
    choices: Callable[[Scope, Mesh], list[Choice]]
    of_layer: bool = False  # the time of a layer depends on it; of recomputation it does too, which only adds


AXES: tuple[Axis, ...] = (
    Axis(("vpp", "schedule"), _schedule),
    Axis(("recompute", "recompute_layers"), _recompute),
    Axis(("sharding", "dp_replicate"), _sharding),
    Axis(("sequence_parallel",), _sequence_parallel, of_layer=True),
    Axis(("precision",), lambda s, m: single(allowed(s, "precision", [int(Precision.BF16)])), of_layer=True),
    Axis(("cp_comm",), _cp_comm, of_layer=True),
    Axis(("dispatcher",), _dispatcher, of_layer=True),
    Axis(("cuda_graph",), lambda s, m: single(allowed(s, "cuda_graph", [0])), of_layer=True),
)


@dataclass(slots=True, eq=False, repr=False)
class Options:
    """The option space of a mesh as a grid: the choices of each axis."""

    choices: Mapping[tuple[str, ...], list[Choice]]  # by the fields of the axis
    count: int  # points of the grid

    @property
    def sizes(self) -> tuple[int, ...]:
        """Choices per axis."""
        return tuple(len(choices) for choices in self.choices.values())


@lru_cache(maxsize=8)  # meshes that stand together share their options
def option_columns(options: Options, start: int, stop: int) -> tuple[dict[str, IntArray], frozenset[str]]:
    """Columns [stop - start] of the grid points start..stop - 1 in row-major order, and those with one value only."""
    picked = np.unravel_index(np.arange(start, stop), options.sizes)
    columns: dict[str, IntArray] = {}
    for (names, choices), index in zip(options.choices.items(), picked, strict=True):
        columns |= {name: column.take(index) for name, column in zip(names, np.array(choices, np.int64).T, strict=True)}
    return columns, frozenset(name for name, column in columns.items() if bool(np.all(column == column[0])))


def options(scope: Scope, mesh: Mesh) -> Options:
    """What is free beside the mesh and the micro batch: schedules, recomputation, sharding and what else is asked."""
    choices = {axis.fields: axis.choices(scope, mesh) for axis in AXES}
    return Options(choices, prod(len(each) for each in choices.values()))
