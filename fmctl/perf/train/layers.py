"""Time of one layer of each kind on one rank, forward and backward, with what of its communication is exposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.layout import CudaGraph, Precision, Recompute
from fmctl.domain.model import LayerKind
from fmctl.domain.result import FloatArray
from fmctl.perf.layer.activations import Kept, layer_activation_bytes, layer_input_bytes, layer_kept
from fmctl.perf.layer.operations import Hidden, dispatch_bytes, operations
from fmctl.perf.layer.operators import operator_kept, repeated_share
from fmctl.perf.layer.shapes import Combos
from fmctl.perf.ops.kernels import gemm_s, stream_s
from fmctl.perf.ops.operation import Op
from fmctl.perf.train.passes import BF16_BYTES, WGRAD_OUTPUT_BYTES, Clock, Model, Passes, Traffic

# Share of the host's issue time that falls on the forward pass (one kernel forward, about two backward).
FORWARD_HOST_SHARE = 0.4
# Codes as plain integers: looking up an enum member costs as much as a NumPy call on one row.
_SELECTIVE, _WHOLE_STEP = int(Recompute.SELECTIVE), int(CudaGraph.FULL)
# Tensor-parallel collectives of a layer forward and backward: four and six with sequence parallelism.
COLLECTIVES_PER_LAYER = 10.0
COMPONENTS = ("gemm_s", "attention_s", "memory_bound_s", "tp_exposed_s", "cp_exposed_s", "ep_exposed_s", "launch_s")

Parts = dict[str, FloatArray]


@dataclass(slots=True, eq=False, repr=False)
class LayerTime:
    """One layer of a kind, seconds per micro batch, shape [U]."""

    kind: LayerKind
    ops: Sequence[Op]
    passes: Passes
    forward: Parts  # what forward_s is made of, by COMPONENTS
    backward: Parts
    forward_s: FloatArray  # with exposed communication and what the host adds
    backward_s: FloatArray
    selective_s: FloatArray  # added by selective recomputation; 0 in other modes


@dataclass(slots=True, eq=False, repr=False)
class LayerBytes:
    """One layer of a kind, bytes per micro batch, shape [U]."""

    kept: FloatArray  # of a layer that is not wholly recomputed
    recomputed: FloatArray  # of one that is
    working: FloatArray  # while it is worked on
    dispatch: FloatArray  # the buffer of expert dispatch


def host_s(fw: Framework, kind: LayerKind, c: Combos) -> FloatArray:
    """Host time to issue one layer forward and backward, s: what graphs capture takes none.

    Graphs of layers hold the mixer, its collectives and the router; experts are issued by the host one by one.
    """
    each = fw.host_collective_s + fw.host_rank_s * c.tp * c.staged
    mixer = fw.host_layer_s + COLLECTIVES_PER_LAYER * each * (c.tp > 1)
    host = np.where(c.cuda_graph > 0, 0.0, mixer)
    ff = kind.feed_forward
    if ff is None or not ff.n_experts:
        return host
    experts = fw.host_moe_layer_s + fw.host_expert_s * ff.n_experts / c.ep
    return host + np.where(c.cuda_graph >= _WHOLE_STEP, 0.0, experts)


def layer_time(clock: Clock, kind: LayerKind, hidden: Hidden | None) -> LayerTime:
    """Time of one layer of `kind`, for each combination."""
    model, c = clock.model, clock.combos
    ops = operations(kind, model.arch, c, hidden)
    passes = clock.passes(ops)
    forward, backward = _parts(model, kind, c, passes)
    return LayerTime(
        kind=kind,
        ops=ops,
        passes=passes,
        forward=forward,
        backward=backward,
        forward_s=_total(forward),
        backward_s=_total(backward),
        selective_s=np.where(c.recompute == _SELECTIVE, _repeated_s(model, kind, c, passes), 0.0),
    )


def _expose_tp(model: Model, c: Combos) -> FloatArray:
    """Exposed share of tensor-parallel traffic: it hides through NVLink buffers; across EFA nothing hides."""
    return np.where(c.tp > model.fabric.domain_gpus, 1.0, 1.0 - model.framework.tp_overlap)


def _parts(model: Model, kind: LayerKind, c: Combos, p: Passes) -> tuple[Parts, Parts]:
    """What the forward and the backward pass of a layer are made of."""
    fw = model.framework
    host, tp, stall = host_s(fw, kind, c), _expose_tp(model, c), _stall(fw, kind, c)
    ep = _exposed_dispatch(fw, p.ep)
    cp_forward, cp_backward = _exposed_context(fw, p)
    wire = p.tp.wire
    forward = (p.gemm.forward_s, p.core.forward_s, p.stream.forward_s, tp * wire.forward_s, cp_forward, ep)
    backward = (p.gemm.backward_s, p.core.backward_s, p.stream.backward_s, tp * wire.backward_s, cp_backward, ep)
    return (
        _with_launches(forward, FORWARD_HOST_SHARE * host, stall),
        _with_launches(backward, (1.0 - FORWARD_HOST_SHARE) * host, stall),
    )


def _stall(fw: Framework, kind: LayerKind, c: Combos) -> FloatArray:
    """Share of the shorter of device and host time in which the host waits for tokens per expert."""
    is_moe = kind.feed_forward is not None and kind.feed_forward.n_experts > 0
    return np.where(c.cuda_graph >= _WHOLE_STEP, 0.0, fw.host_stall if is_moe else 0.0)


def _exposed_dispatch(fw: Framework, ep: Traffic) -> FloatArray:
    """Of one pass. Host time hides half as well as the wire: one host issues both micro batches."""
    exposed: FloatArray = (1.0 - fw.ep_overlap) * ep.wire.forward_s + (1.0 - 0.5 * fw.ep_overlap) * ep.fixed_s
    return exposed


def _exposed_context(fw: Framework, p: Passes) -> tuple[FloatArray, FloatArray]:
    """Forward and backward: what a ring sends hides under attention."""
    passes = (
        (p.cp.wire.forward_s, p.cp.ring.forward_s, p.core.forward_s),
        (p.cp.wire.backward_s, p.cp.ring.backward_s, p.core.backward_s),
    )
    forward, backward = (
        np.maximum(wire - np.where(ring > 0.0, fw.cp_overlap * core, 0.0), 0.0) for wire, ring, core in passes
    )
    return forward, backward


def _with_launches(device_parts: tuple[FloatArray, ...], host: FloatArray, stall: FloatArray) -> Parts:
    """Parts of one pass; launch_s is what the host's issue time adds: max(0, host - device), and stalls."""
    device = reduce(np.add, device_parts)
    launch = np.maximum(host - device, 0.0) + stall * np.minimum(host, device)
    return dict(zip(COMPONENTS, (*device_parts, launch), strict=True))


