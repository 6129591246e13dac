"""Time of collectives by fabric level: latency + bandwidth by message size and ranks.

Inside an NVLink domain: t = a0 + a1 (n - 1) + w / (e B) + sqrt(w0 w) / B, where w is the traffic of one GPU in one
direction, B the link rate in one direction, e the achieved share for large messages and w0 the message at which a
ramp of half-filled pipelines costs as much as the wire. An all-reduce passes the ring twice in one launch: a0 and the
ramp once, everything else twice. Median error 5-9 % on 8 x A100, 8 x H100, 8 x B200 and GB200/GB300 trays, 512 bytes to
512 MB.

Across EFA the same form per GPU, with the rate of the GPU's share of the instance's interfaces; a hierarchical
collective is pipelined, so that its time is that of the slower level.

Source: NVLink rows: ai-dynamo/aiconfigurator collective sweeps. EFA rows: all-reduce sweeps on 2 x p5.48xlarge and
2 x p4de.24xlarge (to 1 GiB; beyond it trees and in-switch reduction flatter two nodes), p5 latencies and peaks at 3-16
nodes, p6-b200 latencies, all-to-all on p5 (32-128 GPUs) and p6-b300 (16-256 GPUs): public benchmark results of AWS
samples and of Hugging Face. Median error 4-8 % (all-reduce) and 4 % (all-to-all). Types without rows take the
constants of the nearest type, scaled by the vendor's plugin latency (75 us EFA v1/v2, 35 us v3/v4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmctl.base.errors import UsageError
from fmctl.domain.hardware import Fabric
from fmctl.domain.result import FloatArray
from fmctl.perf.ops.operation import Collective, Dispatch

# NVLink: (a0 s, a1 s per rank, e, w0 bytes) for all-gather/reduce-scatter and for all-to-all, by link rate class.
NvlinkFit = tuple[float, float, float, float]
_NVLINK: Mapping[str, tuple[NvlinkFit, NvlinkFit]] = {
    "nvlink3": ((8.2e-6, 0.86e-6, 0.755, 12.4e6), (10.9e-6, 0.25e-6, 0.725, 10.2e6)),
    "nvlink4": ((4.5e-6, 0.79e-6, 0.785, 6.7e6), (7.1e-6, 0.10e-6, 0.770, 8.2e6)),
    "nvlink5": ((7.5e-6, 1.25e-6, 0.731, 20.0e6), (10.3e-6, 0.13e-6, 0.672, 28.7e6)),
}


@dataclass(slots=True, eq=False, repr=False)
class EfaFit:
    """Constants of one network between nodes; shares are achieved over nominal rate of one GPU's interfaces."""

    base_s: float  # one pass between two nodes, launch included
    node_s: float  # each further node of a ring
    peer_s: float  # each peer outside, of an all-to-all
    ring_share: float  # of collectives in a ring
    ramp_bytes: float  # w0 of a ring
    all_to_all_share: float
    send_share: float
    send_s: float  # one message


# InfiniBand and RoCE clusters, which measured runs come from: prior values of RDMA fabrics, not fitted.
_RDMA = EfaFit(12e-6, 3.0e-6, 1.0e-6, 0.93, 10e6, 0.90, 0.90, 10e-6)
# By `Fabric.kind`: the class of EFA, or a network of clusters that AWS does not rent.
NETWORKS: Mapping[str, EfaFit] = {
    "efa-v1": EfaFit(74e-6, 8.6e-6, 8.0e-6, 0.93, 5.4e6, 0.80, 0.70, 80e-6),
    "efa-v2": EfaFit(32e-6, 5.7e-6, 4.9e-6, 0.93, 39e6, 0.88, 0.85, 46e-6),
    "efa-v3": EfaFit(27e-6, 4.5e-6, 3.0e-6, 0.93, 39e6, 0.88, 0.85, 35e-6),
    "efa-v4": EfaFit(23e-6, 4.5e-6, 1.8e-6, 0.93, 39e6, 0.86, 0.85, 35e-6),
    "infiniband": _RDMA,
    "infiniband-hdr": _RDMA,
    "infiniband-ndr": _RDMA,
    "infiniband-xdr": _RDMA,
    "roce": _RDMA,
    "ethernet": _RDMA,
}
# Tokens of a fused dispatch are posted one by one.
_POSTED = frozenset({"efa-v1", "efa-v2"})


