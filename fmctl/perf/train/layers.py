"""Time of one layer of each kind on one rank, forward and backward, with what of its communication is exposed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.layout import ContextComm, CudaGraph, Dispatcher, Precision, Recompute
from fmctl.domain.model import LayerKind, Mixer, ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer import shapes
from fmctl.perf.layer.activations import Kept, layer_activation_bytes, layer_input_bytes, layer_kept
from fmctl.perf.layer.operators import operator_kept, repeated_share
from fmctl.perf.layer.shapes import Combos, Gemm
from fmctl.perf.ops.calibration import Calibration
from fmctl.perf.ops.collectives import FabricRates, all_reduce_s, all_to_all_s, dispatch_s, gather_s, send_s
from fmctl.perf.ops.kernels import KernelRates, attention_s, gemm_measured, gemm_s, stream_s

# Share of the host's issue time that falls on the forward pass (one kernel forward, about two backward).
FORWARD_HOST_SHARE = 0.4
# Codes as plain integers: looking up an enum member costs as much as a NumPy call on one row.
_RING, _GATHER, _SWAP = int(ContextComm.RING), int(ContextComm.ALL_GATHER), int(ContextComm.ALL_TO_ALL)
_FUSED, _SELECTIVE = int(Dispatcher.FUSED), int(Recompute.SELECTIVE)
_PROXY, _WHOLE_STEP = int(Dispatcher.PROXY), int(CudaGraph.FULL)
# Chunked recurrences reach about 0.1 of bf16 peak beside their state traffic: state-space duality kernels take as long
# as FlashAttention-2 at 2,048 tokens with an eighth of its FLOPs (arXiv 2405.21060 figure 10).
RECURRENCE_SLOWDOWN = 5.0
# Tensor-parallel collectives of a layer forward and backward: four and six with sequence parallelism.
COLLECTIVES_PER_LAYER = 10.0
BACKWARD_ATTENTION_FLOP = 2.5  # forward = 2 products, backward = 5 (arXiv 2205.14135)
# Bytes per element of a weight gradient: read and written in fp32 where gradients are accumulated in the GEMM.
WGRAD_OUTPUT_BYTES = 8.0
BF16_BYTES = 2.0
PROXY_SLOWDOWN = 1.5
COMPONENTS = ("gemm_s", "attention_s", "memory_bound_s", "tp_exposed_s", "cp_exposed_s", "ep_exposed_s", "launch_s")
TOTALS = ("tp_total_s", "cp_total_s", "ep_total_s")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Model:
    """What every layer computation needs besides the combinations: rates, fabric, framework."""

    arch: ModelArch
    rates: KernelRates
    fabric: FabricRates
    framework: Framework
    calibration: Calibration


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KindTable:
    """One layer kind over the unique combinations, arrays of shape [U], seconds and bytes per micro batch.

    forward_s, backward_s: with exposed communication and the host floor; wgrad_s: the part of the backward pass that
    a zero-bubble schedule can move; selective_s: added by selective recomputation (0 for other modes).
    parts[forward?][component]: what forward_s / backward_s are made of.
    """

    forward_s: FloatArray
    backward_s: FloatArray
    wgrad_s: FloatArray
    selective_s: FloatArray
    kernel_s: FloatArray
    measured_s: FloatArray
    activation_bytes: FloatArray
    recomputed_bytes: FloatArray
    working_bytes: FloatArray
    dispatch_bytes: FloatArray
    forward_parts: dict[str, FloatArray]
    backward_parts: dict[str, FloatArray]
    totals: dict[str, FloatArray]


def _stack(gemms: list[Gemm], u: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    columns = np.empty((4, len(gemms), u))
    for i, gemm in enumerate(gemms):
        columns[0, i], columns[1, i], columns[2, i], columns[3, i] = gemm.m, gemm.n, gemm.k, gemm.groups
    m, n, k, groups = columns
    return m, n, k, groups


def _sum(rows: FloatArray) -> FloatArray:
    # Row by row, not np.sum: the order of additions must not depend on how many combinations there are.
    total: FloatArray = reduce(np.add, rows)
    return total


def _gemm_times(model: Model, c: Combos, gemms: list[Gemm]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(forward, input-gradient, weight-gradient, measured part of all three), s, shape [U]."""
    m, n, k, groups = _stack(gemms, len(c.tokens))
    r, p = model.rates, c.precision
    forward = gemm_s(r, p, m, n, k, groups, BF16_BYTES)
    dgrad = gemm_s(r, p, m, k, n, groups, BF16_BYTES)
    # Weight gradients reduce over tokens: [k, m] x [m, n]; a grouped one is padded along the reduced dimension.
    wgrad = gemm_s(r, p, k, n, m, groups, WGRAD_OUTPUT_BYTES)
    inside = gemm_measured(r, p, m, n, k)
    measured = _sum(inside * (forward + dgrad + wgrad))
    return _sum(forward), _sum(dgrad), _sum(wgrad), measured


