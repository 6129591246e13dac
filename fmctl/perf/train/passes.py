"""What a list of operations takes in training: forward, input and weight gradients; exposed or not, all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from fmctl.domain.framework import Framework
from fmctl.domain.model import ModelArch
from fmctl.domain.result import FloatArray
from fmctl.perf.layer.shapes import Combos
from fmctl.perf.ops.calibration import Calibration
from fmctl.perf.ops.collectives import FabricRates, collective_s, fused_s, local_ranks
from fmctl.perf.ops.kernels import KernelRates, attention_s, gemm_measured, gemm_s, stream_s
from fmctl.perf.ops.operation import Attention, Collective, Dispatch, Exchange, Gemm, Group, Op, Sort, Stream

# Chunked recurrences reach about 0.1 of bf16 peak beside their state traffic: state-space duality kernels take as long
# as FlashAttention-2 at 2,048 tokens with an eighth of its FLOPs (arXiv 2405.21060 figure 10).
RECURRENCE_SLOWDOWN = 5.0
BACKWARD_ATTENTION_FLOP = 2.5  # forward = 2 products, backward = 5 (arXiv 2205.14135)
# Bytes per element of a weight gradient: read and written in fp32 where gradients are accumulated in the GEMM.
WGRAD_OUTPUT_BYTES = 8.0
BF16_BYTES = 2.0
# Kernels that a layer's memory-bound work is launched in.
FORWARD_LAUNCHES, BACKWARD_LAUNCHES = 8.0, 12.0


@dataclass(slots=True, eq=False, repr=False)
class Model:
    """What every layer computation needs besides the combinations."""

    arch: ModelArch
    rates: KernelRates
    fabric: FabricRates
    framework: Framework
    calibration: Calibration


@dataclass(slots=True, eq=False, repr=False)
class Both:
    """Seconds of the forward and of the backward pass, shape [U]."""

    forward_s: FloatArray
    backward_s: FloatArray


@dataclass(slots=True, eq=False, repr=False)
class Products:
    """The matrix products of a layer, stacked to [G, U], and what each takes."""

    m: FloatArray
    n: FloatArray
    k: FloatArray
    forward_s: FloatArray
    dgrad_s: FloatArray
    wgrad_s: FloatArray


@dataclass(slots=True, eq=False, repr=False)
class Traffic:
    """Exchanges of one group of ranks, shape [U]."""

    wire: Both
    ring: Both  # what of it passes on while attention works
    fixed_s: FloatArray  # of one pass across EFA, whatever its size: the host or a proxy takes part


@dataclass(slots=True, eq=False, repr=False)
class Passes:
    """What the operations of one layer take, shape [U]."""

    products: Products
    gemm: Both  # the products added up; backward: input and weight gradients
    wgrad_s: FloatArray  # of the weight gradients, which a zero-bubble schedule can move
    core: Both
    stream: Both
    tp: Traffic
    cp: Traffic
    ep: Traffic


@dataclass(slots=True, eq=False, repr=False)
class Clock:
    """Times the operations of all layer kinds of one evaluation: what several of them send is timed once."""

    model: Model
    combos: Combos
    _sent: dict[Collective | Dispatch, FloatArray] = field(default_factory=dict)

    def message_s(self, message: Collective | Dispatch) -> FloatArray:
        """Seconds of one message, shape [U]."""
        if message not in self._sent:
            fabric, post_s = self.model.fabric, self.model.calibration.post_s
            if isinstance(message, Dispatch):
                self._sent[message] = fused_s(fabric, message, post_s)
            else:
                self._sent[message] = collective_s(fabric, message)
        return self._sent[message]

    def passes(self, ops: Sequence[Op]) -> Passes:
        """Forward and backward of the operations of one layer."""
        gemms = [op for op in ops if isinstance(op, Gemm)]
        products = self._products(gemms)
        wgrad = added(products.wgrad_s)
        tp, cp, ep = (self._traffic(ops, group) for group in ("tp", "cp", "ep"))
        return Passes(
            products=products,
            gemm=Both(added(products.forward_s), added(products.dgrad_s) + wgrad),
            wgrad_s=wgrad,
            core=self._core(next((op for op in ops if isinstance(op, Attention)), None)),
            stream=self._stream(ops, gemms),
            tp=tp,
            cp=cp,
            ep=ep,
        )

    @property
    def _zero(self) -> FloatArray:
        return 0.0 * self.combos.tokens

    def _products(self, gemms: list[Gemm]) -> Products:
        m, n, k, groups = _stack(gemms, len(self.combos.tokens))
        r, p = self.model.rates, self.combos.precision
        return Products(
            m,
            n,
            k,
            forward_s=gemm_s(r, p, m, n, k, groups, BF16_BYTES),
            dgrad_s=gemm_s(r, p, m, k, n, groups, BF16_BYTES),
            # Weight gradients reduce over tokens: [k, m] x [m, n]; a grouped one is padded along the reduced dimension.
            wgrad_s=gemm_s(r, p, k, n, m, groups, WGRAD_OUTPUT_BYTES),
        )

    def _core(self, core: Attention | None) -> Both:
        if core is None:
            return Both(self._zero, self._zero)
        r, flop, moved = self.model.rates, core.flop, core.moved_bytes
        forward = attention_s(r, flop, moved, core.queries, core.head_dim, False)
        backward = attention_s(r, BACKWARD_ATTENTION_FLOP * flop, 2.0 * moved, core.queries, core.head_dim, True)
        if core.recurrent:
            return Both(RECURRENCE_SLOWDOWN * forward, RECURRENCE_SLOWDOWN * backward)
        return Both(forward, backward)

    def _stream(self, ops: Sequence[Op], gemms: list[Gemm]) -> Both:
        """Memory-bound work: the framework's traffic factors x textbook bytes, and casts."""
        rates, framework = self.model.rates, self.model.framework
        streams = [op for op in ops if isinstance(op, Stream)]
        sorts = [op for op in ops if isinstance(op, Sort)]
        extra = reduce(np.add, [framework.permute_traffic * op.moved_bytes for op in sorts], self._zero)
        forward = framework.memory_traffic * reduce(np.add, [op.forward_bytes for op in streams])
        backward = framework.memory_traffic * reduce(np.add, [op.backward_bytes for op in streams])
        cast_forward, cast_backward = self._casts(gemms)
        return Both(
            stream_s(rates, forward + extra + cast_forward, FORWARD_LAUNCHES),
            stream_s(rates, backward + extra + cast_backward, BACKWARD_LAUNCHES),
        )

    def _casts(self, gemms: list[Gemm]) -> tuple[FloatArray, FloatArray]:
        """Bytes of casts to a low precision, forward and backward.

        Each linear input is read in bf16 and written twice (rowwise and transposed) in the low precision; so is each
        output gradient in the backward pass. Source: Transformer Engine quantisation.
        """
        low = self.model.rates.operand_bytes[self.combos.precision]
        inputs = reduce(np.add, [g.m * g.k * g.groups for g in gemms])
        grads = reduce(np.add, [g.m * g.n * g.groups for g in gemms])
        return (
            np.where(low < 2.0, inputs * (2.0 + 2.0 * low), 0.0),
            np.where(low < 2.0, grads * (2.0 + 2.0 * low), 0.0),
        )

    def _traffic(self, ops: Sequence[Op], group: Group) -> Traffic:
        exchanges = [op for op in ops if isinstance(op, Exchange) and op.group == group]
        if not exchanges:
            return Traffic(Both(self._zero, self._zero), Both(self._zero, self._zero), self._zero)
        fixed = self._fixed_s(exchanges[0].message) if group == "ep" else self._zero
        ring = [op for op in exchanges if op.under_core]
        return Traffic(self._wire(exchanges), self._wire(ring), fixed)

    def _wire(self, exchanges: list[Exchange]) -> Both:
        forward = backward = self._zero
        for op in exchanges:
            seconds = self.message_s(op.message)
            forward, backward = forward + op.forward * seconds, backward + op.backward * seconds
        return Both(forward, backward)

    def _fixed_s(self, message: Collective | Dispatch) -> FloatArray:
        """Dispatch and combine across EFA: the host or a proxy takes part in each, whatever its size."""
        outside = message.ranks > local_ranks(self.model.fabric, message)
        return np.where(outside, 2.0 * self.model.calibration.efa_exchange_s * self.model.fabric.efa, 0.0)


