"""A layer as a list of operations: counted by hand, and free of time, so that other workloads can time it their way."""

from __future__ import annotations

import numpy as np
import pytest

from fmctl.domain.layout import ContextComm, Dispatcher
from fmctl.perf.layer.counts import layer_params
from fmctl.perf.layer.operations import hidden_collectives, operations
from fmctl.perf.ops.operation import Attention, Collective, Dispatch, Exchange, Gemm, Op, Sort, Stream
from tests.unit.perf.helpers import columns, model


def listed(name: str, kind: int = 0, seq: int = 4096, **fields: int) -> list[Op]:
    arch, c = model(name), columns(seq, **fields)
    return operations(arch.kinds[kind], arch, c, hidden_collectives(arch, c))


def sent(ops: list[Op]) -> list[tuple[str, str, float, float]]:
    """(group, what, times forward, times backward) of each exchange."""
    return [
        (
            op.group,
            op.message.what if isinstance(op.message, Collective) else "dispatch",
            float(np.max(op.forward)),
            float(np.max(op.backward)),
        )
        for op in ops
        if isinstance(op, Exchange)
    ]


def test_a_dense_layer_alone() -> None:
    ops = listed("llama-3.1-8b")
    assert [type(op) for op in ops] == [Gemm, Gemm, Attention, Stream, Gemm, Gemm, Stream]
    # Multiply-adds of the products are its weights (norms apart) times the tokens.
    flop = sum(2.0 * float(np.max(op.m * op.n * op.k * op.groups)) for op in ops if isinstance(op, Gemm))
    params = layer_params(model("llama-3.1-8b").kinds[0], model("llama-3.1-8b"))
    assert flop == pytest.approx(2.0 * 4096 * (params.total - params.norms))
    core = next(op for op in ops if isinstance(op, Attention))
    # 32 heads, half of 4,096^2 pairs, two products of 128: 2 x 32 x 8,388,608 x 256.
    assert core.flop == pytest.approx([2.0 * 32 * 4096**2 / 2 * 256])
    assert (core.head_dim, core.recurrent) == (128, False)


def test_tensor_parallel_blocks() -> None:
    # With sequence parallelism 4 collectives forward and 6 backward; without it one each way and block.
    split = sent(listed("llama-3.1-8b", tp=8, sequence_parallel=1))
    assert split == [("tp", "gather", 1, 2), ("tp", "gather", 1, 1), ("tp", "gather", 2, 3)]
    assert (sum(one[2] for one in split), sum(one[3] for one in split)) == (4.0, 6.0)
    whole = [one for one in sent(listed("llama-3.1-8b", tp=8)) if one[2]]
    assert whole == [("tp", "all-reduce", 1, 1), ("tp", "all-reduce", 1, 1)]


@pytest.mark.parametrize(
    ("comm", "wanted"),
    [
        (ContextComm.RING, [("cp", "send", 3, 0), ("cp", "send", 0, 3)]),
        (ContextComm.ALL_GATHER, [("cp", "gather", 1, 0), ("cp", "gather", 0, 1)]),
        (ContextComm.ALL_TO_ALL, [("cp", "all-to-all", 2, 2)]),
    ],
)
def test_context_parallel_exchange(comm: ContextComm, wanted: list[tuple[str, str, float, float]]) -> None:
    ops = listed("llama-3.1-8b", cp=4, cp_comm=int(comm))
    assert sent(ops) == wanted
    keys = next(op.message for op in ops if isinstance(op, Exchange))
    assert isinstance(keys, Collective)
    # Keys and values of 8 heads of 128 in bf16 over 1,024 tokens: 4 MiB, and 32 query heads beside them for all-to-all.
    each = {ContextComm.RING: 1.0, ContextComm.ALL_GATHER: 4.0, ContextComm.ALL_TO_ALL: 40 / 16}[comm]
    assert keys.moved_bytes == pytest.approx([each * 2 * 8 * 256 * 1024])


def test_experts() -> None:
    plain = listed("qwen3-30b-a3b", ep=8, dp=8)
    assert sent(plain) == [("ep", "all-to-all", 2, 2)]
    fused = listed("qwen3-30b-a3b", ep=8, dp=8, dispatcher=int(Dispatcher.FUSED))
    assert sent(fused) == [("ep", "dispatch", 2, 2)]
    message = next(op.message for op in fused if isinstance(op, Exchange))
    assert isinstance(message, Dispatch)
    assert (message.tokens.tolist(), message.token_bytes, message.copies) == ([4096.0], 2.0 * 2048, 8)
    # A fused dispatcher sorts half as much.
    moved = [next(op.moved_bytes for op in ops if isinstance(op, Sort)) for ops in (plain, fused)]
    assert moved[0] == pytest.approx(2.0 * moved[1])


def test_a_recurrence_is_no_softmax() -> None:
    cores = [op for kind in range(2) for op in listed("qwen3-next-80b-a3b", kind) if isinstance(op, Attention)]
    assert sorted(core.recurrent for core in cores) == [False, True]
