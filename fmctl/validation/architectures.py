"""From a row to a `ModelArch`: a preset where name and dimensions agree, else what the row's own dimensions say."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from fmctl.catalog import find_preset, load_model, model_names
from fmctl.domain.model import FeedForward, LayerKind, Mixer, ModelArch
from fmctl.perf.layer.counts import parameters
from fmctl.validation.rows import Row, Skip

# Families whose feed-forward has two matrices, where the parameter count does not decide.
UNGATED = re.compile(r"gpt|mpt|nemotron|opt-|bloom|falcon|megatron|pythia|phi-[12]|starcoder")
# Families whose output matrix is the embedding, where the parameter count does not decide.
TIED = re.compile(r"gpt|mpt|megatron|opt-|bloom|falcon|gemma")
SPAN = re.compile(r"(?:chunked|sliding|swa|window|local)\D{0,8}(\d+)")
# DeepSeek-V3's latent attention, for rows that say `mla` and no more: q and kv ranks, nope, rope and value dimensions.
MLA = (1536, 512, 128, 64, 128)
DIMENSIONS = ("hidden", "n_heads", "n_kv_heads", "ffn", "vocab", "head_dim", "n_layers", "n_experts", "topk",
              "expert_ffn", "n_shared_experts")  # fmt: skip
# The publisher's count rounds: a count this far from the stated one decides nothing.
COUNT_TOLERANCE = 0.04
MOST_LAYERS = 1000
Numbers = tuple[int | None, ...]


def architecture(row: Row) -> tuple[ModelArch, tuple[str, ...]]:
    """The architecture of a row, and what was assumed about it. Raises Skip where too little is stated."""
    numbers = tuple(row.whole(name) for name in DIMENSIONS)
    if (numbers[DIMENSIONS.index("n_layers")] or 0) > MOST_LAYERS:
        raise Skip(f"n_layers is more than {MOST_LAYERS}")
    mtp = _mtp_layers(row)
    return _architecture(row.lower("model"), numbers, row.lower("attention_kind"), row.positive("n_params_b"), mtp)


@lru_cache(maxsize=1024)
def _architecture(
    model: str, numbers: Numbers, attention: str, params_b: float | None, mtp: int
) -> tuple[ModelArch, tuple[str, ...]]:
    stated = dict(zip(DIMENSIONS, numbers, strict=True))
    preset = _preset(model)
    if preset is not None and _agrees(preset, stated):
        return _fitted(preset, stated, mtp)
    if stated["hidden"] is None:
        raise Skip(f"the model's dimensions are not stated and no preset is called '{model}'")
    return _own(model, stated, attention, params_b)


def _mtp_layers(row: Row) -> int:
    """Multi-token-prediction layers: those of the preset (-1) in NVIDIA's recipes, none elsewhere, as notes say."""
    notes = row.lower("notes")
    if re.search(r"(?:no|without|w/o) mtp", notes):
        return 0
    recipes = re.search(r"bridge|nemo", row.lower("framework")) is not None
    return -1 if recipes or "mtp layer included" in notes else 0


@lru_cache(maxsize=256)
def _preset(model: str) -> ModelArch | None:
    """The preset that a model's name begins, or that begins the name; None where there is none or more than one."""
    name = model.split(",", maxsplit=1)[0].strip()
    found = find_preset(name)
    if found is None:
        near = {preset for preset in model_names() if _squeezed(preset).startswith(_squeezed(name))}
        near |= {preset for preset in model_names() if _squeezed(name).startswith(_squeezed(preset))}
        found = max(near, key=len) if near and len(_squeezed(name)) >= 5 else None
    return None if found is None else load_model(found)


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _agrees(arch: ModelArch, stated: dict[str, int | None]) -> bool:
    """Whether every stated dimension is the preset's; depth and vocabulary may differ (proxies, padding)."""
    mixers = [k.mixer for k in arch.kinds if k.mixer is not None and k.mixer.type in ("attention", "mla")]
    forwards = [k.feed_forward for k in arch.kinds if k.feed_forward is not None]
    known: dict[str, set[int]] = {
        "hidden": {arch.hidden},
        "n_heads": {m.n_heads for m in mixers},
        "n_kv_heads": {m.n_kv_heads for m in mixers},
        "n_experts": {arch.n_experts},
        "topk": {f.top_k for f in forwards},
        "expert_ffn": {f.expert_ffn for f in forwards},
    }
    if not arch.is_moe:
        known["ffn"] = {f.ffn for f in forwards}
    return all(stated[name] is None or stated[name] in values for name, values in known.items())