def _attention_times(model: Model, mixer: Mixer, c: Combos) -> tuple[FloatArray, FloatArray]:
    flop, moved = shapes.core_flop(mixer, c), shapes.core_bytes(mixer, c)
    seq = np.where(c.cp_comm == _SWAP, c.seq, c.seq / c.cp)
    forward = attention_s(model.rates, flop, moved, seq, mixer.head_dim, False)
    backward = attention_s(model.rates, BACKWARD_ATTENTION_FLOP * flop, 2.0 * moved, seq, mixer.head_dim, True)
    if mixer.type not in ("attention", "mla"):
        return RECURRENCE_SLOWDOWN * forward, RECURRENCE_SLOWDOWN * backward
    return forward, backward


def _stream_times(model: Model, kind: LayerKind, c: Combos, gemms: list[Gemm]) -> tuple[FloatArray, FloatArray]:
    """Memory-bound work forward and backward: framework traffic factor x textbook bytes, plus casts."""
    forward, backward = 0.0 * c.tokens, 0.0 * c.tokens
    if kind.mixer is not None:
        f, b = shapes.mixer_stream_bytes(kind.mixer, model.arch, c)
        forward, backward = forward + f, backward + b
    if kind.feed_forward is not None:
        f, b = shapes.feed_forward_stream_bytes(kind.feed_forward, model.arch, c)
        forward, backward = forward + f, backward + b
    factor = model.framework.memory_traffic
    sorted_bytes = 0.0 * c.tokens
    if kind.feed_forward is not None:
        # A fused dispatcher sorts while it sends and receives.
        share = np.where(c.dispatcher >= _FUSED, 0.5, 1.0) * model.framework.permute_traffic
        sorted_bytes = share * shapes.permute_bytes(kind.feed_forward, model.arch, c)
    inputs = reduce(np.add, [g.m * g.k * g.groups for g in gemms])
    grads = reduce(np.add, [g.m * g.n * g.groups for g in gemms])
    low = model.rates.operand_bytes[c.precision]
    # Each linear input is read in bf16 and written twice (rowwise and transposed) in the low precision; so is each
    # output gradient in the backward pass. Source: Transformer Engine quantisation.
    cast_forward = np.where(low < 2.0, inputs * (2.0 + 2.0 * low), 0.0)
    cast_backward = np.where(low < 2.0, grads * (2.0 + 2.0 * low), 0.0)
    return (
        stream_s(model.rates, factor * forward + sorted_bytes + cast_forward, 8.0),
        stream_s(model.rates, factor * backward + sorted_bytes + cast_backward, 12.0),
    )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TensorTimes:
    """Collectives of the full hidden state over the tensor-parallel ranks, the same for all layer kinds, s [U]."""

    gather_s: FloatArray
    all_reduce_s: FloatArray
    local: FloatArray


def tensor_times(model: Model, c: Combos) -> TensorTimes:
    """All-gather (= reduce-scatter) and all-reduce of tokens x hidden in bf16 over tp ranks."""
    local = np.minimum(c.tp, model.fabric.domain_gpus)
    # Skipped where no combination has more than one rank: the result would be zeros.
    if c.tp.max() <= 1.0:
        return TensorTimes(0.0 * c.tokens, 0.0 * c.tokens, local)
    full = 2.0 * model.arch.hidden * c.tokens
    gather = gather_s(model.fabric, full, c.tp, local)
    return TensorTimes(gather, all_reduce_s(model.fabric, full, c.tp, local), local)


