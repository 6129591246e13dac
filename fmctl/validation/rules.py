"""What a row leaves unstated: one rule per field and dialect, what the recipe really does, the same for every row.

docs/assumptions.md is this module as a table. Every rule that was used is returned as text beside its value.
"""

from __future__ import annotations

import re

from fmctl.domain.layout import CudaGraph, Dispatcher, Precision, Recompute, Sharding
from fmctl.domain.model import ModelArch
from fmctl.validation.frameworks import Dialect
from fmctl.validation.rows import Row, Skip

# NVIDIA's recipes interleave: the median of the chunks per stage that they state is 5.
USUAL_VPP = 5
_PRECISIONS: tuple[tuple[str, Precision], ...] = (
    (r"nvfp4|fp4", Precision.NVFP4),
    (r"mx|block|row|other|sub-?channel|1x128", Precision.MXFP8),
    (r"fp8|e4m3|float8", Precision.FP8),
    (r"bf16|fp16|bfloat16|float16|half|^16|amp", Precision.BF16),
)
_UNITS = {Precision.FP8: "fp8", Precision.MXFP8: "fp8", Precision.NVFP4: "fp4"}


def precision(row: Row) -> tuple[Precision, tuple[str, ...]]:
    """Number format: per-tensor FP8 of any scaling is `fp8`; block and row scaling run kernels of the `mxfp8` class."""
    text = row.lower("precision")
    if not text:
        return Precision.BF16, ("precision = bf16",)
    for pattern, found in _PRECISIONS:
        if re.search(pattern, text):
            return found, (f"{text} run as {found.label}",) if re.search("block|row|other", text) else ()
    raise Skip(f"precision '{row.text('precision')}' is not modelled")


def unit_of(code: Precision) -> str:
    """The arithmetic unit of a precision, as accelerators name their peaks."""
    return _UNITS.get(code, "bf16")


def recompute(row: Row, spoken: Dialect, layers_per_stage: int) -> tuple[int, int, tuple[str, ...]]:
    """(mode, layers per stage under full recomputation or 0 for all, what was assumed).

    torchtitan's selective mode by operator is its profile's selective recomputation; by layer, every second in full.
    """
    text = row.lower("recompute") or spoken.recompute
    said = () if row.text("recompute") else (f"recompute = {text}",)
    if text in ("none", "off", "no", "false", "0"):
        return Recompute.NONE, 0, said
    if re.search(r"^ac-op|selective-op", text):
        return Recompute.SELECTIVE, 0, said
    if "selective-layer" in text:
        half = max(layers_per_stage // 2, 1)
        return Recompute.FULL, half, (*said, f"{text} as full recomputation of {half} layers")
    if text.startswith("full"):
        return Recompute.FULL, 0, said
    if text.startswith(("sel", "moe", "mla", "core", "mlp", "layernorm")):
        return Recompute.SELECTIVE, 0, said
    raise Skip(f"recompute '{row.text('recompute')}' is not modelled")


def sharding(row: Row, spoken: Dialect, ranks: int) -> tuple[int, int, tuple[str, ...]]:
    """(what is sharded, replicas of the sharded state, what was assumed) for `ranks` data ranks (dp x cp)."""
    text = row.lower("sharding") or spoken.sharding
    said = () if row.text("sharding") or ranks == 1 else (f"sharding = {text}",)
    within = re.search(r"within (\d+)", text)
    shards = min(int(within.group(1)), ranks) if within else ranks
    replicas = ranks // shards if shards and ranks % shards == 0 else 1
    if "hsdp" in text and not within:
        said = (*said, "hsdp without sizes as one replica")
    if re.search(r"zero-?3|fsdp|full", text):
        return Sharding.ZERO3, replicas, said
    if re.search(r"zero-?2|grad", text):
        return Sharding.ZERO2, replicas, said
    if re.search(r"zero-?1|dist|zero$", text):
        return Sharding.ZERO1, replicas, said
    if text in ("none", "no", "ddp", "off"):
        return Sharding.NONE, 1, said
    raise Skip(f"sharding '{row.text('sharding')}' is not modelled")


def interleaving(row: Row, spoken: Dialect, arch: ModelArch, pp: int) -> tuple[int, tuple[str, ...]]:
    """Model chunks per stage.

    NVIDIA's recipes: the divisor of the layers per stage nearest to 5; 1 where layers do not divide over the stages,
    for Megatron-Core then asks for a written layout; 2 with overlapped all-to-all (which needs chunks), 1 where a row
    says that it is off.
    """
    stated = row.whole("vpp")
    if stated is not None or pp == 1:
        return (1 if pp == 1 else stated or 1), ()
    vpp, flags = 1, row.lower("overlap_flags")
    layers, rest = divmod(arch.n_layers, pp)
    if re.search(r"moe_a2a_overlap(?!=off)", flags):
        vpp = 2
    elif spoken.vpp == "recipe" and not rest and "moe_a2a_overlap=off" not in flags:
        vpp = min((v for v in range(1, layers + 1) if layers % v == 0), key=lambda v: abs(v - USUAL_VPP))
    return vpp, (f"vpp = {vpp}",)


def sequence_parallel(row: Row, spoken: Dialect, tp: int) -> tuple[int, tuple[str, ...]]:
    """1 where norms are split along the sequence."""
    stated = row.lower("seq_parallel")
    if tp == 1:
        return 0, ()
    if stated:
        return int(stated not in ("0", "0.0", "false", "no", "off", "none")), ()
    return int(spoken.sequence_parallel), (f"sequence parallelism {'on' if spoken.sequence_parallel else 'off'}",)


def cuda_graph(row: Row, spoken: Dialect, arch: ModelArch) -> tuple[int, tuple[str, ...]]:
    """Full where the iteration is captured, layer where graphs hold the attention of each; off where nothing is said.

    NVIDIA's MoE recipes for Blackwell capture attention and router of every layer since release 26.02.
    """
    flags = row.lower("overlap_flags")
    found = re.search(r"cuda_graph=(\w+)(?::\s?(\S*))?", flags)
    if found is None:
        recipe = spoken.name == "nemo" and arch.is_moe and re.match(r"G?B\d", row.text("gpu"))
        if recipe and re.match(r"2[6-9]\.|3\d\.", row.text("release_or_date")):
            return int(CudaGraph.LAYER), ("graphs of attention and router",)
        return int(CudaGraph.LAYER if "layer_cuda_graph" in flags else CudaGraph.NONE), ()
    kind, scope = found.group(1), found.group(2) or ""
    if kind == "none":
        return int(CudaGraph.NONE), ()
    if "full" in kind:
        return int(CudaGraph.FULL), ()
    whole = "attn" in scope or not scope
    return int(CudaGraph.LAYER if whole else CudaGraph.NONE), (
        () if whole else (f"graphs of {scope} alone count as none",)
    )


def dispatcher(row: Row, spoken: Dialect, arch: ModelArch) -> tuple[int, tuple[str, ...]]:
    """Fused kernels where the row names DeepEP or HybridEP, else the dialect's own."""
    flags = row.lower("overlap_flags") + row.lower("moe_dispatcher")
    if "uccl" in flags:
        return Dispatcher.PROXY, ()
    if re.search(r"deepep|hybridep|flex", flags):
        return Dispatcher.FUSED, ()
    if not arch.is_moe or "alltoall" in flags:
        return Dispatcher.ALL_TO_ALL, ()
    return spoken.dispatcher, (f"dispatcher = {spoken.dispatcher.label}",)
