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
The boards ran under a power limit that the source does not state; by rule it is taken as that of the one limited part
whose number is known (5/7 of the rated power). The fp8 runs are slower still: row-wise products without tuned
kernels, half as fast as tensor-wise ones. The Llama-4-Scout runs have 2 of 48 layers and 65,536 tokens per GPU and
step, so that the loss and the reading of tokens are most of the step, and their bf16 expert products run at a tenth
of peak (an fp8 version of the same layers saves a third of the step): young kernels that no table holds. Memory: the
8B runs leave room for practically no logits, the Scout runs for 8 bytes each; no one rule gives both.""",
    "torchao/H100": """\
With the source left out little is left that speaks of FSDP2 on H100: what its sharded updates cost the host per layer
is then set by runs of other publishers.""",
    "hf-ultrascale": """\
With the source left out there is no other nanotron run: what a collective costs the host per tensor-parallel rank
beside a pipeline that crosses hosts (0.2 ms, linear in the ranks from 2 to 16) is then known from its prior alone. In
sample the sweep is predicted to 3-6 % at the median. Tensor parallelism over 16 and 32 GPUs stays 1.2 to 4 times too
fast, and runs marked SUSPECT or above 64 GPUs are set apart.""",
    "aws/megatron-bridge/Qwen3-30B-A3B": """\
Young dispatchers on EFA: what an exchange costs the host or a proxy, and what posting a token costs on EFA v1 and v2,
is known from this source alone; left out, both stand at their priors.""",
    "aws/megatron-bridge/DeepSeek-V3": """\
As for the Qwen3 runs of this source: the time of an exchange across EFA is host or proxy work of the dispatcher
(NCCL, DeepEP on UCCL), which differs between implementations more than between layouts.""",
    "megatron-bridge/Nemotron-3-Super-120B": """\
A hybrid of state-space, attention and latent expert layers at micro batch 1. All runs of such layers, and all of the
host's work for experts under partial graphs, are of this one publisher: left out, nothing in the fit holds a
recurrence, and what 8 to 64 experts on a rank cost the host comes from its prior.""",
    "megatron-bridge/Qwen3-30B-A3B": """\
The same layout in two releases differs by a factor of two (rows 0027, 0028 and 0032 against 0023 and 0036; row 0035
is twice its peers): software that the rows do not name.""",
    "megatron-bridge/DeepSeek-V3": """\
Recipes of several releases with different dispatchers and graph scopes; left out, fused dispatch inside NVLink
domains of 72 GPUs is known from no other run.""",
    "torchtune": """\
Memory follows a list of techniques added one after the other: offloaded activations and 8-bit states are approximated
as shares; one run offloads its states to the host, which is not modelled.""",
    "torchtitan/2024-12": """\
Memory of two 70B runs in fp8 at micro batch 16: some 20 GiB of 72 are not explained.""",
    "internevo": """\
Five runs of 4 to 16 GPUs (MEMORY ONLY) state whole GB without saying how they were read.""",
    "ptd-p": """\
Clusters of 2021, before sequence parallelism and FlashAttention.""",
    "mlperf": """\
LoRA on frozen weights in FP8 with few sequences per step: adapters, their small products and their dropout are left
out of the model, and on more GPUs, with one sequence each, what is left out is a larger part of the step.""",
    "kempnerforge": """\
FSDP with bf16 weights. Memory of the runs with data parallelism alone, and of the 70B runs, looks as if neither
weights nor gradients were sharded again between accumulated micro batches; the 7B runs with tensor parallelism
contradict that, so there is no rule for it. Five runs state no micro batch.""",
}


def explanation(family: str) -> str:
    """The paragraph for a family, empty where there is none."""
    keys = [key for key in WHY if family.startswith(key)]
    return WHY[max(keys, key=len)].replace("\n", " ") if keys else ""