def _tensor_parallel(model: Model, kind: LayerKind, c: Combos, tensor: TensorTimes) -> tuple[FloatArray, FloatArray]:
    """Collective time of tensor parallelism forward and backward, s.

    With sequence parallelism a block does an all-gather and a reduce-scatter forward, and two all-gathers (gradient,
    saved input) and a reduce-scatter backward; without it one all-reduce each way (arXiv 2205.05198 section 4.2.2).
    Routed experts exchange tokens by dispatch instead; MLA gathers latents, not the hidden state.
    """
    gather, reduce_ = tensor.gather_s, tensor.all_reduce_s
    sp = c.sequence_parallel > 0
    forward, backward = 0.0 * c.tokens, 0.0 * c.tokens
    split = c.tp.max() > 1.0
    if kind.mixer is not None and split:
        first = gather
        if kind.mixer.type == "mla":
            width = kind.mixer.q_lora_rank + kind.mixer.kv_lora_rank + kind.mixer.qk_rope_head_dim
            first = gather_s(model.fabric, 2.0 * width * c.tokens, c.tp, tensor.local)
        forward = forward + np.where(sp, first + gather, reduce_)
        backward = backward + np.where(sp, 2.0 * first + gather, reduce_)
    ff = kind.feed_forward
    if ff is not None and (ff.ffn or ff.shared_ffn):
        forward = forward + np.where(sp, 2.0 * gather, reduce_)
        backward = backward + np.where(sp, 3.0 * gather, reduce_)
    if ff is not None and ff.n_experts and c.etp.max() > 1.0:
        # Expert tensor parallelism gathers the dispatched pairs over the etp ranks and scatters the results.
        pairs = 2.0 * shapes.expert_tokens(ff, c) * (ff.latent or model.arch.hidden)
        expert = gather_s(model.fabric, pairs, c.etp, np.minimum(c.etp, model.fabric.domain_gpus))
        forward, backward = forward + 2.0 * expert, backward + 2.0 * expert
    return forward, backward


def _context_parallel(
    model: Model, mixer: Mixer | None, c: Combos, attention: FloatArray, backward: bool
) -> tuple[FloatArray, FloatArray]:
    """(time, exposed time) of context-parallel exchange for one pass, s.

    ring: cp - 1 sends of this rank's keys and values, hidden under attention (arXiv 2310.01889); all-gather: once
    forward, gathered again and reduce-scattered backward; all-to-all: q, k, v and output (arXiv 2309.14509).
    """
    # Skipped where no combination has more than one rank: the result would be zeros.
    if mixer is None or mixer.type not in ("attention", "mla") or c.cp.max() <= 1.0:
        return 0.0 * c.tokens, 0.0 * c.tokens
    heads = mixer.n_heads / c.tp
    kv = shapes.kv_heads_per_rank(mixer, c) if mixer.type == "attention" else heads
    width = mixer.head_dim + mixer.v_head_dim
    kv_bytes = 2.0 * kv * width * c.tokens * (2.0 if backward else 1.0)
    local = np.maximum(np.minimum(c.cp, np.floor(model.fabric.domain_gpus / c.tp)), 1.0)
    ring = (c.cp - 1.0) * send_s(model.fabric, kv_bytes, c.tp * c.cp <= model.fabric.domain_gpus)
    gathered = gather_s(model.fabric, kv_bytes * c.cp, c.cp, local)
    swapped = 2.0 * all_to_all_s(model.fabric, (heads + kv) * width * c.tokens, c.cp, local)
    is_ring, is_gather = c.cp_comm == _RING, c.cp_comm == _GATHER
    total = np.where(is_ring, ring, np.where(is_gather, gathered, swapped))
    hidden = np.where(is_ring, model.framework.cp_overlap * attention, 0.0)
    alone = c.cp <= 1.0
    return np.where(alone, 0.0, total), np.where(alone, 0.0, np.maximum(total - hidden, 0.0))


def posting_s(model: Model, c: Combos, tokens: FloatArray, top_k: int, local: FloatArray) -> FloatArray:
    """Time to post the tokens of one exchange to remote domains one by one (EFA v1 and v2), s.

    A token goes to d (1 - (1 - 1/d)^k) of d domains on average. Kernels that post from the GPU keep up with the first
    remote domain; a CPU proxy posts every copy, 1.5 times as slowly (benchmarks of both on p5: 1.3 to 3 times).
    """
    domains = c.ep / local
    remote = (domains - 1.0) * (1.0 - (1.0 - 1.0 / domains) ** top_k)
    copies = np.where(c.dispatcher == _PROXY, PROXY_SLOWDOWN * remote, np.maximum(remote - 1.0, 0.0))
    return model.calibration.post_s * model.fabric.posted * tokens * copies


