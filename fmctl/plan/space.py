"""Candidate layouts as columns, mesh by mesh; every rejection counted by reason.

The options of a mesh (`plan.axes`) are crossed with its micro batches and checked (`plan.constraints`), in chunks of
rows. Here too: the batch and the node counts that are tried where none are stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import IntArray, Layouts, Precision
from fmctl.domain.model import ModelArch
from fmctl.perf.layer.counts import parameters
from fmctl.perf.ops.kernels import PEAK_KEY
from fmctl.plan.axes import MESH_FIELDS, Options, Scope, allowed, divisors, meshes, option_columns, options
from fmctl.plan.constraints import BoolArray, Mesh, Setting, mesh_reason, option_reasons

CHUNK_ROWS = 60_000
# Sequences x tokens aimed at where no global batch is stated: 4 M tokens per step, the order of published LLM runs.
DEFAULT_BATCH_TOKENS = 4 * 2**20
# Bytes per parameter that must fit over the whole cluster, and the share of memory they may take.
STATE_BYTES_PER_PARAM = 18.0
STATE_SHARE = 0.8


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
            micros[mesh.dp] = np.array(allowed(scope, "micro_batch", divisors(per_rank)), dtype=np.int64)
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