# Rate of fused dispatch kernels over that of NCCL's all-to-all on EFA: 37-46 of 50 GB/s on p5, 73-102 of 100 on
# p6-b300 (public benchmark results of AWS samples).
FUSED_SHARE = 0.9
PROXY_SLOWDOWN = 1.5


@dataclass(slots=True, eq=False, repr=False)
class FabricRates:
    """Constants of one fabric: seconds, bytes and bytes per second per GPU and direction."""

    domain_gpus: float
    nv_bytes_per_s: float
    nv_ring: NvlinkFit
    nv_all_to_all: NvlinkFit
    net_bytes_per_s: float
    net: EfaFit
    efa: float
    posted: float


def fabric_rates(fabric: Fabric) -> FabricRates:
    """Constants for `fabric`, chosen by its NVLink rate and its kind.

    Raises:
        UsageError: nothing was measured of a network of that kind.
    """
    if fabric.kind not in NETWORKS:
        raise UsageError(f"no network is of the kind '{fabric.kind}'", why=f"measured are {', '.join(NETWORKS)}")
    rate = fabric.nvlink.bytes_per_s
    generation = "nvlink3" if rate < 400e9 else "nvlink4" if rate < 800e9 else "nvlink5"
    ring, all_to_all = _NVLINK[generation]
    return FabricRates(
        domain_gpus=float(fabric.domain_gpus),
        nv_bytes_per_s=max(rate, 1.0),
        nv_ring=ring,
        nv_all_to_all=all_to_all,
        net_bytes_per_s=fabric.network.bytes_per_s,
        net=NETWORKS[fabric.kind],
        efa=1.0 if fabric.kind.startswith("efa-") else 0.0,
        posted=1.0 if fabric.kind in _POSTED else 0.0,
    )


def _nvlink_s(fit: NvlinkFit, rate: float, wire_bytes: FloatArray, ranks: FloatArray, passes: float) -> FloatArray:
    """Time on NVLink: a0 + p a1 (n - 1) + p w / (e B) + sqrt(w0 p w) / B for p passes, s; 0 for one rank."""
    a0, a1, share, ramp = fit
    wire = passes * wire_bytes
    time = a0 + passes * a1 * (ranks - 1.0) + wire / (share * rate) + np.sqrt(ramp * wire) / rate
    result: FloatArray = np.where(ranks > 1, time, 0.0)
    return result


def _ring_s(f: FabricRates, total_bytes: FloatArray, ranks: FloatArray, local: FloatArray, passes: float) -> FloatArray:
    """`passes` pipelined trips of `total_bytes` around the ranks: the slower of NVLink and EFA, s.

    Wire per GPU and pass: NVLink S (l - 1) / l, EFA S (d - 1) / (d l) over d = ranks / local domains.
    """
    domains = ranks / local
    inside = _nvlink_s(f.nv_ring, f.nv_bytes_per_s, total_bytes * (local - 1.0) / local, local, passes)
    wire = passes * total_bytes * (domains - 1.0) / (domains * local)
    latency = passes * (f.net.base_s + f.net.node_s * (domains - 1.0))
    ramp = np.sqrt(f.net.ramp_bytes * wire) / f.net_bytes_per_s
    outside = latency + wire / (f.net.ring_share * f.net_bytes_per_s) + ramp
    result: FloatArray = np.where(domains > 1, np.maximum(inside, outside), inside)
    return result


def gather_s(f: FabricRates, total_bytes: FloatArray, ranks: FloatArray, local: FloatArray) -> FloatArray:
    """All-gather whose result is `total_bytes` (or reduce-scatter of an input of that size), s.

    local: ranks of the group in one NVLink domain. Each GPU receives S (n - 1) / n. Source: module docstring.
    """
    return _ring_s(f, total_bytes, ranks, local, 1.0)