def _expert_parallel(model: Model, kind: LayerKind, c: Combos) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(wire time of dispatch and combine of one pass, fixed cost, bytes of the dispatch buffer), s and bytes.

    Experts' ranks are contiguous (etp, then ep), so that ep x etp up to the NVLink domain never crosses EFA.
    All-to-all sends every token-expert pair; the fused dispatcher sends a token once per remote domain.
    """
    ff = kind.feed_forward
    if ff is None or not ff.n_experts:
        return 0.0 * c.tokens, 0.0 * c.tokens, 0.0 * c.tokens
    width = 2.0 * (ff.latent or model.arch.hidden)
    pairs = shapes.expert_tokens(ff, c) / c.etp
    if c.ep.max() <= 1.0:
        return 0.0 * c.tokens, 0.0 * c.tokens, pairs * width
    local = np.maximum(np.minimum(c.ep, np.floor(model.fabric.domain_gpus / c.etp)), 1.0)
    exchange = all_to_all_s(model.fabric, pairs * width, c.ep, local)
    fused = dispatch_s(model.fabric, pairs / ff.top_k * width, np.asarray(float(ff.top_k)), c.ep, local)
    once = np.where(
        c.dispatcher >= _FUSED, np.maximum(fused, posting_s(model, c, pairs / ff.top_k, ff.top_k, local)), exchange
    )
    # Across EFA the host or a proxy takes part in every exchange, whatever its size.
    fixed = np.where(c.ep > local, 2.0 * model.calibration.efa_exchange_s * model.fabric.efa, 0.0)
    return np.where(c.ep > 1.0, 2.0 * once, 0.0), fixed, pairs * width


def host_s(fw: Framework, kind: LayerKind, c: Combos) -> FloatArray:
    """Host time to issue one layer forward and backward, s: what graphs capture takes none.

    Graphs of layers hold the mixer, its collectives and the router; experts are issued by the host one by one.
    """
    each = fw.host_collective_s + fw.host_rank_s * c.tp * c.staged
    mixer = fw.host_layer_s + COLLECTIVES_PER_LAYER * each * (c.tp > 1.0)
    host = np.where(c.cuda_graph > 0, 0.0, mixer)
    ff = kind.feed_forward
    if ff is None or not ff.n_experts:
        return host
    experts = fw.host_moe_layer_s + fw.host_expert_s * ff.n_experts / c.ep
    return host + np.where(c.cuda_graph >= _WHOLE_STEP, 0.0, experts)


def kind_table(model: Model, kind: LayerKind, c: Combos, tensor: TensorTimes) -> KindTable:
    """Everything that one layer of `kind` costs, for each combination."""
    fw = model.framework
    gemms: list[Gemm] = []
    if kind.mixer is not None:
        gemms += shapes.mixer_gemms(kind.mixer, model.arch, c)
    if kind.feed_forward is not None:
        gemms += shapes.feed_forward_gemms(kind.feed_forward, model.arch, c)
    gemm_f, dgrad, wgrad, measured = _gemm_times(model, c, gemms)
    zero = 0.0 * c.tokens
    core_f, core_b = _attention_times(model, kind.mixer, c) if kind.mixer is not None else (zero, zero)
    stream_f, stream_b = _stream_times(model, kind, c, gemms)
    tp_f, tp_b = _tensor_parallel(model, kind, c, tensor)
    cp_f, cp_f_exposed = _context_parallel(model, kind.mixer, c, core_f, False)
    cp_b, cp_b_exposed = _context_parallel(model, kind.mixer, c, core_b, True)
    ep, ep_fixed, dispatch_bytes = _expert_parallel(model, kind, c)
    is_moe = kind.feed_forward is not None and kind.feed_forward.n_experts > 0
    host = host_s(fw, kind, c)
    stall = np.where(c.cuda_graph >= _WHOLE_STEP, 0.0, fw.host_stall if is_moe else 0.0)
    # Overlapped tensor-parallel traffic works through NVLink buffers; across EFA nothing hides.
    expose_tp = np.where(c.tp > model.fabric.domain_gpus, 1.0, 1.0 - fw.tp_overlap)
    expose_ep = 1.0 - fw.ep_overlap
    # Host time hides half as well as the wire: one host issues both micro batches.
    expose_fixed = 1.0 - 0.5 * fw.ep_overlap
    forward = _pass_parts(
        gemm_f,
        core_f,
        stream_f,
        expose_tp * tp_f,
        cp_f_exposed,
        expose_ep * ep + expose_fixed * ep_fixed,
        FORWARD_HOST_SHARE * host,
        stall,
    )
    backward = _pass_parts(
        dgrad + wgrad,
        core_b,
        stream_b,
        expose_tp * tp_b,
        cp_b_exposed,
        expose_ep * ep + expose_fixed * ep_fixed,
        (1.0 - FORWARD_HOST_SHARE) * host,
        stall,
    )
    # Selective recomputation runs norms and activation functions again: half of the forward streams.
    again = 0.5 * stream_f
    kept = layer_kept(kind, model.arch, c, model.rates.operand_bytes[c.precision], fw)
    if fw.selective_matmuls:
        # ... or everything but the attention core and every other product (torchtitan; reduce-scatters are kept).
        again = stream_f + repeated_share(kind, model.arch) * gemm_f + 0.5 * expose_tp * tp_f
        kept = Kept(kept.total, kept.total - operator_kept(kind, model.arch, c))
    selective = np.where(c.recompute == _SELECTIVE, again, 0.0)
    plain, full = layer_activation_bytes(kept, layer_input_bytes(model.arch, c), c.recompute)
    forward_s, backward_s = _total(forward), _total(backward)
    kernel = gemm_f + dgrad + wgrad + core_f + core_b + stream_f + stream_b
    return KindTable(
        forward_s=forward_s,
        backward_s=backward_s,
        wgrad_s=wgrad,
        selective_s=selective,
        kernel_s=kernel,
        measured_s=measured + _measured_core(model, kind.mixer, core_f, core_b),
        activation_bytes=plain,
        recomputed_bytes=full,
        working_bytes=kept.total,
        dispatch_bytes=dispatch_bytes,
        forward_parts=forward,
        backward_parts=backward,
        totals={"tp_total_s": tp_f + tp_b, "cp_total_s": cp_f + cp_b, "ep_total_s": 2.0 * (ep + ep_fixed)},
    )


def _measured_core(model: Model, mixer: Mixer | None, forward: FloatArray, backward: FloatArray) -> FloatArray:
    """Part of the core's time that rests on a measured table: softmax attention; on Blackwell its forward pass only."""
    if mixer is None or mixer.type not in ("attention", "mla"):
        return 0.0 * forward
    return forward + backward * model.rates.attention_backward_measured


