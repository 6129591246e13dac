"""Which profile of `perf.frameworks` stands for a row's software, and what the row says that changes it.

A *dialect* is one way a framework is run: recipes of one publisher share their defaults. `rules` has what each dialect
does where a row says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fmctl.validation.rows import Row


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way a framework is run: `profile` of perf.frameworks, and its defaults for what a row leaves unstated.

    sharding, recompute: as rows spell them. vpp: "recipe" (see `rules.interleaving`) or "1". seq_len: tokens.
    compiled: whether PyTorch's compiler is on. memory: what its logger calls peak memory, allocated or reserved.
    """

    name: str
    profile: str
    sharding: str
    sequence_parallel: bool
    recompute: str
    vpp: str
    seq_len: int
    memory: str
    compiled: bool = True
    why: str = ""


DIALECTS: Mapping[str, Dialect] = {
    d.name: d
    for d in (
        Dialect("nemo", "megatron", "distopt", True, "none", "recipe", 4096, "reserved",
                why="performance recipes of NeMo, Megatron-Bridge, DGX Cloud, MLPerf: distributed optimizer, sequence "
                "parallelism with TP, no recomputation, interleaved pipelines"),
        Dialect("megatron-lm", "megatron", "distopt", False, "none", "1", 4096, "allocated",
                why="pretrain_gpt.py does nothing that its command line does not say"),
        Dialect("torchtitan", "torchtitan", "zero3", True, "ac-op", "1", 8192, "reserved", compiled=False,
                why="train configurations: FSDP2, selective activation checkpointing by operator, local batch 1, "
                "compile off; its logger prints reserved GiB"),
        Dialect("torchtune", "torchtitan", "zero3", True, "full", "1", 4096, "allocated", compiled=False,
                why="full_finetune_distributed: FSDP2, checkpointing on, compile off; prints peak active GiB"),
        Dialect("kempner", "torchtitan", "zero3", True, "full", "1", 4096, "reserved", compiled=False,
                why="KempnerForge configurations: FSDP2 with full activation checkpointing"),
        Dialect("nanotron", "nanotron", "zero1", True, "none", "1", 4096, "allocated",
                why="its benchmark script: reduce-scatter TP mode, 1F1B, recompute_layer off; logs peak allocated"),
        Dialect("internevo", "deepspeed", "zero1", False, "none", "1", 2048, "reserved",
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


# Eager PyTorch moves the bytes of every operator: between 2 and 3 times the textbook's.
EAGER_TRAFFIC = 2.4
# TP traffic hidden by decomposed, pipelined collectives (user buffers, async TP).
PIPELINED_TP = 0.35
# All-to-all hidden behind the other micro batch's experts (1F1B with combined forward and backward).
OVERLAPPED_DISPATCH = 0.7
Changes = tuple[tuple[str, float], ...]


def changes(row: Row, spoken: Dialect) -> tuple[Changes, tuple[str, ...]]:
    """Fields of the framework profile that the row's flags change, and what was assumed."""
    flags, notes = row.lower("overlap_flags"), row.lower("notes")
    found: dict[str, float] = {}
    said: list[str] = []
    if "overlap off" in flags or "no communication overlap" in notes:
        found |= dict.fromkeys(
            ("tp_overlap", "dp_overlap", "fsdp_overlap", "cp_overlap", "ep_overlap", "pp_overlap"), 0.0
        )
    if re.search(r"async[_ -]?tp", flags):
        found["tp_overlap"] = PIPELINED_TP
    if re.search(r"moe_a2a_overlap(?!=off)", flags):
        found["ep_overlap"] = OVERLAPPED_DISPATCH
    if spoken.profile == "torchtitan" and ("eager" in flags or not (spoken.compiled or "compile" in flags)):
        found["memory_traffic"] = EAGER_TRAFFIC
        said += [] if "eager" in flags else ["compile off"]
    if "pure bf16" in notes:
        found |= {"param_bytes": 2.0, "gradient_bytes": 2.0, "optimizer_bytes": 4.0}
    if "offload" in flags:
        said.append("offloading not modelled")
    return tuple(sorted(found.items())), tuple(said)
