"""Every reason for which a candidate layout is not a layout: one table, in the order in which they are checked.

A candidate is rejected for the first reason that holds, so the counts add up. Mesh reasons depend on the degrees of
parallelism alone; option reasons on the rest; the last ones on the evaluation and on the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.domain.framework import Framework
from fmctl.domain.layout import Schedule, Sharding
from fmctl.domain.model import ModelArch
from fmctl.perf.train.stages import chunk_layers

# Codes as plain integers: looking up an enum member costs as much as a NumPy call on a few rows.
_INTERLEAVED, _WHOLE = int(Schedule.INTERLEAVED), int(Sharding.NONE)
_ZERO2, _ZERO3 = int(Sharding.ZERO2), int(Sharding.ZERO3)
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Degrees of parallelism of one candidate; gpus = tp pp cp dp."""

    tp: int
    pp: int
    cp: int
    ep: int
    etp: int
    dp: int


@dataclass(slots=True, eq=False, repr=False)
class Setting:
    """What the checks need to know besides the mesh."""

    arch: ModelArch
    framework: Framework
    seq_len: int
    global_batch: int
    domain_gpus: int
    tp_within_domain: bool
    precisions: tuple[int, ...]


@dataclass(slots=True, eq=False, repr=False)
class MeshRule:
    """A reason that depends on the mesh: `rejects(mesh, setting)`."""

    key: str
    sentence: str
    rejects: Callable[[Mesh, Setting], bool]


def _heads(m: Mesh, s: Setting) -> bool:
    mixers = [k.mixer for k in s.arch.kinds if k.mixer is not None]
    return any(x.n_heads % m.tp for x in mixers)


def _kv_heads(m: Mesh, s: Setting) -> bool:
    kv = [k.mixer.n_kv_heads for k in s.arch.kinds if k.mixer is not None and k.mixer.type == "attention"]
    return any(n % m.tp and m.tp % n for n in kv)


def _widths(m: Mesh, s: Setting) -> bool:
    widths = [w for k in s.arch.kinds if (f := k.feed_forward) is not None for w in (f.ffn, f.shared_ffn)]
    return any(w % m.tp for w in widths)


def _expert_width(m: Mesh, s: Setting) -> bool:
    widths = [k.feed_forward.expert_ffn for k in s.arch.kinds if k.feed_forward is not None]
    return any(w % m.etp for w in widths)


def _ulysses(m: Mesh, s: Setting) -> bool:
    if s.framework.limits.cp_comms != ("all-to-all",) or m.cp == 1:
        return False
    return any(k.mixer.n_heads % (m.tp * m.cp) for k in s.arch.kinds if k.mixer is not None)


def _has_experts(m: Mesh, s: Setting) -> bool:
    return (m.ep > 1 or m.etp > 1) and not s.arch.is_moe