def _fitted(arch: ModelArch, stated: dict[str, int | None], mtp: int) -> tuple[ModelArch, tuple[str, ...]]:
    """The preset with the row's depth and vocabulary."""
    said = [f"model = preset {arch.name}"]
    layers, vocab = stated["n_layers"], stated["vocab"]
    if mtp >= 0 and arch.mtp_layers != mtp:
        arch = replace(arch, mtp_layers=mtp)
        said.append(f"{mtp} MTP layers")
    if layers is not None and layers != arch.n_layers:
        more = (arch.pattern[-1],) * max(layers - arch.n_layers, 0)
        arch = replace(arch, pattern=(arch.pattern + more)[:layers])
    if vocab is not None and vocab != arch.vocab:
        arch = replace(arch, vocab=vocab)
    return arch, tuple(said)


def _own(
    model: str, stated: dict[str, int | None], attention: str, params_b: float | None
) -> tuple[ModelArch, tuple[str, ...]]:
    """A model of one layer kind from the row's dimensions; the parameter count, where stated, settles the rest."""
    missing = [name for name in ("n_layers", "n_heads") if stated[name] is None]
    if missing:
        raise Skip(f"{missing[0]} is not stated and no preset is called '{model}'")
    if re.search(r"mamba|delta|kda|linear|hybrid", attention):
        raise Skip(f"the mix of '{attention}' layers is not stated and no preset is called '{model}'")
    said: list[str] = []
    mixer = _mixer(stated, attention, said)
    candidates = [
        _assembled(model, stated, mixer, gated, tied, params_b)
        for gated in _first(not UNGATED.search(model))
        for tied in _first(bool(TIED.search(model)))
    ]
    best = candidates[0]
    if params_b is not None:
        nearest = min(candidates, key=lambda arch: abs(_billions(arch) - params_b))
        if abs(_billions(nearest) / params_b - 1.0) < COUNT_TOLERANCE:
            best = nearest
    if stated["ffn"] is None and not stated["n_experts"]:
        said.append(f"ffn = {_ffn(best)}")
    forward = best.kinds[0].feed_forward
    gates = "gated" if forward is not None and forward.gated else "not gated"
    said.append(f"feed-forward {gates}, embeddings {'tied' if best.tied_embeddings else 'not tied'}")
    return best, tuple(said)


def _first(value: bool) -> tuple[bool, bool]:
    return (value, not value)


def _billions(arch: ModelArch) -> float:
    return parameters(arch).total / 1e9


def _ffn(arch: ModelArch) -> int:
    forward = arch.kinds[0].feed_forward
    return forward.ffn if forward is not None else 0


def _mixer(stated: dict[str, int | None], attention: str, said: list[str]) -> Mixer:
    heads, hidden = stated["n_heads"] or 1, stated["hidden"] or 1
    if attention == "mla":
        q, kv, nope, rope, value = MLA
        said.append("latent attention with DeepSeek-V3's ranks and head dimensions")
        return Mixer("mla", heads, heads, nope + rope, value, q_lora_rank=q, kv_lora_rank=kv,
                     qk_nope_head_dim=nope, qk_rope_head_dim=rope)  # fmt: skip
    dim = stated["head_dim"] or max(hidden // heads, 1)
    found = SPAN.search(attention)
    kv_heads = 1 if attention == "mqa" else stated["n_kv_heads"] or heads
    return Mixer("attention", heads, kv_heads, dim, dim, window=int(found.group(1)) if found else 0)


def _assembled(
    model: str, stated: dict[str, int | None], mixer: Mixer, gated: bool, tied: bool, params_b: float | None
) -> ModelArch:
    hidden, layers = stated["hidden"] or 1, stated["n_layers"] or 1
    experts, ffn = stated["n_experts"], stated["ffn"]
    if experts:
        width = stated["expert_ffn"] or ffn or 4 * hidden
        shared = (stated["n_shared_experts"] or 0) * width
        forward = FeedForward(True, 0, experts, min(stated["topk"] or 1, experts), width, shared)
    else:
        forward = FeedForward(gated, ffn or 256 * max(round((8 / 3 if gated else 4) * hidden / 256), 1))
    kind = LayerKind("layer", mixer, forward)
    vocab = stated["vocab"] or 50304
    arch = ModelArch(model, "measured", hidden, vocab, 8192, (kind,), (0,) * layers, tied_embeddings=tied)
    if experts or ffn or params_b is None:
        return arch
    return _sized(arch, kind, forward, params_b)


def _sized(arch: ModelArch, kind: LayerKind, forward: FeedForward, params_b: float) -> ModelArch:
    """Where the feed-forward's width is not stated: the one that gives the stated parameter count."""
    per_unit = (3 if forward.gated else 2) * arch.hidden * arch.n_layers
    width = forward.ffn + round((params_b - _billions(arch)) * 1e9 / per_unit / 128) * 128
    return replace(arch, kinds=(replace(kind, feed_forward=replace(forward, ffn=max(width, 128))),))