def _pass_parts(
    gemm: FloatArray,
    core: FloatArray,
    stream: FloatArray,
    tp: FloatArray,
    cp: FloatArray,
    ep: FloatArray,
    host: FloatArray,
    stall: FloatArray,
) -> dict[str, FloatArray]:
    """Parts of one pass; launch_s is what the host's issue time adds: max(0, host - device), and stalls."""
    device = gemm + core + stream + tp + cp + ep
    launch = np.maximum(host - device, 0.0) + stall * np.minimum(host, device)
    return dict(zip(COMPONENTS, (gemm, core, stream, tp, cp, ep, launch), strict=True))


def _total(parts: dict[str, FloatArray]) -> FloatArray:
    total: FloatArray = reduce(np.add, parts.values())
    return total


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EndTable:
    """Embedding and logits of the end stages per micro batch, arrays of shape [U].

    embedding_s is forward + backward on the first stage; logits_* on the last stage.
    """

    embedding_s: FloatArray
    logits_forward_s: FloatArray
    logits_backward_s: FloatArray
    logits: FloatArray


def end_table(model: Model, c: Combos, tensor: TensorTimes) -> EndTable:
    """Vocabulary work of the end stages: logits GEMMs in bf16, cross entropy over T x V / tp logits.

    Cross entropy moves `logit_traffic_bytes` per logit in both passes: a fused kernel reads bf16, keeps softmax
    statistics and writes the gradient. Source: counting of operands; Valid: vocabularies of 32k-256k.
    """
    arch = model.arch
    bf16 = np.zeros_like(c.precision) + int(Precision.BF16)
    h, width = np.asarray(float(arch.hidden)), arch.vocab / c.tp
    one = np.ones_like(c.tokens)
    r = model.rates
    logits_f = gemm_s(r, bf16, c.tokens, width, h, one, BF16_BYTES)
    logits_b = gemm_s(r, bf16, c.tokens, h, width, one, BF16_BYTES) + gemm_s(
        r, bf16, h, width, c.tokens, one, WGRAD_OUTPUT_BYTES
    )
    logits = c.tokens * width
    gather = tensor.gather_s
    loss = stream_s(r, model.framework.logit_traffic_bytes * logits, 6.0)
    embedding = stream_s(r, model.framework.memory_traffic * 12.0 * arch.hidden * c.tokens, 4.0) + 2.0 * gather
    return EndTable(embedding, logits_f + 0.4 * loss + gather, logits_b + 0.6 * loss + gather, logits)
