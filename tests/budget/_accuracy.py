"""The words of docs/accuracy/README.md: what its numbers are, and why some families are far off.

A key of WHY is a family or the beginning of its name; the longest that fits is taken.
"""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.validation.acceptance import FAMILY_OFF

EXPLAIN_FROM = FAMILY_OFF
INTRODUCTION = """\
Made by `python tests/budget/accuracy.py` from {data} ({rows} runs, {predicted} predicted) with the calibration
`{name}` of {date}. `fmctl validate` prints the same for any file, `fmctl calibrate` makes the fit. Errors are
medians of abs(predicted / measured - 1); a mean over families weighs every family alike. *Left out* means that the
constants were fitted without any run of that publisher: what to expect of runs that nobody has seen. What a source
leaves unstated is assumed by one written rule ([assumptions](../assumptions.md))."""
WHY: Mapping[str, str] = {
    "torchao/B200": """\
The boards ran under a power limit that the source does not state (its rows say POWER-LIMITED). A limit lowers the
clock of the matrix products, so these runs are predicted too fast; no constant of ours can stand for somebody's
power limit, and a fit without this source does not know of it at all. The Llama-4-Scout runs have fewer layers than
the model (REDUCED-LAYER), so that the loss is a large part of step and peak: torchao computes it in chunks, the rule
for torchtitan keeps whole logits in fp32, and memory is predicted half as large again as it was.""",
    "torchao/H100": """\
With the source left out no FSDP2 run with compile off is left on H100: eager kernels are then set by A100 and
nanotron runs. In sample the eager fp8 runs are the worst: their casts and scalings are kernels of their own
(float8nocompile) that read and write every operand, and the model counts the product at the fp8 rate and each
operand once. The compiled runs are within a tenth.""",
    "hf-ultrascale": """\
The sweep's cluster stalled: runs marked SUSPECT, and most above 64 GPUs, wait about 1 s per micro batch for reasons
that are not their layout (they are set apart), and the same layout run twice differs by a factor of 1.37 at the
median. Of the others, ten runs of the figure on tensor-parallel scaling state no batch: by rule one sequence per
step, which bears nanotron's whole fixed cost of a step, so they are predicted at a tenth to a third of what was
measured with more. At the other end, tensor parallelism over 8 and 16 GPUs at micro batch 1 is predicted 3 to 8
times too fast: thousands of small collectives, each issued from Python, or stalls that nobody marked; the data
cannot tell which. With the source left out there is no other nanotron run to learn its host times from.""",
    "aws/megatron-bridge/Qwen3-30B-A3B": """\
Young dispatchers on EFA: with the model and the GPUs the same, runs differ by a factor of 1.6 between DeepEP on
NVSHMEM and on UCCL in one layout, and by 4 between UCCL and overlapped NCCL in another, at 17 to 22 ms per expert
layer at micro batch 1 whatever the bytes: host or proxy time, not the wire. The model knows two dispatchers and one
cost of an exchange across EFA; the UCCL runs are predicted too fast, the overlapped NCCL run too slow.""",
    "aws/megatron-bridge/DeepSeek-V3": """\
As for the Qwen3 runs of this source: the time of an exchange across EFA is host or proxy work of the dispatcher
(NCCL, DeepEP on UCCL), which differs between implementations more than between layouts.""",
    "megatron-bridge/Nemotron-3-Super-120B": """\
A hybrid of state-space, attention and latent expert layers at micro batch 1. All runs of such layers are of this one
source: left out, nothing in the fit holds a recurrence, and what expert layers cost the host comes from stacks on
AWS. In sample the GB200 runs with tensor parallelism over 2 GPUs stay the fastest against measurement (1.4); which
part of a recurrent layer tensor parallelism slows is not known to us.""",
    "megatron-bridge/Qwen3-30B-A3B": """\
The same layout in two releases differs by a factor of two (rows 0027, 0028 and 0032 against 0023 and 0036; row 0035
is twice its peers): software that the rows do not name.""",
    "megatron-bridge/DeepSeek-V3": """\
Recipes of several releases with different dispatchers and graph scopes; left out, fused dispatch inside NVLink
domains of 72 GPUs is known from no other run.""",
    "torchtune": """\
One GPU, a 3B model, two sequences per step: a step takes about a second, of which the fixed cost that one constant
gives to all Python stacks is a fifth. These runs are faster than that, and faster than the eager kernels of the
other sources. Memory follows a list of techniques added one after the other: chunked loss, offloaded activations and
8-bit states are approximated as shares.""",
    "internevo": """\
Throughput is well predicted; memory is not. Five runs of 4 to 16 GPUs (MEMORY ONLY) state whole GB without saying
how they were read, and all are predicted at about 0.6 of them, whatever the sharding: states and activations that we
count, without the allocator's pools and flat gradient buckets that the profile does not describe.""",
    "ptd-p": """\
Clusters of 2021: Megatron-LM before sequence parallelism and FlashAttention, whose attention writes its scores to
memory. The small models without pipelines are predicted too fast for it.""",
    "mlperf": """\
LoRA on frozen weights in FP8 with few sequences per step: adapters, their small products and their dropout are left
out of the model, and on more GPUs, with one sequence each, what is left out is a larger part of the step.""",
    "kempnerforge": """\
FSDP with bf16 weights on one node; the peak depends on which copies of the gathered logits are alive in the loss.""",
}


def explanation(family: str) -> str:
    """The paragraph for a family, empty where there is none."""
    keys = [key for key in WHY if family.startswith(key)]
    return WHY[max(keys, key=len)].replace("\n", " ") if keys else ""
