"""Time of collectives by fabric level: latency + bandwidth by message size and ranks.

Inside an NVLink domain: t = a0 + a1 (n - 1) + w / (e B) + sqrt(w0 w) / B, where w is the traffic of one GPU in one
direction, B the link rate in one direction, e the achieved share for large messages and w0 the message at which a
ramp of half-filled pipelines costs as much as the wire. Median error 3-11 % on 8 x A100, 8 x H100, 8 x B200 and GB200
trays, 512 bytes to 512 MB.

Across EFA the same form per GPU, with the rate of the GPU's share of the instance's interfaces; a hierarchical
collective is pipelined, so that its time is the slower level plus the latency of both.

Source: NVLink rows: ai-dynamo/aiconfigurator collective sweeps. EFA rows: all-reduce sweeps on 2 x p5.48xlarge and
2 x p4de.24xlarge, p5 all-reduce/all-to-all/send-receive latencies and peaks at 2-16 nodes, p6-b300 all-to-all at
16-256 GPUs (public benchmark results of AWS samples). Two-node all-reduce peaks are flattered by trees and are not
used for the bandwidth. Types without rows take the constants of the nearest type, scaled by the vendor's plugin
latency (75 us EFA v1/v2, 35 us v3/v4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fmctl.domain.hardware import Fabric
from fmctl.domain.result import FloatArray

# NVLink: (a0 s, a1 s per rank, e, w0 bytes) for all-gather/reduce-scatter and for all-to-all, by link rate class.
NvlinkFit = tuple[float, float, float, float]
_NVLINK: Mapping[str, tuple[NvlinkFit, NvlinkFit]] = {
    "nvlink3": ((8.2e-6, 0.84e-6, 0.74, 14e6), (10.9e-6, 0.25e-6, 0.725, 10e6)),
    "nvlink4": ((4.5e-6, 0.80e-6, 0.75, 6.8e6), (7.1e-6, 0.11e-6, 0.77, 8.2e6)),
    "nvlink5": ((7.5e-6, 1.27e-6, 0.74, 22e6), (9.8e-6, 0.22e-6, 0.72, 32e6)),
}
# EFA: (base s, s per further node of a ring, s per peer of an all-to-all, ring share of wire, all-to-all share,
# send-receive share and latency). Base: 2-node all-reduce minus its NVLink part, halved.
EfaFit = tuple[float, float, float, float, float, float, float]
_EFA: Mapping[str, EfaFit] = {
    "v1": (60e-6, 12e-6, 8.0e-6, 0.80, 0.80, 0.70, 80e-6),
    "v2": (24e-6, 6.4e-6, 4.9e-6, 0.84, 0.95, 0.85, 46e-6),
    "v3": (20e-6, 4.5e-6, 3.0e-6, 0.84, 0.95, 0.85, 35e-6),
    "v4": (20e-6, 4.5e-6, 2.1e-6, 0.84, 0.95, 0.85, 35e-6),
}
_EFA_CLASS: Mapping[str, str] = {
    "p4d": "v1",
    "p4de": "v1",
    "p5": "v2",
    "p5e": "v2",
    "p5-single": "v2",
    "p5en": "v3",
    "p6-b200": "v4",
    "p6-b300": "v4",
    "p6e-gb200": "v4",
}


@dataclass(frozen=True, slots=True)
class FabricRates:
    """Constants of one fabric: seconds, bytes and bytes per second per GPU and direction."""

    domain_gpus: float
    nv_bytes_per_s: float
    nv_ring: NvlinkFit
    nv_all_to_all: NvlinkFit
    net_bytes_per_s: float
    net: EfaFit


def fabric_rates(fabric: Fabric) -> FabricRates:
    """Constants for `fabric`, chosen by its NVLink rate and its kind."""
    rate = fabric.nvlink.bytes_per_s
    generation = "nvlink3" if rate < 400e9 else "nvlink4" if rate < 800e9 else "nvlink5"
    ring, all_to_all = _NVLINK[generation]
    return FabricRates(
        domain_gpus=float(fabric.domain_gpus),
        nv_bytes_per_s=max(rate, 1.0),
        nv_ring=ring,
        nv_all_to_all=all_to_all,
        net_bytes_per_s=fabric.network.bytes_per_s,
        net=_EFA[_EFA_CLASS.get(fabric.kind, "v3")],
    )


def _nvlink_s(fit: NvlinkFit, rate: float, wire_bytes: FloatArray, ranks: FloatArray) -> FloatArray:
    """Time on NVLink: a0 + a1 (n - 1) + w / (e B) + sqrt(w0 w) / B, s; 0 for one rank."""
    a0, a1, share, ramp = fit
    time = a0 + a1 * (ranks - 1.0) + wire_bytes / (share * rate) + np.sqrt(ramp * wire_bytes) / rate
    result: FloatArray = np.where(ranks > 1.0, time, 0.0)
    return result


def gather_s(f: FabricRates, total_bytes: FloatArray, ranks: FloatArray, local: FloatArray) -> FloatArray:
    """All-gather whose result is `total_bytes` (or reduce-scatter of an input of that size), s.

    local: ranks of the group in one NVLink domain. Wire per GPU: NVLink S (l - 1) / l, EFA S (d - 1) / (d l) over
    d = ranks / local domains. t = max(NVLink, EFA) + the latency of the other level.
    """
    domains = ranks / local
    inside = _nvlink_s(f.nv_ring, f.nv_bytes_per_s, total_bytes * (local - 1.0) / local, local)
    base, per_node, _, share, _, _, _ = f.net
    wire = total_bytes * (domains - 1.0) / (domains * local)
    outside = base + per_node * (domains - 1.0) + wire / (share * f.net_bytes_per_s)
    result: FloatArray = np.where(domains > 1.0, np.maximum(inside, outside), inside)
    return result


def all_reduce_s(f: FabricRates, total_bytes: FloatArray, ranks: FloatArray, local: FloatArray) -> FloatArray:
    """All-reduce of `total_bytes`: a reduce-scatter and an all-gather, s. Shapes as `gather_s`."""
    result: FloatArray = 2.0 * gather_s(f, total_bytes, ranks, local)
    return result


def all_to_all_s(f: FabricRates, send_bytes: FloatArray, ranks: FloatArray, local: FloatArray) -> FloatArray:
    """Balanced all-to-all in which each GPU sends `send_bytes` in all (its own share included), s.

    NVLink carries (l - 1) / n of it, EFA (n - l) / n; both run at once, each peer outside costs a message.
    """
    inside = _nvlink_s(f.nv_all_to_all, f.nv_bytes_per_s, send_bytes * (local - 1.0) / ranks, local)
    base, _, per_peer, _, share, _, _ = f.net
    wire = send_bytes * (ranks - local) / ranks
    outside = base + per_peer * (ranks - local) + wire / (share * f.net_bytes_per_s)
    result: FloatArray = np.where(ranks > local, np.maximum(inside, outside), inside)
    return result


def dispatch_s(
    f: FabricRates, token_bytes: FloatArray, copies: FloatArray, ranks: FloatArray, local: FloatArray
) -> FloatArray:
    """Fused expert dispatch (DeepEP class): a token crosses EFA once per remote domain, then NVLink, s.

    token_bytes: bytes of all tokens of one GPU, each once; copies: experts per token. A token reaches at most
    min(copies, domains) domains. Source: arXiv 2412.19437 section 3.2.2; rates of the fused kernels on EFA.
    """
    domains = ranks / local
    reached = np.minimum(copies, domains)
    inside = _nvlink_s(f.nv_all_to_all, f.nv_bytes_per_s, token_bytes * copies * (local - 1.0) / local, local)
    base, _, _, _, share, _, _ = f.net
    wire = token_bytes * reached * (domains - 1.0) / domains
    outside = base + wire / (0.9 * share * f.net_bytes_per_s)
    result: FloatArray = np.where(domains > 1.0, np.maximum(inside, outside), inside)
    return result


def send_s(f: FabricRates, message_bytes: FloatArray, inside_domain: FloatArray) -> FloatArray:
    """One send to a neighbouring pipeline stage, s: latency + bytes / rate, over NVLink where `inside_domain`."""
    a0, _, share, _ = f.nv_ring
    *_, net_share, latency = f.net
    nvlink = a0 + message_bytes / (share * f.nv_bytes_per_s)
    network = latency + message_bytes / (net_share * f.net_bytes_per_s)
    result: FloatArray = np.where(inside_domain, nvlink, network)
    return result