def _total(parts: Parts) -> FloatArray:
    total: FloatArray = reduce(np.add, parts.values())
    return total


def _repeated_s(model: Model, kind: LayerKind, c: Combos, p: Passes) -> FloatArray:
    """What selective recomputation runs again, s: norms and activation functions, half of the forward streams.

    Or everything but the attention core and every other product (torchtitan; reduce-scatters are kept).
    """
    if not model.framework.selective_matmuls:
        return 0.5 * p.stream.forward_s
    products = repeated_share(kind, model.arch) * p.gemm.forward_s
    return p.stream.forward_s + products + 0.5 * _expose_tp(model, c) * p.tp.wire.forward_s


def layer_bytes(model: Model, kind: LayerKind, c: Combos) -> LayerBytes:
    """Memory of one layer of `kind`, for each combination."""
    fw = model.framework
    kept = layer_kept(kind, model.arch, c, model.rates.operand_bytes[c.precision], fw)
    if fw.selective_matmuls:
        kept = Kept(kept.total, kept.total - operator_kept(kind, model.arch, c))
    plain, full = layer_activation_bytes(kept, layer_input_bytes(model.arch, c), c.recompute)
    return LayerBytes(plain, full, kept.total, dispatch_bytes(kind.feed_forward, model.arch, c))


@dataclass(slots=True, eq=False, repr=False)
class EndTable:
    """Embedding and logits of the end stages per micro batch, arrays of shape [U]."""

    embedding_s: FloatArray  # forward and backward, on the first stage
    logits_forward_s: FloatArray  # on the last stage
    logits_backward_s: FloatArray
    logits: FloatArray  # how many


def end_table(clock: Clock, hidden: Hidden | None) -> EndTable:
    """Vocabulary work of the end stages: logits GEMMs in bf16, cross entropy over T x V / tp logits.

    Cross entropy moves `logit_traffic_bytes` per logit in both passes: a fused kernel reads bf16, keeps softmax
    statistics and writes the gradient. Source: counting of operands; Valid: vocabularies of 32k-256k.
    """
    model, c = clock.model, clock.combos
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
    gather = 0.0 * c.tokens if hidden is None else clock.message_s(hidden.gather)
    loss = stream_s(r, model.framework.logit_traffic_bytes * logits, 6.0)
    embedding = stream_s(r, model.framework.memory_traffic * 12.0 * arch.hidden * c.tokens, 4.0) + 2.0 * gather
    return EndTable(embedding, logits_f + 0.4 * loss + gather, logits_b + 0.6 * loss + gather, logits)
