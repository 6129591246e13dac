"""From one (mixer, feed-forward) pair per layer to the few distinct layer kinds, each with a telling name."""

from __future__ import annotations

from collections.abc import Sequence

from fmctl.domain.model import FeedForward, LayerKind, Mixer

Layer = tuple[Mixer | None, FeedForward | None]


def assemble(layers: Sequence[Layer]) -> tuple[tuple[LayerKind, ...], tuple[int, ...]]:
    """Return the kinds in order of first appearance, and for every layer the index of its kind."""
    distinct = list(dict.fromkeys(layers))
    mixers = {_mixer_word(mixer) for mixer, _ in distinct if mixer is not None}
    feed_forwards = {_feed_forward_word(ff) for _, ff in distinct if ff is not None}
    names: list[str] = []
    for mixer, feed_forward in distinct:
        name = _name(mixer, feed_forward, several_mixers=len(mixers) > 1, several_ffs=len(feed_forwards) > 1)
        names.append(name if name not in names else _next_free(name, names))
    kinds = tuple(LayerKind(name, *layer) for name, layer in zip(names, distinct, strict=True))
    index = {layer: i for i, layer in enumerate(distinct)}
    return kinds, tuple(index[layer] for layer in layers)


def _next_free(name: str, taken: Sequence[str]) -> str:
    return next(numbered for n in range(2, len(taken) + 3) if (numbered := f"{name}-{n}") not in taken)


def _name(mixer: Mixer | None, feed_forward: FeedForward | None, *, several_mixers: bool, several_ffs: bool) -> str:
    if mixer is None:
        return "moe" if feed_forward is not None and feed_forward.n_experts else "mlp"
    if feed_forward is None:
        return "attention" if mixer.type == "attention" else _mixer_word(mixer)
    if several_mixers and several_ffs:
        return f"{_mixer_word(mixer)}-{_feed_forward_word(feed_forward)}"
    return _mixer_word(mixer) if several_mixers else _feed_forward_word(feed_forward)


def _mixer_word(mixer: Mixer) -> str:
    if mixer.type == "attention":
        if mixer.compress_ratio:
            return f"pooled{mixer.compress_ratio}"
        return "sparse" if mixer.index_heads else "sliding" if mixer.window else "full"
    if mixer.type == "mla" and mixer.window and not mixer.index_heads:
        return "reuse"  # keeps the keys that the indexer of an earlier layer chose
    return {"gated-delta-net": "linear", "mamba2": "mamba"}.get(mixer.type, mixer.type)


def _feed_forward_word(feed_forward: FeedForward) -> str:
    return "moe" if feed_forward.n_experts else "dense"
