"""FSx for Lustre: rates by tier and capacity, and what n clients get of them.

A file system has three limits of its own (disks, network of its servers, their memory as a cache) and two per client:
its network, and over TCP one 5 Gbit/s flow to each server. Burst rates run on credits whose size AWS does not
publish: they are given as upper bounds, and nothing here counts on them.

Source: FSx for Lustre user guide ("ssd-storage", "performance", "using-fsx-lustre"). These are specifications, not
measurements.
Valid: large files striped over all servers. 1.2 TiB is 1,200 GiB, as AWS counts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fmctl.domain.result import FloatArray
from fmctl.domain.storage import Deployment
from fmctl.perf.store.storage import ClientLimits

MB = 1e6
NAN = float("nan")
# One client: 100 Gbit/s over ENA, 700 over EFA, 1,200 with GPUDirect Storage; one TCP flow to one server 5 Gbit/s.
TCP_CLIENT_BYTES_PER_S = 12.5e9
EFA_CLIENT_BYTES_PER_S = 87.5e9
GDS_CLIENT_BYTES_PER_S = 150e9
TCP_FLOW_BYTES_PER_S = 0.625e9
EFA_CONNECTIONS = 1024.0  # per file system; one per client is assumed
# Capacity of one server, TiB: without EFA sizes are 1.2, 2.4 and multiples of 2.4; with EFA multiples by tier.
SERVER_TIB = 2.4
SMALLEST_TIB = 1.2
EFA_SERVER_TIB: Mapping[int, float] = {125: 38.4, 250: 19.2, 500: 9.6, 1000: 4.8}


@dataclass(frozen=True, slots=True)
class TierSpec:
    """Per TiB: network and its burst, disk read, write and burst in MB/s, server memory in GiB. NaN: not published."""

    network: float
    network_burst: float
    read: float
    write: float
    burst: float
    ram_gib: float


TIERS: Mapping[tuple[Deployment, int], TierSpec] = {
    ("scratch-2", 200): TierSpec(200.0, 1300.0, 200.0, 100.0, NAN, 6.7),
    # Persistent_1: only the disk tiers are on file; the burst of tier 50 is that of a re:Post answer (4.8 TiB: 1,152).
    ("persistent-1", 50): TierSpec(NAN, NAN, 50.0, 50.0, 240.0, NAN),
    ("persistent-1", 100): TierSpec(NAN, NAN, 100.0, 100.0, NAN, NAN),
    ("persistent-1", 200): TierSpec(NAN, NAN, 200.0, 200.0, NAN, NAN),
    ("persistent-2", 125): TierSpec(320.0, 1300.0, 125.0, 125.0, 500.0, 3.4),
    ("persistent-2", 250): TierSpec(640.0, 1300.0, 250.0, 250.0, 500.0, 6.8),
    ("persistent-2", 500): TierSpec(1300.0, NAN, 500.0, 500.0, NAN, 13.7),
    ("persistent-2", 1000): TierSpec(2600.0, NAN, 1000.0, 1000.0, NAN, 27.3),
}


@dataclass(slots=True, eq=False, repr=False)
class LustreRates:
    """Limits of file systems, arrays of shape [n] or scalars: bytes/s, bytes of cache, servers."""

    read_bytes_per_s: FloatArray
    write_bytes_per_s: FloatArray
    # with network_burst_bytes_per_s: upper bounds while credits last, NaN where there are none
    burst_bytes_per_s: FloatArray
    network_bytes_per_s: FloatArray
    network_burst_bytes_per_s: FloatArray
    cache_bytes: FloatArray
    servers: FloatArray
    efa: float  # with gds: 0 or 1
    gds: float


def servers(capacity_tib: FloatArray, per_server_tib: float) -> FloatArray:
    """Object storage servers: max(1, capacity / TiB per server). Source: "using-fsx-lustre"."""
    return np.maximum(1.0, np.ceil(capacity_tib / per_server_tib - 1e-9))


def provisioned_tib(wanted_tib: FloatArray, per_server_tib: float) -> FloatArray:
    """The smallest capacity on sale that holds `wanted_tib`, TiB: 1.2 (without EFA), else a multiple of one server."""
    whole = servers(wanted_tib, per_server_tib) * per_server_tib
    small = (per_server_tib == SERVER_TIB) & (wanted_tib <= SMALLEST_TIB)
    result: FloatArray = np.where(small, SMALLEST_TIB, whole)
    return result


def server_tib(deployment: Deployment, mb_per_s_per_tib: int, efa: bool) -> float:
    """TiB of one server, which is also the step in which capacity is sold. KeyError: no such tier has EFA."""
    return EFA_SERVER_TIB[mb_per_s_per_tib] if efa and deployment == "persistent-2" else SERVER_TIB


def tier_rates(spec: TierSpec, units: FloatArray, per_server: float, efa: float, gds: float) -> LustreRates:
    """Rates: what one TiB has x how many there are. units: TiB [n]; per_server: TiB of one server."""
    return LustreRates(
        read_bytes_per_s=units * (spec.read * MB),
        write_bytes_per_s=units * (spec.write * MB),
        burst_bytes_per_s=units * (spec.burst * MB),
        network_bytes_per_s=units * (spec.network * MB),
        network_burst_bytes_per_s=units * (spec.network_burst * MB),
        cache_bytes=units * (spec.ram_gib * 2.0**30),
        servers=servers(units, per_server),
        efa=efa,
        gds=gds,
    )


def lustre_client_bytes_per_s(fs: LustreRates, c: ClientLimits) -> FloatArray:
    """One client, bytes/s: TCP min(100 Gbit/s, ENA, servers x 5 Gbit/s); EFA min(700 or, with GDS, 1,200; its EFA)."""
    tcp = np.minimum(min(TCP_CLIENT_BYTES_PER_S, c.ena_bytes_per_s), fs.servers * TCP_FLOW_BYTES_PER_S)
    efa = np.where(fs.gds * c.gds > 0.0, GDS_CLIENT_BYTES_PER_S, EFA_CLIENT_BYTES_PER_S)
    result: FloatArray = np.where(fs.efa * c.lustre_efa > 0.0, np.minimum(efa, c.efa_bytes_per_s), tcp)
    return result


def lustre_write_bytes_per_s(fs: LustreRates, c: ClientLimits, clients: FloatArray) -> FloatArray:
    """Clients writing at once, bytes/s: min(disks, server network, clients x client limit). clients [n].

    A network rate that is not published does not bind.
    """
    own = np.fmin(fs.write_bytes_per_s, fs.network_bytes_per_s)
    result: FloatArray = np.minimum(own, clients * lustre_client_bytes_per_s(fs, c))
    return result


def lustre_read_bytes_per_s(
    fs: LustreRates, c: ClientLimits, clients: FloatArray, unique_bytes: FloatArray, read_bytes: FloatArray
) -> FloatArray:
    """Clients reading at once, bytes/s: min(disks x read / from disk, server network, clients x client limit).

    unique_bytes: what lies on disk; read_bytes: what all clients together ask for, at least that [n]. What the servers'
    memory holds comes from disk once, what is larger every time (a cache read in a cycle keeps nothing).
    """
    from_disk = np.where(unique_bytes <= fs.cache_bytes, unique_bytes, read_bytes)
    own = np.fmin(fs.read_bytes_per_s * read_bytes / from_disk, fs.network_bytes_per_s)
    result: FloatArray = np.minimum(own, clients * lustre_client_bytes_per_s(fs, c))
    return result
