"""Every term of the step against the same step written out in plain Python (`plain_step.py`), feature by feature."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from fmctl.domain.layout import CudaGraph, Dispatcher, Layout, Layouts, Precision, Recompute, Schedule, Sharding
from fmctl.domain.workload import TrainingWorkload
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.train.evaluate import evaluate
from tests.unit.perf.helpers import instance, model
from tests.unit.perf.plain_step import Plain


class Case(NamedTuple):
    """A model (cut to its last layers, and otherwise changed), where it runs, and one layout."""

    arch: str
    on: str
    framework: str
    seq: int
    batch: int
    layout: Layout
    layers: int = 0
    changes: dict[str, Any] = {}  # noqa: RUF012 - never changed
    profile: dict[str, Any] = {}  # noqa: RUF012 - what of the framework is otherwise


Z0, Z1, Z2, Z3 = Sharding
L8, QWEN, V3 = "llama-3.1-8b", "qwen3-30b-a3b", "deepseek-v3"
P4D, P5, P5EN, B200, GB200 = "p4d.24xlarge", "p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge", "p6e-gb200"
FUSED, PROXY = Dispatcher.FUSED, Dispatcher.PROXY
ZB, INTERLEAVED = Schedule.ZERO_BUBBLE, Schedule.INTERLEAVED
SELECTIVE, FULL = Recompute.SELECTIVE, Recompute.FULL
# Everything that some framework has, at once: what is nought in a profile hides nothing.
EVERYTHING = {
    "permute_traffic": 1.3, "attention_share": 0.9, "host_rank_s": 2e-4, "token_s": 3e-6, "update_layer_s": 5e-3,
    "broadcast_s": 1e-3, "gradient_copy_bytes": 1.5, "activation_factor": 1.2, "norm_copy_bytes": 3.0,
    "unfused_gate": True, "repeated_kv": True, "gathered_inputs": True, "wgrad_bytes": 2.5, "layer_wgrad_bytes": 1.5,
    "step_bytes": 5.0, "whole_bytes": 1.7, "pending_bytes": 3.5, "allocator_overhead": 0.07, "cp_overlap": 0.4,
    "ep_overlap": 0.3, "pp_overlap": 0.6,
}  # fmt: skip
LATE = EVERYTHING | {"gradients_kept": False}
CASES = {
    "data ranks": Case(L8, P5, "megatron", 4096, 64, Layout(dp=8, sharding=Z1)),
    "one GPU": Case("gpt2-xl", P5, "torchtitan", 1024, 8, Layout(), 4),
    "split sequences, fp8": Case(
        L8, P5, "megatron", 4096, 64,
        Layout(tp=2, pp=4, dp=4, sharding=Z1, sequence_parallel=1, micro_batch=2, precision=Precision.FP8),
    ),
    "whole sequences, dealt by cost": Case(L8, P4D, "nanotron", 4096, 64, Layout(tp=4, pp=8, dp=4, sharding=Z1)),
    "collectives that the host ran ahead of": Case(L8, P5, "nanotron", 4096, 64, Layout(tp=4, dp=4, sharding=Z1)),
    "interleaved, graphs of layers": Case(
        "llama-3.1-70b", P5EN, "megatron", 8192, 128,
        Layout(tp=8, pp=4, vpp=5, schedule=INTERLEAVED, dp=8, sharding=Z1, sequence_parallel=1,
               cuda_graph=CudaGraph.LAYER),
    ),
    "zero bubble, windows, fp4": Case(
        "gemma-3-27b", B200, "megatron", 8192, 128,
        Layout(tp=4, pp=2, schedule=ZB, dp=8, sharding=Z0, recompute=SELECTIVE, precision=Precision.NVFP4),
    ),
    "ring, hybrid shards, operators again": Case(
        L8, P5, "torchtitan", 32768, 64,
        Layout(tp=2, cp=4, dp=8, sharding=Z3, dp_replicate=2, recompute=SELECTIVE, sequence_parallel=1),
    ),
    "gathered keys, some layers again": Case(
        L8, P4D, "torchtitan-eager", 32768, 64,
        Layout(cp=4, cp_comm=1, dp=8, sharding=Z3, recompute=FULL, recompute_layers=5),
    ),
    "swapped heads, all layers again": Case(
        L8, P5, "deepspeed", 32768, 64, Layout(cp=4, cp_comm=2, dp=16, sharding=Z2, recompute=FULL)
    ),
    "experts over EFA": Case(
        QWEN, P5, "megatron", 4096, 512, Layout(tp=2, ep=16, dp=32, sharding=Z1, sequence_parallel=1)
    ),
    "experts split by tensor ranks, one graph": Case(
        "mixtral-8x7b", P5, "megatron", 4096, 512,
        Layout(tp=4, ep=8, etp=2, dp=16, pp=2, sharding=Z1, sequence_parallel=1, dispatcher=FUSED,
               cuda_graph=CudaGraph.FULL),
    ),
    "experts by a proxy": Case(
        QWEN, P5, "megatron", 4096, 512,
        Layout(ep=32, dp=32, sharding=Z1, dispatcher=PROXY, recompute=SELECTIVE, cuda_graph=CudaGraph.LAYER),
    ),
    "experts fused on old EFA": Case(
        QWEN, P4D, "megatron", 4096, 512, Layout(ep=64, dp=64, sharding=Z1, dispatcher=FUSED)
    ),
    "experts inside a rack, blocks of fp8": Case(
        QWEN, GB200, "megatron", 4096, 576,
        Layout(ep=8, dp=72, sharding=Z1, dispatcher=FUSED, precision=Precision.MXFP8),
    ),
    "experts in shards": Case(QWEN, P5, "torchtitan", 4096, 512, Layout(ep=8, dp=16, sharding=Z3, dp_replicate=2)),
    "latents and a head for the token after": Case(
        V3, P5, "megatron", 4096, 512, Layout(tp=2, ep=16, dp=32, sharding=Z1, sequence_parallel=1), 5
    ),
    "latents, operators again": Case(
        V3, P5EN, "torchtitan", 4096, 512, Layout(tp=2, ep=4, dp=32, sharding=Z3, recompute=SELECTIVE), 5,
        {"mtp_layers": 0},
    ),
    "recurrences": Case(
        "qwen3-next-80b-a3b", P5, "megatron", 4096, 512, Layout(tp=2, ep=8, dp=32, pp=2, sharding=Z1, micro_batch=2)
    ),
    "recurrences, operators again": Case(
        "qwen3-next-80b-a3b", P5, "torchtitan", 4096, 64, Layout(dp=32, sharding=Z3, recompute=SELECTIVE), 4
    ),
    "scores through memory, biases, positions": Case(
        "gpt3-175b", P4D, "megatron-unfused", 2048, 512, Layout(tp=8, pp=8, dp=8, sharding=Z0, micro_batch=4)
    ),
    "weights sent one by one": Case(L8, P4D, "internevo", 4096, 512, Layout(dp=64, sharding=Z2)),
    "one micro batch": Case("gpt2-xl", P4D, "composer", 1024, 16, Layout(dp=16, sharding=Z3)),
    "heads of 64 backward and forward, ultra": Case(
        "gpt2-xl", "p6-b300.48xlarge", "megatron", 1024, 64, Layout(pp=4, dp=4, sharding=Z1), 8
    ),
    "shards between stages": Case(
        L8, P5, "torchtitan", 8192, 64, Layout(pp=4, dp=8, sharding=Z3, recompute=FULL, schedule=ZB)
    ),
    "tensor ranks over EFA": Case(L8, P5, "megatron", 4096, 16, Layout(tp=16, dp=2, sharding=Z1, sequence_parallel=1)),
    "everything, in shards": Case(
        L8, P5, "megatron", 4096, 128, Layout(tp=2, dp=32, sharding=Z3, sequence_parallel=1), 8, {}, EVERYTHING
    ),
    "everything, gradients late": Case(
        L8, P5, "megatron", 4096, 128, Layout(tp=2, dp=32, sharding=Z3, sequence_parallel=1), 8, {}, LATE
    ),
    "everything, one micro batch": Case(
        L8, P5, "megatron", 4096, 32, Layout(tp=2, dp=32, sharding=Z3, sequence_parallel=1), 8, {}, LATE
    ),
    "everything, gradients shared": Case(L8, P5, "megatron", 4096, 32, Layout(dp=32, sharding=Z2), 8, {}, LATE),
    "everything, whole": Case(L8, P5, "megatron", 4096, 32, Layout(dp=32), 2, {"vocab": 512}, LATE),
    "everything, short sequences": Case(
        L8, P5, "megatron", 64, 64, Layout(tp=2, dp=32, sharding=Z3, sequence_parallel=1), 8, {"vocab": 512}, LATE
    ),
    "everything, an optimizer at its peak": Case(
        L8, P5, "megatron", 16, 64, Layout(tp=2, dp=4, sharding=Z1, sequence_parallel=1), 8, {"vocab": 512}, LATE
    ),
    "everything, experts beside context ranks": Case(
        QWEN, P5, "megatron", 4096, 128,
        Layout(tp=2, cp=2, ep=8, etp=2, dp=8, sharding=Z1, cp_comm=1, sequence_parallel=1), 6, {}, EVERYTHING,
    ),
    "everything, between stages": Case(
        L8, P5, "megatron", 4096, 64,
        Layout(tp=4, pp=8, dp=4, sharding=Z1, recompute=FULL, recompute_layers=3), 32, {}, EVERYTHING,
    ),
    "everything, interleaved": Case(
        L8, P5, "megatron", 4096, 32,
        Layout(tp=2, pp=4, vpp=2, schedule=INTERLEAVED, dp=4, sharding=Z1, micro_batch=2), 32, {}, LATE,
    ),
    "everything, between stages of shards": Case(
        L8, P5, "megatron", 4096, 64, Layout(pp=4, dp=4, sharding=Z3), 32, {}, LATE
    ),
    "more ranks of experts than a domain": Case(
        QWEN, P5, "megatron", 4096, 128, Layout(tp=8, ep=16, etp=8, dp=16, sharding=Z3, dp_replicate=2), 6
    ),
    "a root group at its peak": Case(L8, P5, "torchtitan", 64, 16, Layout(dp=8, sharding=Z3), 2),
    "a root group at its peak, once": Case(L8, P5, "torchtitan", 64, 8, Layout(dp=8, sharding=Z3), 2),
    "two of everything": Case(
        QWEN, P5, "torchtitan", 4096, 64,
        Layout(tp=2, pp=2, cp=2, ep=2, etp=2, dp=2, sharding=Z2, sequence_parallel=1, dispatcher=FUSED), 4, {}, LATE,
    ),
    "two stages of two shards": Case(L8, P5, "torchtitan", 4096, 8, Layout(pp=2, dp=2, sharding=Z3), 4),
    "two shards": Case(L8, P5, "torchtitan", 4096, 8, Layout(dp=2, sharding=Z3), 4),
    "two copies": Case(L8, P5, "torchtitan", 4096, 8, Layout(dp=2, sharding=Z3, dp_replicate=2), 4),
    "two tensor ranks, two chunks": Case(
        L8, P5, "nanotron", 4096, 8, Layout(tp=2, pp=2, vpp=2, schedule=INTERLEAVED), 4, {"vocab": 512}
    ),
    "two micro batches": Case(L8, P5, "torchtitan", 4096, 4, Layout(dp=2, sharding=Z2), 4),
    "key and value heads on more ranks": Case(
        L8, P5, "torchtitan", 4096, 16, Layout(tp=16, dp=2, sharding=Z3, recompute=SELECTIVE, sequence_parallel=1), 4
    ),
    # Messages of a few bytes inside a node: nothing of the network's latency is in them.
    "small messages swapped": Case(L8, P5, "megatron", 64, 16, Layout(tp=2, cp=2, cp_comm=2, dp=2, sharding=Z1), 2),
    "small messages gathered": Case(L8, P5, "torchtitan", 64, 16, Layout(tp=2, cp=2, cp_comm=1, dp=2), 2),
    "small messages to experts": Case(QWEN, P5, "megatron", 64, 16, Layout(ep=4, dp=8, sharding=Z1), 2),
    "small messages to experts, fused": Case(
        QWEN, P5, "megatron", 64, 16, Layout(ep=4, dp=8, sharding=Z1, dispatcher=FUSED), 2
    ),
    "small messages across nodes": Case(
        QWEN, P5, "megatron", 64, 64, Layout(ep=32, dp=32, sharding=Z1, dispatcher=FUSED), 2
    ),
    "a single node of a pipeline": Case(L8, P5, "nanotron", 4096, 16, Layout(tp=2, pp=4, sharding=Z0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_term(name: str) -> None:
    case = CASES[name]
    arch = model(case.arch)
    arch = replace(arch, pattern=arch.pattern[-case.layers :], **case.changes)
    on, framework = instance(case.on), replace(FRAMEWORKS[case.framework], **case.profile)
    terms = evaluate(arch, TrainingWorkload(case.seq, case.batch), on, Layouts.of([case.layout]), framework)
    found = terms.row(0) | {"first_stage_bytes": float(terms["first_stage_bytes"][0])}
    assert found == pytest.approx(Plain(arch, case.seq, case.batch, on, framework, case.layout).evaluate(), rel=1e-9)
