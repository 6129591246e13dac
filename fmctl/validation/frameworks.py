"""Which profile of `frameworks` stands for a row's software, and what the row says that changes it.

A *dialect* is one way a framework is run: recipes of one publisher share their defaults. `rules` has what each dialect
does where a row says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fmctl.domain.layout import Dispatcher
from fmctl.validation.rows import Row

# (field of the framework profile, new value; with a trailing * a factor)
Changes = tuple[tuple[str, float], ...]
# Weights, gradients and both Adam moments in bf16, no master weights: 8 bytes per parameter.
# torchtune's chunked cross entropy: bf16 logits and their gradients whole, one chunk of eight in fp32 twice.
CHUNKED_LOSS = 5.0
# Without chunks: bf16 logits, their fp32 copy, log-probabilities and the gradient.
WHOLE_LOSS = 14.0
# Compiled cross entropy over whole logits: fp32 log-probabilities and their gradient.
COMPILED_LOSS = 8.0
# Logits gathered along the vocabulary: bf16, as received and put in order.
GATHERED_LOGITS = 4.0
# Megatron's cross entropy without fusion: bf16 logits, fp32 logits and their exponentials.
UNFUSED_LOSS: Changes = (("logit_bytes", 10.0),)
PURE_BF16: Changes = (("gradient_bytes", 2.0), ("optimizer_bytes", 4.0), ("param_bytes", 2.0))


MemoryKind = Literal["allocated", "reserved"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way a framework is run: `profile` of frameworks, and its defaults for what a row leaves unstated."""

    name: str
    profile: str
    sharding: str  # with recompute: as rows spell them
    sequence_parallel: bool
    recompute: str
    vpp: str  # "recipe" (see `rules.interleaving`) or "1"
    seq_len: int  # tokens
    memory: MemoryKind  # what its logger calls peak memory, allocated or reserved
    compiled: bool = True  # whether PyTorch's compiler is on
    micro_batch: int = 1  # sequences, as far as the global batch holds them
    dispatcher: Dispatcher = Dispatcher.ALL_TO_ALL  # of experts
    fields: Changes = ()  # of the profile
    whole_logits: bool = False  # every tensor-parallel rank gathers all logits
    first_stage: bool = False  # its logger is on the first stage
    why: str = ""


DIALECTS: Mapping[str, Dialect] = {
    d.name: d
    for d in (
        Dialect("nemo", "megatron", "distopt", True, "none", "recipe", 4096, "reserved",
                dispatcher=Dispatcher.FUSED, fields=(("gradient_bytes", 2.0),),
                why="performance recipes of NeMo, Megatron-Bridge, DGX Cloud, MLPerf: distributed optimizer, sequence "
                "parallelism with TP, no recomputation, interleaved pipelines, bf16 gradients, HybridEP or DeepEP"),
        Dialect("megatron-lm", "megatron", "distopt", False, "none", "1", 4096, "allocated", fields=UNFUSED_LOSS,
                why="pretrain_gpt.py does nothing that its command line does not say"),
        Dialect("torchtitan", "torchtitan", "zero3", True, "ac-op", "1", 8192, "reserved", compiled=False,
                why="train configurations: FSDP2, selective activation checkpointing by operator, local batch 1, "
                "compile off; its logger prints reserved GiB"),
        Dialect("torchtune", "torchtitan", "zero3", True, "full", "1", 4096, "allocated", compiled=False,
                fields=(("logit_bytes", CHUNKED_LOSS), ("token_s", 0.0)),
                why="full_finetune_distributed: FSDP2, checkpointing on, compile off, chunked cross entropy; prints "
                "peak active GiB"),
        Dialect("kempner", "torchtitan", "zero3", True, "full", "1", 4096, "allocated", micro_batch=8,
                fields=(*PURE_BF16, ("logit_bytes", COMPILED_LOSS), ("token_s", 0.0), ("whole_bytes", 4.0)),
                whole_logits=True,
                why="KempnerForge's TrainConfig: bf16 weights without master copy, compile on, batch_size 8; its train "
                "configurations: full activation checkpointing; logits are gathered under TP; prints peak allocated"),
        Dialect("nanotron", "nanotron", "zero1", True, "none", "1", 4096, "reserved", first_stage=True,
                why="its benchmark script: reduce-scatter TP mode, 1F1B, recompute_layer off; rank 0, which is on the "
                "first stage, writes allocated and reserved"),
        Dialect("internevo", "internevo", "zero1", False, "none", "1", 2048, "reserved",
                why="eager kernels, FlashAttention-2, ZeRO-1 and bf16 gradients as in its 7B and 20B configurations"),
        Dialect("deepspeed", "deepspeed", "zero1", False, "none", "1", 2048, "allocated",
                why="Megatron-DeepSpeed examples: ZeRO-1, 1F1B, checkpointing only when asked"),
        Dialect("composer", "composer", "zero3", False, "full", "1", 2048, "reserved",
                why="llm-foundry YAMLs: FSDP full shard, activation checkpointing on"),
    )
}  # fmt: skip

