"""Which layers sit on which pipeline stage, reduced to the few stages that can be the slowest or the fullest.

Layers are dealt to pp x vpp chunks as evenly as whole layers allow; where they do not divide, the chunks of the end
stages are the shorter ones, because they also carry the embedding and the logits. Models with several layer kinds keep
every stage whose mix no other stage dominates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fmctl.domain.layout import Layouts
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer.counts import layer_params, parameters
from fmctl.perf.ops.columns import unique

# First, last, and up to three undominated middle stages; a model with more is bounded by the largest of each kind.
MIDDLE_SLOTS = 3
FIRST, LAST = 0, 1


@dataclass(slots=True, eq=False, repr=False)
class StageTable:
    """Stages worth evaluating per (pp, vpp), slot axis first: slot 0 is the first stage, slot 1 the last.

    layers[slot][kind], dense_params[slot], expert_params[slot], position[slot]: arrays of shape [U]. dense_params are
    split by tensor parallelism, expert_params by expert parallelism. position is the stage index (0 = first).
    """

    layers: list[list[FloatArray]]
    dense_params: list[FloatArray]
    expert_params: list[FloatArray]
    position: list[FloatArray]
    widest_layers: FloatArray


Slot = tuple[tuple[int, ...], float, float, int]


def chunk_sizes(n_layers: int, chunks: int, mtp_layers: int = 0, head_layers: int = 1) -> list[int]:
    """Layers per chunk. Where they divide and there is no MTP layer: equal. Else by layer equivalents.

    The embedding counts as a layer (Megatron-Core's account_for_embedding_in_pipeline_split), the logits as
    `head_layers`, an MTP layer as itself and its logits; each layer goes to the least loaded chunk, middle ones first.
    """
    base, extra = divmod(n_layers, chunks)
    if chunks == 1 or (extra == 0 and not mtp_layers):
        return [base] * chunks
    ends = {0: 1, chunks - 1: head_layers + (1 + head_layers) * mtp_layers}
    total = n_layers + sum(ends.values())
    level = total // chunks
    sizes = [max(level - ends.get(i, 0), 0) for i in range(chunks)]
    # What the floor leaves over (or overdraws, where an end is fuller than the level) is settled one by one.
    order = [*range(1, chunks - 1), 0, chunks - 1]
    left = n_layers - sum(sizes)
    while left:
        for i in order if left > 0 else reversed(order):
            if left == 0:
                break
            step = 1 if left > 0 else -1
            if sizes[i] + step >= 0:
                sizes[i] += step
                left -= step
    return sizes


def head_layers(arch: ModelArch) -> int:
    """Layers that the output matrix is worth: V h over the active parameters of a mean layer, at least one."""
    active = sum(n * layer_params(kind, arch).active for n, kind in zip(arch.kind_counts(), arch.kinds, strict=True))
    return max(round(arch.vocab * arch.hidden * arch.n_layers / active), 1)


def sizes_by_cost(arch: ModelArch, pp: int) -> list[int]:
    """Layers per stage where a framework deals blocks by cost.

    Layers in order, then the head (V h), each to the stage whose share of the total is not yet exceeded; the last
    stage may hold the head alone. Source: nanotron.
    """
    head = arch.vocab * arch.hidden
    costs = [layer_params(arch.kinds[kind], arch).active for kind in arch.pattern]
    total, sizes, stage, spent = sum(costs) + head, [0] * pp, 0, 0
    for cost in costs:
        sizes[stage] += 1
        spent += cost
        if spent * pp > total * (stage + 1) and stage < pp - 1:
            stage += 1
    return sizes


def stage_kinds(arch: ModelArch, pp: int, vpp: int, by_cost: bool = False) -> list[list[int]]:
    """Layers of each kind per stage, [pp][kinds]; chunk c sits on stage c mod pp (arXiv 2104.04473 section 2.2)."""
    counts = [[0] * len(arch.kinds) for _ in range(pp)]
    start = 0
    even = vpp > 1 or pp == 1 or not by_cost
    dealt = (
        chunk_sizes(arch.n_layers, pp * vpp, arch.mtp_layers, head_layers(arch)) if even else sizes_by_cost(arch, pp)
    )
    for chunk, size in enumerate(dealt):
        for kind in arch.pattern[start : start + size]:
            counts[chunk % pp][kind] += 1
        start += size
    return counts


def _undominated(stages: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    distinct = sorted(set(stages), reverse=True)
    return [s for s in distinct if not any(o != s and all(a >= b for a, b in zip(o, s, strict=True)) for o in distinct)]


@lru_cache(maxsize=4096)
def stage_slots(arch: ModelArch, pp: int, vpp: int, by_cost: bool = False) -> tuple[Slot, ...]:
    """(layers per kind, dense parameters, expert parameters, position) of the first, last and middle stages."""
    counts = [tuple(c) for c in stage_kinds(arch, pp, vpp, by_cost)]
    middles = _undominated(counts[1:-1])
    if len(middles) > MIDDLE_SLOTS:
        middles = [tuple(max(column) for column in zip(*middles, strict=True))]
    whole = parameters(arch)
    embedding = whole.embedding
    head = whole.head or whole.embedding
    mtp_kind = arch.pattern[-1]
    last_counts = list(counts[-1])
    last_counts[mtp_kind] += arch.mtp_layers
    # An MTP layer is counted as a layer of the last kind; what it has beyond that is its 2h x h projection.
    mtp_extra = 2 * arch.hidden * arch.hidden * arch.mtp_layers
    if pp == 1:
        only = _slot(arch, tuple(last_counts), embedding + whole.head + mtp_extra, 0)
        return (only, only)
    first = _slot(arch, counts[0], embedding, 0)
    last = _slot(arch, tuple(last_counts), head + mtp_extra, pp - 1)
    return (first, last, *(_slot(arch, m, 0, 1) for m in middles))


def _slot(arch: ModelArch, counts: tuple[int, ...], outside: int, position: int) -> Slot:
    layers = [layer_params(kind, arch) for kind in arch.kinds]
    dense = sum(n * (p.total - p.routed) for n, p in zip(counts, layers, strict=True))
    routed = sum(n * p.routed for n, p in zip(counts, layers, strict=True))
    return counts, float(dense + outside), float(routed), position


def stage_table(arch: ModelArch, layouts: Layouts, by_cost: bool = False) -> StageTable:
    """Slots for each row of `layouts`, padded by repeating the first stage so that all have the same number."""
    pairs = unique(layouts, ("pp", "vpp"))
    n = len(pairs.layouts)
    pp, vpp = (np.broadcast_to(pairs.layouts[name], (n,)) for name in ("pp", "vpp"))
    rows = [stage_slots(arch, int(p), int(v), by_cost) for p, v in zip(pp, vpp, strict=True)]
    slots = max(len(r) for r in rows)
    padded = [[*r, *[r[FIRST]] * (slots - len(r))] for r in rows]

    def pick(slot: int, part: int) -> FloatArray:
        return pairs.gather(np.array([r[slot][part] for r in padded], dtype=np.float64))

    def layers(slot: int, kind: int) -> FloatArray:
        return pairs.gather(np.array([r[slot][0][kind] for r in padded], dtype=np.float64))

    widest = np.array([max(sum(slot[0]) for slot in r) for r in padded], dtype=np.float64)
    return StageTable(
        layers=[[layers(s, k) for k in range(len(arch.kinds))] for s in range(slots)],
        dense_params=[pick(s, 1) for s in range(slots)],
        expert_params=[pick(s, 2) for s in range(slots)],
        position=[pick(s, 3) for s in range(slots)],
        widest_layers=pairs.gather(widest),
    )


# torchtitan takes as many layers less on the first and on the last chunk, for the embedding and the head.
_ENDS = tuple((first, last) for first in (1, 0) for last in (1, 0))  # layers fewer on the end stages, its default first


def chunk_layers(n_layers: int, chunks: int) -> tuple[int, int, int] | None:
    """Layers per chunk, and layers fewer on the first and on the last, that make exactly so many chunks; None: none do.

    Source: torchtitan, generate_llm_fqn_per_model_part.
    """
    for first, last in _ENDS:
        total = n_layers + first + last
        per_chunk = -(-total // chunks)
        if -(-total // per_chunk) == chunks and per_chunk > max(first, last):
            return per_chunk, first, last
    return None