def _stack(gemms: list[Gemm], u: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    columns = np.empty((4, len(gemms), u))
    for i, gemm in enumerate(gemms):
        columns[0, i], columns[1, i], columns[2, i], columns[3, i] = gemm.m, gemm.n, gemm.k, gemm.groups
    m, n, k, groups = columns
    return m, n, k, groups


def added(rows: FloatArray) -> FloatArray:
    """The sum of rows [G, U], row by row, not by np.sum: its order must not depend on how many columns there are."""
    total: FloatArray = reduce(np.add, rows)
    return total


def measured_s(model: Model, c: Combos, ops: Sequence[Op], p: Passes) -> FloatArray:
    """Kernel time of a layer that rests on measured tables, shape [U].

    Products whose shape lies inside a sweep; softmax attention, on Blackwell its forward pass only.
    """
    g = p.products
    inside = gemm_measured(model.rates, c.precision, g.m, g.n, g.k)
    products = added(inside * (g.forward_s + g.dgrad_s + g.wgrad_s))
    if not any(isinstance(op, Attention) and not op.recurrent for op in ops):
        return products + 0.0 * p.core.forward_s
    return products + (p.core.forward_s + p.core.backward_s * model.rates.attention_backward_measured)


def kernel_s(p: Passes) -> FloatArray:
    """Kernel time of a layer, both passes, shape [U]."""
    g = p.products
    whole: FloatArray = p.gemm.forward_s + added(g.dgrad_s) + p.wgrad_s
    return whole + p.core.forward_s + p.core.backward_s + p.stream.forward_s + p.stream.backward_s
