"""Candidate layouts as columns, mesh by mesh; every rejection counted by reason.

A mesh is (tp, pp, cp, ep, etp, dp). For each mesh that can exist, options (schedule and vpp, recomputation, sharding,
...) are crossed with the micro batches. The default space leaves out what seldom or never wins in this model:
sequence parallelism off under TP, other exchanges of keys and expert dispatchers than the framework's first,
interleaving in chunks of unequal length (where no number of chunks divides the layers, up to four are tried), more than
four steps of partial recomputation; `exhaustive` adds them all, and `rank` refines the winners over the full range of
partial recomputation anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import prod
from typing import Protocol

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import (
    ContextComm,
    Dispatcher,
    IntArray,
    Layouts,
    Named,
    Precision,
    Recompute,
    Schedule,
    Sharding,
)
from fmctl.domain.model import ModelArch
from fmctl.perf.layer.counts import parameters
from fmctl.perf.ops.kernels import PEAK_KEY
from fmctl.plan.constraints import BoolArray, Mesh, Setting, mesh_reason, option_reasons

CHUNK_ROWS = 60_000
Choice = tuple[int, ...]  # values of the fields of one axis
MESH_FIELDS = ("tp", "pp", "cp", "ep", "etp", "dp")
PARTIAL_STEPS = 4
# Chunks per stage tried where no number of them divides the layers (61 of DeepSeek-V3); more seldom pays.
UNEVEN_CHUNKS = 4
# Sequences x tokens aimed at where no global batch is stated: 4 M tokens per step, the order of published LLM runs.
DEFAULT_BATCH_TOKENS = 4 * 2**20
# Bytes per parameter that must fit over the whole cluster, and the share of memory they may take.
STATE_BYTES_PER_PARAM = 18.0
STATE_SHARE = 0.8


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


def default_batch(seq_len: int, gpus: int) -> int:
    """Sequences per step where none is stated: about 4 M tokens, a power of two times the odd part of the GPU count."""
    odd = gpus
    while odd % 2 == 0:
        odd //= 2
    target = max(DEFAULT_BATCH_TOKENS / seq_len / odd, 1.0)
    return odd * int(2 ** round(np.log2(target)))


def smallest_nodes(arch: ModelArch, instance: Instance, fixed: Mapping[str, tuple[int, ...]] | None = None) -> int:
    """Nodes of the smallest cluster whose memory can hold weights, gradients and optimizer states; a power of two.

    Where tp, pp, cp and dp are all stated, exactly the nodes that they fill.
    """
    fixed = fixed or {}
    degrees = [fixed[name][0] for name in ("tp", "pp", "cp", "dp") if len(fixed.get(name, ())) == 1]
    stated = int(np.prod(degrees)) if degrees else 1
    if len(degrees) == 4:
        return max(-(-stated // instance.gpus), 1)
    room = STATE_SHARE * instance.gpus * instance.accelerator.memory_bytes
    nodes = 1
    while nodes * room < STATE_BYTES_PER_PARAM * parameters(arch).total or nodes * instance.gpus < stated:
        nodes *= 2
    return nodes


def default_nodes(arch: ModelArch, instance: Instance) -> tuple[int, ...]:
    """Node counts that `plan` tries where none are stated: powers of two from the smallest that can hold the model.

    UltraServers (more than 8 GPUs) up to 8 units, instances up to 128 nodes, and at least four sizes.
    """
    first = smallest_nodes(arch, instance)
    last = max(8 if instance.gpus > 8 else 128, first * 8)
    counts = []
    while first <= last:
        counts.append(first)
        first *= 2
    return tuple(counts)


@lru_cache(maxsize=64)
def _offered(kind: type[Named], labels: tuple[str, ...]) -> tuple[int, ...]:
    """Codes of the labels that a framework profile lists."""
    return tuple(int(kind.parse(label)) for label in labels)


def _allowed(scope: Scope, name: str, values: list[int]) -> list[int]:
    return list(scope.fixed[name]) if name in scope.fixed else values


def meshes(scope: Scope) -> Iterator[Mesh]:
    """Every mesh whose degrees multiply to the GPUs, within the fixed values."""
    gpus = scope.gpus
    experts = divisors(scope.setting.arch.n_experts) if scope.setting.arch.is_moe else [1]
    for tp in _allowed(scope, "tp", divisors(gpus)):
        for pp in _allowed(scope, "pp", divisors(gpus // tp) if gpus % tp == 0 else []):
            for cp in _allowed(scope, "cp", divisors(gpus // (tp * pp)) if gpus % (tp * pp) == 0 else []):
                if gpus % (tp * pp * cp):
                    continue
                dp = gpus // (tp * pp * cp)
                if "dp" in scope.fixed and dp not in scope.fixed["dp"]:
                    continue
                etps = [1, tp] if tp > 1 and scope.setting.arch.is_moe else [1]
                for ep, etp in product(_allowed(scope, "ep", experts), _allowed(scope, "etp", etps)):
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
    return [v for v in _allowed(scope, "schedule", values) if v in values]


def _sharding(scope: Scope, mesh: Mesh) -> list[Choice]:
    offered = list(_offered(Sharding, scope.setting.framework.limits.shardings))
    ranks = mesh.dp * mesh.cp
    inside = max(scope.setting.domain_gpus // mesh.tp, 1)
    replicas = [1] if ranks <= inside or ranks % inside else [1, ranks // inside]
    pairs: list[Choice] = []
    for code in _allowed(scope, "sharding", offered if ranks > 1 else [min(offered)]):
        spread = [1] if code == Sharding.NONE else _allowed(scope, "dp_replicate", replicas)
        pairs += [(code, r) for r in spread]
    return pairs


def _codes(scope: Scope, name: str, default: int, every: list[int]) -> list[int]:
    return _allowed(scope, name, every if scope.exhaustive else [default])


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
    Axis(("precision",), lambda s, m: single(_allowed(s, "precision", [int(Precision.BF16)])), of_layer=True),
    Axis(("cp_comm",), _cp_comm, of_layer=True),
    Axis(("dispatcher",), _dispatcher, of_layer=True),
    Axis(("cuda_graph",), lambda s, m: single(_allowed(s, "cuda_graph", [0])), of_layer=True),
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


@dataclass(slots=True, eq=False, repr=False)
class Tally:
    """Candidates seen so far, and rejections by reason."""

    candidates: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    def reject(self, reason: str, count: int) -> None:
        """Count `count` candidates rejected for `reason`."""
        if count:
            self.rejected[reason] = self.rejected.get(reason, 0) + count

    def add(self, other: Tally) -> None:
        """Count what `other` counted as well."""
        self.candidates += other.candidates
        for reason, count in other.rejected.items():
            self.reject(reason, count)


@dataclass(slots=True, eq=False, repr=False)
class Lot:
    """One mesh that can exist, with what is free beside it: options and micro batches [M]."""

    mesh: Mesh
    options: Options
    micro: IntArray

    @property
    def count(self) -> int:
        """Candidates in it."""
        return self.options.count * len(self.micro)


class Pruning(Protocol):
    """What says that candidates cannot win: `plan.bounds` of training."""

    ceiling: float  # objective that a row must not exceed to matter

    def groups(self, lots: list[Lot]) -> Sequence[list[Lot]]:
        """The lots in groups, those first that show best what cannot win."""

    def hopeless(self, lot: Lot) -> bool:
        """Whether the whole lot cannot win."""

    def too_slow(self, lot: Lot, chosen: Mapping[str, IntArray]) -> BoolArray:
        """Which rows cannot win, shape [Q, M]."""


def lots(scope: Scope, tally: Tally) -> Iterator[Lot]:
    """Every mesh that can exist; the candidates of the others are counted by reason."""
    micros: dict[int, IntArray] = {}
    free: dict[tuple[int, int, bool, bool], Options] = {}
    for mesh in meshes(scope):
        if mesh.dp not in micros:
            per_rank = max(scope.setting.global_batch // mesh.dp, 1)
            micros[mesh.dp] = np.array(_allowed(scope, "micro_batch", divisors(per_rank)), dtype=np.int64)
        # The GPUs that are left for context and data ranks follow from tp and pp.
        key = (mesh.tp, mesh.pp, mesh.cp > 1, mesh.ep > 1)
        if key not in free:
            free[key] = options(scope, mesh)
        lot = Lot(mesh, free[key], micros[mesh.dp])
        reason = mesh_reason(mesh, scope.setting)
        if reason is None:
            if lot.count:
                yield lot
            continue
        tally.candidates += lot.count
        tally.reject(reason, lot.count)


def _blocks(scope: Scope, lot: Lot, tally: Tally, chunk_rows: int, pruning: Pruning | None) -> Iterator[Layouts]:
    """Valid rows of one lot in blocks of at most about `chunk_rows`; its rejections counted."""
    tally.candidates += lot.count
    if pruning is not None and pruning.hopeless(lot):
        tally.reject("cannot-win", lot.count)
        return
    step = max(chunk_rows // len(lot.micro), 1)
    for start in range(0, lot.options.count, step):
        chosen = option_columns(lot.options, start, min(start + step, lot.options.count))
        block = _valid_rows(scope.setting, lot, *chosen, tally, pruning)
        if block is not None:
            yield block


def _valid_rows(
    setting: Setting,
    lot: Lot,
    chosen: dict[str, IntArray],
    constant: frozenset[str],
    tally: Tally,
    pruning: Pruning | None,
) -> Layouts | None:
    mesh, micro = lot.mesh, lot.micro
    valid = np.ones((len(chosen["vpp"]), len(micro)), dtype=np.bool_)
    left = valid.size
    reasons = option_reasons(mesh, setting, chosen, micro)
    if pruning is not None:
        reasons.append(("cannot-win", pruning.too_slow(lot, chosen)))
    for name, mask in reasons:
        valid &= ~mask
        tally.reject(name, left - (left := int(np.count_nonzero(valid))))
    if not left:
        return None
    q, m = np.nonzero(valid)
    # What all rows of the block share stays one number: it broadcasts, and costs neither memory nor time.
    columns: dict[str, IntArray | int] = {
        name: int(values[0]) if name in constant else values.take(q) for name, values in chosen.items()
    }
    columns["micro_batch"] = int(micro[0]) if len(micro) == 1 else micro.take(m)
    columns.update({name: getattr(mesh, name) for name in MESH_FIELDS})
    return Layouts(len(q), columns)


def candidates(
    scope: Scope, tally: Tally, chunk_rows: int = CHUNK_ROWS, pruning: Pruning | None = None
) -> Iterator[Layouts]:
    """Chunks of about `chunk_rows` valid layouts; `tally` counts what was seen and rejected on the way."""
    opened = lots(scope, tally)
    for group in (opened,) if pruning is None else pruning.groups(list(opened)):
        yield from _chunks(scope, group, tally, chunk_rows, pruning)


def _chunks(
    scope: Scope, group: Iterable[Lot], tally: Tally, chunk_rows: int, pruning: Pruning | None
) -> Iterator[Layouts]:
    pending: list[Layouts] = []
    rows = 0
    for lot in group:
        for block in _blocks(scope, lot, tally, chunk_rows, pruning):
            if len(block) >= chunk_rows // 2:
                yield block
                continue
            pending.append(block)
            rows += len(block)
            if rows >= chunk_rows:
                yield _join(pending)
                pending, rows = [], 0
    if pending:
        yield _join(pending)


def _join(blocks: list[Layouts]) -> Layouts:
    """Blocks one after another; a field that all of them share stays one number."""
    if len(blocks) == 1:
        return blocks[0]
    n = sum(len(b) for b in blocks)
    columns: dict[str, IntArray | int] = {}
    for name, first in blocks[0].columns.items():
        if first.ndim == 0 and all(b[name].ndim == 0 and b[name] == first for b in blocks):
            columns[name] = int(first)
            continue
        joined = np.empty(n, dtype=np.int64)
        start = 0
        for block in blocks:
            joined[start : start + len(block)] = block[name]
            start += len(block)
        columns[name] = joined
    return Layouts(n, columns)


def setting_of(
    arch: ModelArch, instance: Instance, framework: Framework, seq_len: int, batch: int, within: bool
) -> Setting:
    """The facts that the constraint table checks against."""
    peaks = instance.accelerator.peak_flop_per_s
    offered = [Precision.parse(label) for label in framework.limits.precisions]
    supported = tuple(int(p) for p in offered if PEAK_KEY[Precision(p)] in peaks)
    return Setting(arch, framework, seq_len, batch, instance.fabric.domain_gpus, within, supported)