MESH_RULES: tuple[MeshRule, ...] = (
    MeshRule("tp-domain", "tensor parallelism leaves the NVLink domain (ask for it with --tp)",
             lambda m, s: s.tp_within_domain and m.tp > s.domain_gpus),
    MeshRule("heads", "attention heads are not a multiple of tp", _heads),
    MeshRule("kv-heads", "key/value heads neither divide tp nor are divided by it", _kv_heads),
    MeshRule("width", "a feed-forward width is not a multiple of tp", _widths),
    MeshRule("layers", "more pipeline stages than layers", lambda m, s: m.pp > s.arch.n_layers),
    MeshRule("uneven", "layers do not divide over the stages and the framework wants equal ones",
             lambda m, s: bool(s.arch.n_layers % m.pp) and not s.framework.limits.uneven_stages),
    MeshRule("pipeline", "the framework has no pipeline parallelism",
             lambda m, s: m.pp > 1 and not s.framework.limits.pipeline),
    MeshRule("tensor", "the framework has no tensor parallelism",
             lambda m, s: m.tp > 1 and not s.framework.limits.tensor),
    MeshRule("context", "the framework has no context parallelism",
             lambda m, s: m.cp > 1 and not s.framework.limits.cp_comms),
    MeshRule("sequence", "the sequence does not divide into 2 x cp pieces", lambda m, s: m.cp > 1 and
             bool(s.seq_len % (2 * m.cp))),
    MeshRule("ulysses", "all-to-all context parallelism needs heads to be a multiple of tp x cp", _ulysses),
    MeshRule("sequence-tp", "the tokens of a context rank do not divide by tp", lambda m, s: bool(
        s.seq_len // m.cp % m.tp)),
    MeshRule("no-experts", "expert parallelism needs a mixture of experts", _has_experts),
    MeshRule("experts", "experts are not a multiple of ep", lambda m, s: bool(s.arch.n_experts % m.ep)),
    MeshRule("etp", "the framework has no expert tensor parallelism",
             lambda m, s: m.etp > 1 and not s.framework.limits.expert_tp),
    MeshRule("data-groups", "the framework has no context or expert parallelism beside pipeline stages",
             lambda m, s: s.framework.limits.data_groups and m.pp > 1 and (m.cp > 1 or s.arch.is_moe)),
    MeshRule("data-experts", "the framework spreads experts over data ranks, which ep does not divide",
             lambda m, s: s.framework.limits.data_groups and bool(m.dp % m.ep)),
    MeshRule("expert-width", "the expert width is not a multiple of etp", _expert_width),
    MeshRule("expert-ranks", "ep x etp does not divide tp x cp x dp",
             lambda m, s: bool(m.tp * m.cp * m.dp % (m.ep * m.etp))),
    MeshRule("batch", "the global batch is not a multiple of dp", lambda m, s: bool(s.global_batch % m.dp)),
)  # fmt: skip

OPTION_REASONS: Mapping[str, str] = {
    "precision": "the GPU or the framework has no support for the precision",
    "micro-batch": "dp x micro batch does not divide the global batch",
    "chunks": "more pipeline chunks than layers",
    "interleave": "an interleaved schedule needs a multiple of pp micro batches",
    "interleave-sends": "an interleaved schedule needs at least two stages",
    "fsdp-pipeline": "the framework does not combine ZeRO-2/3 with pipeline stages",
    "replicate": "replicas do not divide the data-parallel ranks",
    "expert-replicas": "the copies of sharded states and the experts do not fit each other",
    "whole-weights": "the framework keeps weights whole beside data parallelism alone",
    "partial": "the framework cannot be told to recompute so many layers of a stage",
    "dealing": "the framework cannot deal the layers to so many chunks",
    "zero3-experts": "the framework does not combine ZeRO-3 with experts",
}
RESULT_REASONS: Mapping[str, str] = {
    "degrees": "no mesh: tp x pp x cp x dp cannot equal the GPUs with the stated degrees",
    "memory": "does not fit in device memory",
    "deadline": "finishes after the deadline",
    "budget": "costs more than the budget",
    "price": "no price is known, so that it cannot be ranked by cost",
    "cannot-win": "cannot win: its layers alone take longer than the step of better layouts of the same cluster",
    "stopped": "not looked at: the search was stopped",
    "slower": "fits, but another layout of the same cluster is at least as good",
}
SENTENCES: Mapping[str, str] = {
    **{r.key: r.sentence for r in MESH_RULES},
    **OPTION_REASONS,
    **RESULT_REASONS,
}


def mesh_reason(mesh: Mesh, setting: Setting) -> str | None:
    """The first reason for which `mesh` is rejected, or None."""
    return next((rule.key for rule in MESH_RULES if rule.rejects(mesh, setting)), None)


def option_reasons(
    mesh: Mesh, setting: Setting, options: Mapping[str, npt.NDArray[np.int64]], micro: npt.NDArray[np.int64]
) -> list[tuple[str, BoolArray]]:
    """(reason, mask of shape [Q, M]) for the options [Q] of a mesh crossed with its micro batches [M]."""
    per_rank, limits = setting.global_batch // mesh.dp, setting.framework.limits
    counts = per_rank // micro
    vpp, sharding, schedule = options["vpp"][:, None], options["sharding"][:, None], options["schedule"][:, None]
    replicate = options["dp_replicate"][:, None]
    ranks = mesh.dp * mesh.cp
    zero23 = (sharding >= _ZERO2) & (mesh.pp > 1)
    every = np.ones((1, len(micro)), dtype=np.bool_)
    supported = np.zeros(int(options["precision"].max(initial=0)) + 1, dtype=np.bool_)
    supported[[p for p in setting.precisions if p < len(supported)]] = True
    unsupported = ~supported[options["precision"]][:, None]
    return [
        ("precision", unsupported & every),
        ("micro-batch", (per_rank % micro != 0)[None, :] & (vpp > 0)),
        ("chunks", (vpp * mesh.pp > setting.arch.n_layers) & every),
        ("interleave-sends", (schedule == _INTERLEAVED) & (mesh.pp == 1) & every),
        ("interleave", (schedule == _INTERLEAVED) & (counts % mesh.pp != 0)[None, :]),
        ("fsdp-pipeline", zero23 & np.asarray(not limits.sharded_stages) & every),
        ("replicate", ((ranks % replicate != 0) | (replicate > ranks) | _no_copies(mesh, setting, replicate)) & every),
        ("expert-replicas", _split_experts(mesh, setting, replicate, sharding) & every),
        ("whole-weights", (sharding == _WHOLE) & np.asarray(_whole_refused(mesh, setting)) & every),
        ("partial", untold_layers(mesh, setting, options["recompute_layers"], options["vpp"])[:, None] & every),
        ("dealing", _not_dealt(mesh, setting, vpp) & every),
        (
            "zero3-experts",
            (sharding == _ZERO3) & np.asarray(setting.framework.limits.data_groups and setting.arch.is_moe) & every,
        ),
    ]


def _no_copies(mesh: Mesh, setting: Setting, copies: IntArray) -> BoolArray:
    """Whether the framework has no copies of sharded states, or not so many."""
    kind = setting.framework.limits.replicas
    refused = (copies > 1) & (kind == "none")
    if kind == "data":
        refused = refused | ((copies > 1) & ((mesh.dp % copies != 0) | (mesh.dp // copies * mesh.cp == 1)))
    return np.asarray(refused)


def _split_experts(mesh: Mesh, setting: Setting, copies: IntArray, sharding: IntArray) -> BoolArray:
    """Whether experts would be spread over more than one copy, or copied unevenly."""
    ranks, group = mesh.tp * mesh.cp * mesh.dp, mesh.ep * mesh.etp
    if setting.framework.limits.replicas == "data":
        count = np.where(sharding == _WHOLE, mesh.dp, copies)
        return np.asarray((mesh.dp // count * mesh.cp * mesh.tp % group != 0) & (mesh.ep > 1))
    return np.asarray((copies > 1) & (ranks // group % copies != 0) & setting.arch.is_moe)


def _whole_refused(mesh: Mesh, setting: Setting) -> bool:
    """Whether weights cannot stay whole on this mesh."""
    beside = mesh.cp > 1 or (mesh.dp > 1 and mesh.tp * mesh.pp > 1)
    return setting.framework.limits.whole_alone and beside


def _not_dealt(mesh: Mesh, setting: Setting, chunks: IntArray) -> BoolArray:
    """Whether the layers cannot be dealt to pp x chunks pieces; chunks of any shape."""
    if not setting.framework.limits.alike_chunks:
        return np.zeros(chunks.shape, dtype=np.bool_)
    most, layers = int(chunks.max(initial=1)), setting.arch.n_layers
    dealt = [v == 1 or chunk_layers(layers, mesh.pp * v) is not None for v in range(1, most + 1)]
    return np.asarray(~np.array([True, *dealt])[chunks])


def untold_layers(mesh: Mesh, setting: Setting, layers: IntArray, chunks: IntArray) -> BoolArray:
    """Whether the framework's program has no words for so many wholly recomputed layers of a stage; 0 is all of them.

    layers, chunks: of each option, int64 [Q].
    """
    some, kind = np.greater(layers, 0), setting.framework.limits.partial
    if kind == "chunks":
        some &= layers % chunks != 0
    if kind == "every-kth":
        stage = -(-setting.arch.n_layers // mesh.pp)
        each = stage // np.maximum(layers, 1)
        some &= (each < 2) | (stage // np.maximum(each, 1) != layers)
    if kind == "any" or (kind == "one-stage" and mesh.pp == 1):
        some[:] = False
    return some
