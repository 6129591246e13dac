"""What a run costs, line by line: quantities as columns [n], rates with date and source, unknown where unknown.

Sources of quantities: what a cluster is rendered with (`domain.sizes`), the caller for the rest. assumed: a month is
730 h, a GiB is billed as a GB, and the first 50 TB of S3 are 51,200 GB (a TB of 1,024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from fmctl.buying.bills import Bill, Entry
from fmctl.buying.durations import Chains
from fmctl.buying.rates import Rate, cached_rate, compute_rate
from fmctl.domain.offer import Offer
from fmctl.domain.result import FloatArray
from fmctl.domain.sizes import COMPUTE_ROOT_GIB, HEAD_ROOT_GIB, HEAD_SIZES, head_type, login_type

Column = FloatArray | float
MONTH_H = 730.0
S3_TIERS_GB = {"s3/standard-first-50tb": (0.0, 51_200.0), "s3/standard-next-450tb": (51_200.0, 512_000.0),
               "s3/standard-over-500tb": (512_000.0, np.inf)}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """Hours of one run, scalars or [n]."""

    run_h: Column  # nodes train
    paid_h: Column  # a node is paid for (whole blocks; a reservation from its creation to its end)
    before_h: Column = 0.0  # with between_h and after_h: the cluster stands and no node is paid for
    between_h: Column = 0.0
    after_h: Column = 0.0
    kept_h: Column = 0.0  # its file system stays after it is gone
    s3_h: Column = 0.0  # objects lie in the bucket


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a run uses, scalars or [n]; words are the same for all rows."""

    nodes: Column  # with spare_nodes: units of the offer (an UltraServer is one, of `members` instances)
    spare_nodes: Column = 0.0
    members: int = 1
    arch: str = "x86_64"
    head: str | None = None  # its type, None for the one that the node count gives
    login_nodes: Column = 0.0
    file_systems: Mapping[str, Column] = field(default_factory=dict)  # GiB of each item of pricing/storage.csv
    s3_gb: Column = 0.0  # at rest
    s3_puts: Column = 0.0  # requests
    s3_gets: Column = 0.0  # requests
    nat_gateways: Column = 0.0  # that are paid for this run
    nat_gb: Column = 0.0  # through them
    cross_zone_gb: Column = 0.0  # between zones
    logs_gb: Column = 0.0  # to CloudWatch


def bill(offer: Offer, parts: Parts, hours: Hours, on: date) -> Bill:
    """All lines of runs that are bought by one offer; `on` is the day whose prices count."""
    entries = [*_nodes(offer, parts, hours), *_head(offer.region, parts, hours, on)]
    entries += [*_disks(offer.region, parts, hours, on), *_bucket(offer.region, parts, hours, on)]
    entries += _network(offer.region, parts, hours, on)
    return Bill.of(entries)


def block_hours(work_h: Column, found: Chains, *, before_h: Column = 0.0, after_h: Column = 0.0) -> Hours:
    """Hours of runs of `work_h` in Capacity Blocks: whole blocks are paid for, and the cluster stands in the gaps."""
    return Hours(work_h, found.paid_h, before_h, found.between_h, after_h)


def up_h(hours: Hours) -> FloatArray:
    """Hours for which the cluster stands: before + paid + between + after; shape [n]."""
    return _sum(hours.before_h, hours.paid_h, hours.between_h, hours.after_h)


def s3_tiers(gb: Column) -> Mapping[str, FloatArray]:
    """GB that fall into each price range of S3 Standard, by item; shape [n] each."""
    held = np.asarray(gb, np.float64)
    return {item: np.clip(held, low, high) - low for item, (low, high) in S3_TIERS_GB.items()}


def _nodes(offer: Offer, parts: Parts, hours: Hours) -> list[Entry]:
    """Hours of compute nodes; a term is paid whole. Idle is what is paid and not run."""
    paid_h = np.maximum(_sum(hours.paid_h), offer.term_h)
    idle_h = paid_h - _sum(hours.run_h)
    rates = (compute_rate(offer),)
    counted = (("compute nodes", _sum(parts.nodes)), ("spare nodes", _sum(parts.spare_nodes)))
    return [
        Entry(name, offer.instance, "instance-h", count * paid_h, count * idle_h, rates, compute=True)
        for name, count in counted
    ]