_NAMES: tuple[tuple[str, str], ...] = (
    (r"nanotron|picotron", "nanotron"),
    (r"torchtune", "torchtune"),
    (r"kempner", "kempner"),
    (r"torchtitan|torchao|fsdp|llama-recipes|sagemaker|smp", "torchtitan"),
    (r"composer|foundry|mosaic", "composer"),
    (r"internevo|internlm", "internevo"),
    (r"deepspeed|colossal|fairscale|gpt-neox", "deepspeed"),
    (r"nemo|bridge", "nemo"),
    (r"megatron", "megatron-lm"),
)
# What MLPerf submitters call their software is a list of containers; their LLM code is NVIDIA's NeMo.
_BY_FAMILY: tuple[tuple[str, str], ...] = (
    (r"mlperf|dgxc|nemo", "nemo"),
    (r"ptd|megatron", "megatron-lm"),
    (r"foundry", "composer"),
)
FALLBACK = "megatron-lm"


def dialect(row: Row) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect of a row, by its framework, else by its source family."""
    software = row.lower("framework")
    if "composer" in software:  # "llm-foundry/Composer FSDP" names FSDP as well
        return DIALECTS["composer"], ()
    for pattern, name in _NAMES:
        if re.search(pattern, software):
            return DIALECTS[name], _said(name, software)
    for pattern, name in _BY_FAMILY:
        if re.search(pattern, row.lower("source_family")):
            return DIALECTS[name], (f"framework = {name}",)
    return DIALECTS[FALLBACK], (f"framework '{row.text('framework')}' run as {FALLBACK}",)


def _said(name: str, software: str) -> tuple[str, ...]:
    profile = DIALECTS[name].profile
    return () if profile in software or name in ("nemo", "megatron-lm") else (f"framework profile = {profile}",)


# TP traffic hidden by decomposed, pipelined collectives (user buffers, async TP).
PIPELINED_TP = 0.35
# All-to-all hidden behind the other micro batch's experts (1F1B with combined forward and backward).
OVERLAPPED_DISPATCH = 0.7


# Megatron-Bridge's DeepSeek-V3 recipe: fp32 master weights, both moments in bf16 (precision-aware optimizer).
BF16_MOMENTS = 8.0
# torchtune's published table adds one technique after the other; what each does to the profile.
_TECHNIQUES: tuple[tuple[str, Changes], ...] = (
    ("packed", (("logit_bytes", WHOLE_LOSS),)),
    ("compile", ()),
    ("chunked ce", (("logit_bytes", CHUNKED_LOSS), ("logit_traffic_bytes*", 1.0 / 8.0))),
    ("activation checkpointing", ()),
    ("fused optimizer", (("gradient_bytes", 0.0),)),
    ("activation offloading", ()),
    ("8-bit", (("optimizer_bytes", 2.0),)),
)


def _techniques(flags: str) -> dict[str, Changes]:
    """All techniques up to the named one, with what each changes."""
    last = next((i for i, (name, _) in enumerate(_TECHNIQUES) if name in flags), -1)
    return dict(_TECHNIQUES[: last + 1])


def _cumulative(flags: str) -> dict[str, float]:
    """What all techniques up to the named one change, together."""
    return dict(change for changed in _techniques(flags).values() for change in changed)


def _after(flags: str, name: str, row: Row) -> bool:
    """Whether a cumulative table has turned `name` on by the technique that the flags name."""
    return "techniques cumulative" in row.lower("notes") and name in _techniques(flags)


def changes(row: Row, spoken: Dialect) -> tuple[Changes, tuple[str, ...]]:
    """Fields of the framework profile that the row's flags change, and what was assumed."""
    flags, notes = row.lower("overlap_flags"), row.lower("notes")
    found = dict(spoken.fields)
    said: list[str] = []
    if spoken.name == "nemo" and "deepseek" in row.lower("model"):
        found["optimizer_bytes"] = BF16_MOMENTS
        said.append("Adam moments in bf16")
    tp = row.whole("tp") or 1
    if spoken.whole_logits and tp > 1:
        found |= {"logit_bytes": tp * (COMPILED_LOSS + GATHERED_LOGITS), "logit_traffic_bytes*": float(tp)}
    if "overlap off" in flags or "no communication overlap" in notes:
        found |= dict.fromkeys(
            ("tp_overlap", "dp_overlap", "fsdp_overlap", "cp_overlap", "ep_overlap", "pp_overlap"), 0.0
        )
    if re.search(r"async[_ -]?tp", flags):
        found["tp_overlap"] = PIPELINED_TP
    if re.search(r"moe_a2a_overlap(?!=off)", flags):
        found["ep_overlap"] = OVERLAPPED_DISPATCH
    if "moe_a2a_overlap=off" in flags:
        found["ep_overlap"] = 0.0
    if "fused cross entropy" in notes:
        found.pop("logit_bytes", None)
    if "pure bf16" in notes:
        found |= dict(PURE_BF16)
    if "techniques cumulative" in notes:
        found |= _cumulative(flags)
    return tuple(sorted(found.items())), tuple(said)


# Megatron-LM takes FlashAttention since 2023.
FLASH_SINCE = 23


def profile(row: Row, spoken: Dialect) -> tuple[str, tuple[str, ...]]:
    """The profile of frameworks, and what was assumed: PyTorch stacks run compiled only where that is said."""
    flags = row.lower("overlap_flags")
    if spoken.profile == "megatron" and (released := re.match(r"20(\d\d)\b", row.text("release_or_date"))):
        old = int(released.group(1)) < FLASH_SINCE
        return ("megatron-unfused", ("attention without FlashAttention",)) if old else (spoken.profile, ())
    compiled = spoken.compiled or "compile" in flags or _after(flags, "compile", row)
    if spoken.profile != "torchtitan" or ("eager" not in flags and compiled):
        return spoken.profile, ()
    return "torchtitan-eager", () if "eager" in flags else ("compile off",)
