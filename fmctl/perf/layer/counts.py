"""Parameters of a model by part: what the weights, gradients and optimizer states are multiples of.

One layer is counted in four parts, because layouts split them differently: the mixer, the feed-forward that every token
passes (dense, shared experts, router), the routed experts, and the norms. Everything is a whole number of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmctl.domain.model import FeedForward, LayerKind, ModelArch
from fmctl.perf.layer.mixers import mixer_params


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """Parameters of one layer by part. `routed` counts every routed expert, `routed_active` those one token visits."""

    mixer: int
    feed_forward: int
    routed: int
    routed_active: int
    norms: int

    @property
    def total(self) -> int:
        """Everything the layer stores."""
        return self.mixer + self.feed_forward + self.routed + self.norms

    @property
    def active(self) -> int:
        """What one token uses."""
        return self.mixer + self.feed_forward + self.routed_active + self.norms


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters of a whole model; `total` and `active` hold the embeddings and leave out the MTP layers.

    `embedding` is the input table with learned positions, `head` the output matrix (0 where it is tied to the table).
    """

    total: int
    active: int
    embedding: int
    head: int
    routed: int
    final_norm: int
    mtp: int


def parameters(arch: ModelArch) -> ParameterCount:
    """Count all parameters: embedding + layers + final norm + head.

    Formula: V h (1 + untied) + learned S h + sum over layers + norm, with V the vocabulary, h the hidden size and S the
    longest sequence. Published active counts often leave out the input table or round; this one does neither.
    Source: arXiv 2005.14165 Table 2.1 and arXiv 2407.21783 Table 3 agree with it (GPT-3 174.6e9, Llama 3.1 405.85e9).
    """
    layers = [layer_params(kind, arch) for kind in arch.kinds]
    counted = list(zip(arch.kind_counts(), layers, strict=True))
    embedding = arch.vocab * arch.hidden + (arch.max_seq * arch.hidden if arch.learned_positions else 0)
    head = 0 if arch.tied_embeddings else arch.vocab * arch.hidden
    final_norm = norm_params(arch)
    outside = embedding + head + final_norm
    return ParameterCount(
        total=outside + sum(n * layer.total for n, layer in counted),
        active=outside + sum(n * layer.active for n, layer in counted),
        embedding=embedding,
        head=head,
        routed=sum(n * layer.routed for n, layer in counted),
        final_norm=final_norm,
        mtp=mtp_params(arch),
    )


def layer_params(kind: LayerKind, arch: ModelArch) -> LayerParameters:
    """Count one layer of a kind, split into the parts that layouts shard differently."""
    blocks = (kind.mixer is not None) + (kind.feed_forward is not None)
    expert = 0 if kind.feed_forward is None else expert_params(kind.feed_forward, arch)
    n_experts, top_k = (0, 0) if kind.feed_forward is None else (kind.feed_forward.n_experts, kind.feed_forward.top_k)
    return LayerParameters(
        mixer=0 if kind.mixer is None else mixer_params(kind.mixer, arch),
        feed_forward=0 if kind.feed_forward is None else resident_params(kind.feed_forward, arch),
        routed=n_experts * expert,
        routed_active=top_k * expert,
        norms=blocks * arch.norms_per_block * norm_params(arch),
    )


def mtp_params(arch: ModelArch) -> int:
    """Count the multi-token-prediction layers: softmax attention, the last feed-forward, a 2h x h projection, 3 norms.

    Source: arXiv 2412.19437 section 2.2. Embedding and head are shared with the main model.
    """
    if not arch.mtp_layers:
        return 0
    kinds = [arch.kinds[i] for i in reversed(arch.pattern)]
    mixer = next((k.mixer for k in kinds if k.mixer is not None and k.mixer.type in ("attention", "mla")), None)
    feed_forward = next((k.feed_forward for k in kinds if k.feed_forward is not None), None)
    layer = layer_params(LayerKind("mtp", mixer, feed_forward), arch)
    return arch.mtp_layers * (layer.total + 2 * arch.hidden**2 + 3 * norm_params(arch))


def norm_params(arch: ModelArch) -> int:
    """One normalisation: a scale per channel, and a shift for layernorm."""
    return arch.hidden * (2 if arch.norm == "layernorm" else 1)


def expert_params(feed_forward: FeedForward, arch: ModelArch) -> int:
    """Count one routed expert: m w f with m = 3 matrices if gated, else 2, w = latent or hidden width, f = its size."""
    if not feed_forward.n_experts:
        return 0
    return _mlp_params(feed_forward, feed_forward.latent or arch.hidden, feed_forward.expert_ffn, arch)


def resident_params(feed_forward: FeedForward, arch: ModelArch) -> int:
    """Count what every token passes: dense part, shared experts, router, shared gate, latent projections."""
    h = arch.hidden
    dense = _mlp_params(feed_forward, h, feed_forward.ffn, arch)
    shared = _mlp_params(feed_forward, h, feed_forward.shared_ffn, arch)
    router = feed_forward.n_experts * (h + (arch.bias == "all"))
    gate = h if feed_forward.shared_gate else 0
    return dense + shared + router + gate + 2 * h * feed_forward.latent


def _mlp_params(feed_forward: FeedForward, width: int, ffn: int, arch: ModelArch) -> int:
    if not ffn:
        return 0
    up = 2 if feed_forward.gated else 1
    return (up + 1) * width * ffn + (up * ffn + width if arch.bias == "all" else 0)