def _head(region: str, parts: Parts, hours: Hours, on: date) -> list[Entry]:
    """Head and login nodes, on demand for as long as the cluster stands."""
    up, idle = up_h(hours), up_h(hours) - _sum(hours.run_h)
    limits = [most for most, _ in HEAD_SIZES if most is not None]
    types = [parts.head] if parts.head else [head_type(parts.arch, most) for most in (*limits, limits[-1] + 1)]
    which = np.searchsorted(limits, _instances(parts)) * (parts.head is None)
    login = login_type(parts.arch)
    count = np.asarray(parts.login_nodes, np.float64)
    return [
        Entry("head node", tuple(types), "instance-h", up, idle, _rates("node", types, region, on), choice=which),
        Entry("login nodes", login, "instance-h", count * up, count * idle, _rates("node", [login], region, on)),
    ]


def _disks(region: str, parts: Parts, hours: Hours, on: date) -> list[Entry]:
    """Root volumes of compute, head and login nodes (gp3), and the file system."""
    up, run = up_h(hours), _sum(hours.run_h)
    gp3 = _rates("item", ["ebs/gp3"], region, on)
    count = _sum(parts.nodes, parts.spare_nodes) * parts.members * COMPUTE_ROOT_GIB / MONTH_H
    head = _head_gib(parts) / MONTH_H
    login = np.where(np.asarray(parts.login_nodes, np.float64) > 0.0, np.nan, 0.0)
    unsized = (Rate(None, why="the root volume of a login node is as large as its image says"),)
    entries = [
        Entry("compute root volumes", "ebs/gp3", "GB-month", count * hours.paid_h,
              count * (_sum(hours.paid_h) - run), gp3),
        Entry("head root volume", "ebs/gp3", "GB-month", head * up, head * (up - run), gp3),
        Entry("login root volumes", "ebs/gp3", "GB-month", login, login, unsized),
    ]  # fmt: skip
    total = up + np.asarray(hours.kept_h, np.float64)
    for item, gib in parts.file_systems.items():
        each = np.asarray(gib, np.float64) / MONTH_H
        rates = _rates("item", [item], region, on)
        entries.append(Entry("file system", item, "GB-month", each * total, each * (total - run), rates))
    return entries


def _bucket(region: str, parts: Parts, hours: Hours, on: date) -> list[Entry]:
    """S3: what lies there by price range, and requests."""
    months = np.asarray(hours.s3_h, np.float64) / MONTH_H
    idle = np.maximum(np.asarray(hours.s3_h, np.float64) - _sum(hours.run_h), 0.0) / MONTH_H
    entries = [
        Entry("S3 storage", item, "GB-month", gb * months, gb * idle, _rates("item", [item], region, on))
        for item, gb in s3_tiers(parts.s3_gb).items()
    ]
    for what, item, count in (("S3 writes", "s3/put", parts.s3_puts), ("S3 reads", "s3/get", parts.s3_gets)):
        thousands = np.asarray(count, np.float64) / 1000.0
        entries.append(
            Entry(what, item, "1,000 requests", thousands, 0.0 * thousands, _rates("item", [item], region, on))
        )
    return entries


def _network(region: str, parts: Parts, hours: Hours, on: date) -> list[Entry]:
    """NAT gateways and what goes through them, traffic between zones (billed on both sides), logs."""
    gateways, up = np.asarray(parts.nat_gateways, np.float64), up_h(hours)
    flows = (
        ("NAT gateway data", "nat-gateway/data", "GB", _sum(parts.nat_gb)),
        ("cross-zone traffic", "transfer/cross-az", "GB each way", 2.0 * _sum(parts.cross_zone_gb)),
        ("CloudWatch logs", "cloudwatch/logs", "GB", _sum(parts.logs_gb)),
    )
    nat = _rates("item", ["nat-gateway/hour"], region, on)
    idle = gateways * (up - _sum(hours.run_h))
    return [
        Entry("NAT gateways", "nat-gateway/hour", "hour", gateways * up, idle, nat),
        *(Entry(what, item, unit, gb, 0.0 * gb, _rates("item", [item], region, on)) for what, item, unit, gb in flows),
    ]


def _rates(kind: str, names: list[str], region: str, on: date) -> tuple[Rate, ...]:
    return tuple(cached_rate(kind, name, region, on) for name in names)


def _instances(parts: Parts) -> FloatArray:
    """Instances of the compute fleet, spares included, by which the head node is sized; shape [n]."""
    return _sum(parts.nodes, parts.spare_nodes) * parts.members


def _head_gib(parts: Parts) -> FloatArray:
    limits = [most for most, _ in HEAD_ROOT_GIB if most is not None]
    sizes = np.array([gib for _, gib in HEAD_ROOT_GIB], np.float64)
    found: FloatArray = sizes[np.searchsorted(limits, _instances(parts))]
    return found


def _sum(*values: Column) -> FloatArray:
    """Their sum, as float64, in this order."""
    total = np.zeros(())
    for value in values:
        total = total + np.asarray(value, np.float64)
    return total