def all_reduce_s(f: FabricRates, total_bytes: FloatArray, ranks: FloatArray, local: FloatArray) -> FloatArray:
    """All-reduce of `total_bytes`: a reduce-scatter and an all-gather in one launch, s. Shapes as `gather_s`."""
    return _ring_s(f, total_bytes, ranks, local, 2.0)


def all_to_all_s(f: FabricRates, send_bytes: FloatArray, ranks: FloatArray, local: FloatArray) -> FloatArray:
    """Balanced all-to-all in which each GPU sends `send_bytes` in all (its own share included), s.

    NVLink carries (l - 1) / n of it, EFA (n - l) / n; both run at once, each peer outside costs a message.
    """
    inside = _nvlink_s(f.nv_all_to_all, f.nv_bytes_per_s, send_bytes * (local - 1.0) / ranks, local, 1.0)
    wire = send_bytes * (ranks - local) / ranks
    outside = f.net.base_s + f.net.peer_s * (ranks - local) + wire / (f.net.all_to_all_share * f.net_bytes_per_s)
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
    inside = _nvlink_s(f.nv_all_to_all, f.nv_bytes_per_s, token_bytes * copies * (local - 1.0) / local, local, 1.0)
    wire = token_bytes * reached * (domains - 1.0) / domains
    outside = f.net.base_s + wire / (FUSED_SHARE * f.net.all_to_all_share * f.net_bytes_per_s)
    result: FloatArray = np.where(domains > 1, np.maximum(inside, outside), inside)
    return result


def send_s(f: FabricRates, message_bytes: FloatArray, inside_domain: npt.NDArray[np.bool_]) -> FloatArray:
    """One send to a neighbouring pipeline stage, s: latency + bytes / rate, over NVLink where `inside_domain`."""
    a0, _, share, _ = f.nv_ring
    nvlink = a0 + message_bytes / (share * f.nv_bytes_per_s)
    network = f.net.send_s + message_bytes / (f.net.send_share * f.net_bytes_per_s)
    result: FloatArray = np.where(inside_domain, nvlink, network)
    return result


def local_ranks(f: FabricRates, message: Collective | Dispatch) -> FloatArray:
    """Ranks of a group that lie in one NVLink domain, at least one: domain / stride, at most all of them."""
    inside: FloatArray = np.maximum(np.minimum(message.ranks, np.floor(f.domain_gpus / message.stride)), 1.0)
    return inside


def collective_s(f: FabricRates, message: Collective) -> FloatArray:
    """Time of one message of a group of ranks, s, shape [U]."""
    moved, ranks = message.moved_bytes, message.ranks
    if message.what == "send":
        return send_s(f, moved, message.stride * ranks <= f.domain_gpus)
    timed = _BY_NAME[message.what]
    return timed(f, moved, ranks, local_ranks(f, message))


_BY_NAME: Mapping[str, Callable[[FabricRates, FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "gather": gather_s,
    "all-reduce": all_reduce_s,
    "all-to-all": all_to_all_s,
}


def fused_s(f: FabricRates, sent: Dispatch, post_s: float) -> FloatArray:
    """Fused dispatch of one pass: the slower of the wire and of posting its tokens, s. post_s: of one token."""
    local = local_ranks(f, sent)
    wire = dispatch_s(f, sent.tokens * sent.token_bytes, np.asarray(float(sent.copies)), sent.ranks, local)
    slower: FloatArray = np.maximum(wire, posting_s(f, sent, local, post_s))
    return slower


def posting_s(f: FabricRates, sent: Dispatch, local: FloatArray, post_s: float) -> FloatArray:
    """Time to post the tokens of one exchange to remote domains one by one (EFA v1 and v2), s.

    A token goes to d (1 - (1 - 1/d)^k) of d domains on average. Kernels that post from the GPU keep up with the first
    remote domain; a CPU proxy posts every copy, 1.5 times as slowly (benchmarks of both on p5: 1.3 to 3 times).
    """
    domains = sent.ranks / local
    remote = (domains - 1.0) * (1.0 - (1.0 - 1.0 / domains) ** sent.copies)
    copies = np.where(sent.proxied, PROXY_SLOWDOWN * remote, np.maximum(remote - 1.0, 0.0))
    return post_s * f.posted * sent.tokens * copies
