"""One layer as a list of operations: `operations` is what every workload takes its times from.

Tensor parallelism: with sequence parallelism a block does an all-gather and a reduce-scatter forward, and two
all-gathers (gradient, saved input) and a reduce-scatter backward; without it one all-reduce each way (arXiv 2205.05198
section 4.2.2). Routed experts exchange tokens by dispatch instead; MLA gathers latents, not the hidden state.
Context parallelism: ring: cp - 1 sends of this rank's keys and values (arXiv 2310.01889); all-gather: once forward,
gathered again and reduce-scattered backward; all-to-all: q, k, v and output (arXiv 2309.14509).
Expert parallelism: ranks are contiguous (etp, then ep), so that ep x etp up to the NVLink domain never crosses EFA.
All-to-all sends every token-expert pair; the fused dispatcher sends a token once per remote domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fmctl.domain.layout import ContextComm, Dispatcher
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer import shapes
from fmctl.perf.layer.shapes import Combos
from fmctl.perf.ops.operation import Attention, Collective, Dispatch, Exchange, Op, Sort, Stream

# Codes as plain integers: looking up an enum member costs as much as a NumPy call on one row.
_RING, _GATHER, _SWAP = int(ContextComm.RING), int(ContextComm.ALL_GATHER), int(ContextComm.ALL_TO_ALL)
_FUSED, _PROXY = int(Dispatcher.FUSED), int(Dispatcher.PROXY)
SOFTMAX = ("attention", "mla")


@dataclass(slots=True, eq=False, repr=False)
class Hidden:
    """Collectives of the full hidden state over the tensor-parallel ranks: the same for all layer kinds."""

    gather: Collective  # an all-gather, or a reduce-scatter
    all_reduce: Collective


def hidden_collectives(arch: ModelArch, c: Combos) -> Hidden | None:
    """Tokens x hidden in bf16 over tp ranks; None where no combination has more than one."""
    if c.tp.max() <= 1:
        return None
    full = 2.0 * arch.hidden * c.tokens
    return Hidden(Collective("gather", full, c.tp), Collective("all-reduce", full, c.tp))


def operations(kind: LayerKind, arch: ModelArch, c: Combos, hidden: Hidden | None) -> list[Op]:
    """What one layer of `kind` does on a rank, for each combination. hidden: `hidden_collectives` of the same."""
    ops: list[Op] = []
    mixer, ff = kind.mixer, kind.feed_forward
    if mixer is not None:
        ops += shapes.mixer_gemms(mixer, arch, c)
        ops += [_core(mixer, c), Stream(*shapes.mixer_stream_bytes(mixer, arch, c))]
        ops += [*_mixer_collectives(mixer, c, hidden), *_context(mixer, c)]
    if ff is not None:
        ops += shapes.feed_forward_gemms(ff, arch, c)
        ops.append(Stream(*shapes.feed_forward_stream_bytes(ff, arch, c)))
        ops += _width_collectives(ff, c, hidden)
    if ff is not None and ff.n_experts:
        # A fused dispatcher sorts while it sends and receives.
        ops.append(Sort(np.where(c.dispatcher >= _FUSED, 0.5, 1.0) * shapes.permute_bytes(ff, arch, c)))
        ops += [*_expert_collectives(ff, arch, c), *_dispatch(ff, arch, c)]
    return ops


def _core(mixer: Mixer, c: Combos) -> Attention:
    queries = np.where(c.cp_comm == _SWAP, c.seq, c.seq / c.cp)
    recurrent = mixer.type not in SOFTMAX
    return Attention(shapes.core_flop(mixer, c), shapes.core_bytes(mixer, c), queries, mixer.head_dim, recurrent)


def _mixer_collectives(mixer: Mixer, c: Combos, hidden: Hidden | None) -> Iterator[Exchange]:
    if hidden is None:
        return
    once = np.where(c.sequence_parallel > 0, 1.0, 0.0)
    first = hidden.gather
    if mixer.type == "mla":
        width = mixer.q_lora_rank + mixer.kv_lora_rank + mixer.qk_rope_head_dim
        first = Collective("gather", 2.0 * width * c.tokens, c.tp)
    yield Exchange("tp", first, once, 2.0 * once)
    yield Exchange("tp", hidden.gather, once, once)
    yield from _reduced(c, hidden)


def _width_collectives(ff: FeedForward, c: Combos, hidden: Hidden | None) -> Iterator[Exchange]:
    """Of a dense feed-forward, or of shared experts."""
    if hidden is None or not (ff.ffn or ff.shared_ffn):
        return
    once = np.where(c.sequence_parallel > 0, 1.0, 0.0)
    yield Exchange("tp", hidden.gather, 2.0 * once, 3.0 * once)
    yield from _reduced(c, hidden)


def _reduced(c: Combos, hidden: Hidden) -> Iterator[Exchange]:
    """The all-reduce of a block whose tokens are not shared out; none where no combination needs it."""
    whole = c.sequence_parallel <= 0
    if (whole & (c.tp > 1)).any():
        once = np.where(whole, 1.0, 0.0)
        yield Exchange("tp", hidden.all_reduce, once, once)


def _expert_collectives(ff: FeedForward, arch: ModelArch, c: Combos) -> Iterator[Exchange]:
    """Expert tensor parallelism gathers the dispatched pairs over the etp ranks and scatters the results."""
    if c.etp.max() > 1:
        pairs = 2.0 * shapes.expert_tokens(ff, c) * (ff.latent or arch.hidden)
        yield Exchange("tp", Collective("gather", pairs, c.etp), 2.0, 2.0)


def _context(mixer: Mixer, c: Combos) -> Iterator[Exchange]:
    if mixer.type not in SOFTMAX or c.cp.max() <= 1:
        return
    heads = mixer.n_heads / c.tp
    kv = shapes.kv_heads_per_rank(mixer, c) if mixer.type == "attention" else heads
    width = mixer.head_dim + mixer.v_head_dim
    keys = 2.0 * kv * width * c.tokens
    ring, gather, swap = c.cp_comm == _RING, c.cp_comm == _GATHER, c.cp_comm == _SWAP
    if ring.any():
        sends = np.where(ring, c.cp - 1.0, 0.0)
        yield Exchange("cp", Collective("send", keys, c.cp, c.tp), sends, 0.0, under_core=True)
        yield Exchange("cp", Collective("send", 2.0 * keys, c.cp, c.tp), 0.0, sends, under_core=True)
    if gather.any():
        once = np.where(gather, 1.0, 0.0)
        yield Exchange("cp", Collective("gather", keys * c.cp, c.cp, c.tp), once, 0.0)
        yield Exchange("cp", Collective("gather", 2.0 * keys * c.cp, c.cp, c.tp), 0.0, once)
    if swap.any():
        twice = np.where(swap, 2.0, 0.0)
        yield Exchange("cp", Collective("all-to-all", (heads + kv) * width * c.tokens, c.cp, c.tp), twice, twice)


def _dispatch(ff: FeedForward, arch: ModelArch, c: Combos) -> Iterator[Exchange]:
    """Dispatch and combine of one pass; both passes do the same."""
    if c.ep.max() <= 1:
        return
    width = 2.0 * (ff.latent or arch.hidden)
    pairs = shapes.expert_tokens(ff, c) / c.etp
    fused = c.dispatcher >= _FUSED
    if not fused.all():
        times = np.where((c.ep > 1) & ~fused, 2.0, 0.0)
        yield Exchange("ep", Collective("all-to-all", pairs * width, c.ep, c.etp), times, times)
    if fused.any():
        times = np.where((c.ep > 1) & fused, 2.0, 0.0)
        sent = Dispatch(pairs / ff.top_k, width, ff.top_k, c.ep, c.etp, c.dispatcher == _PROXY)
        yield Exchange("ep", sent, times, times)


def dispatch_bytes(ff: FeedForward | None, arch: ModelArch, c: Combos) -> FloatArray:
    """Bytes of the buffer that tokens are dispatched from, shape [U]."""
    if ff is None or not ff.n_experts:
        return 0.0 * c.tokens
    return shapes.expert_tokens(ff, c) / c.etp * (2.0 * (ff.latent or arch.hidden))
