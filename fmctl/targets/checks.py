"""Single checks of AWS, whatever stands on it: pure functions of what a plan wants and what a survey found."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fmctl.domain import quotas
from fmctl.domain.block_end import block_usable_until
from fmctl.domain.cluster import ClusterSpec, Site
from fmctl.domain.hardware import Instance
from fmctl.domain.ports import Identity, Lustre, Reservation, Subnet
from fmctl.domain.purchase import BLOCK, ODCR, ON_DEMAND, SPOT
from fmctl.domain.storage import GIB_PER_TIB
from fmctl.targets.target import Check

OK, WARNING, FAIL, UNKNOWN = "ok", "warning", "fail", "unknown"
_P_TYPE = re.compile(r"p\d")
# assumed: a save that takes longer is worth a warning; so many checkpoints must fit beside the data.
SLOW_SAVE_S = 120.0
CHECKPOINTS_KEPT = 3
_SECONDS_PER_HOUR = 3600.0


def member_type(instance: Instance) -> str:
    """The EC2 type that is started: an UltraServer is several of its members."""
    return instance.member_type or instance.name


def members(spec: ClusterSpec, instance: Instance) -> int:
    """EC2 instances of the compute fleet."""
    return spec.nodes * max(instance.member_count, 1)


def identity_check(site: Site, who: Identity) -> Check:
    """The credentials' account and region against the plan's."""
    if site.account is not None and who.account != site.account:
        return Check("account", FAIL, "the credentials belong to another account than the site", "use --profile")
    if who.region != site.region:
        return Check("account", FAIL, f"region {who.region}, the site is in {site.region}", f"--region {site.region}")
    stated = "as the site says" if site.account else "the site names none"
    return Check("account", OK, f"{stated}; region {who.region}")


def zone_check(instance: Instance, subnet: Subnet, zones: tuple[str, ...]) -> Check:
    """The type is offered in the subnet's zone."""
    kind = member_type(instance)
    if not zones:
        return Check("offering", UNKNOWN, f"no zone of the region is said to offer {kind}", "ask AWS, or --region")
    if subnet.zone not in zones:
        there = ", ".join(zones)
        return Check("offering", FAIL, f"{kind} is not offered in {subnet.zone} (it is in {there})", "another subnet")
    return Check("offering", OK, f"{kind} in {subnet.zone}")


def route_check(name: str, subnet: Subnet, public_allowed: bool) -> Check:
    """A private subnet with a way to AWS: multi-card types get no public address."""
    if subnet.way_out == "internet" and not public_allowed:
        return Check(name, FAIL, f"{subnet.id} is public: nodes get no public address there", "a private subnet")
    if subnet.way_out == "none":
        return Check(name, FAIL, f"{subnet.id} has no way out", "a NAT gateway, or VPC endpoints")
    if subnet.public_ips and not public_allowed:
        return Check(name, FAIL, f"{subnet.id} hands out public addresses", "switch that off for the subnet")
    return Check(name, OK, f"{subnet.id} by {subnet.way_out}")


def quota_code(spec: ClusterSpec) -> str | None:
    """The quota that counts for the purchase; None where none does (blocks) or none is known (P6 spot)."""
    return quotas.quota_code(spec.instance, spec.capacity.purchase)


def quota_check(spec: ClusterSpec, instance: Instance, limit: float | None, used: int) -> Check:
    """Quota in vCPUs against what the nodes need beside what runs; unknown is a state."""
    if spec.capacity.option.in_blocks:
        return Check("quota", OK, "Capacity Blocks do not count")
    code = quota_code(spec)
    needed = instance.vcpu * spec.nodes
    if code is None or limit is None:
        return Check("quota", UNKNOWN, f"{needed} vCPUs needed; the quota could not be read", "Service Quotas, EC2")
    if limit - used < needed:
        found = f"{needed} vCPUs needed, {max(limit - used, 0):.0f} of {limit:.0f} left"
        return Check("quota", FAIL, found, f"aws service-quotas request-service-quota-increase --quota-code {code}")
    return Check("quota", OK, f"needs {needed} of the {limit - used:.0f} vCPUs left")


def usable_until(reservation: Reservation, ultraserver: bool) -> datetime | None:
    """When EC2 begins to take a block's instances down; None where it does not end."""
    if reservation.end is None:
        return None
    if reservation.kind != BLOCK.name:
        return reservation.end
    return block_usable_until(reservation.end, ultraserver)


def reservation_check(
    spec: ClusterSpec, instance: Instance, subnet: Subnet, found: Reservation | None, now: datetime
) -> Check:
    """The reservation or block is of the kind, type, zone and size that the run needs, and lasts long enough."""
    name, wanted = "reservation", spec.capacity.reservation_id
    if not spec.capacity.option.reserved:
        if wanted:
            return Check(name, WARNING, f"{spec.capacity.purchase} does not use {wanted}", "--purchase odcr")
        return Check(name, OK, "none needed; capacity is not promised")
    if found is None:
        return Check(name, FAIL, f"{wanted or 'no reservation'} was not found", "--reservation cr-...")
    problem = _mismatch(spec, instance, subnet, found)
    if problem:
        return Check(name, FAIL, problem, "--reservation of another, or another plan")
    if found.state not in ("active", "scheduled", "pending"):
        return Check(name, FAIL, f"{found.id} is {found.state}", "--reservation of another")
    end = usable_until(found, instance.member_count > 1)
    begins = max(found.start or now, now)
    if end is not None:
        hours = max((end - begins).total_seconds(), 0.0) / _SECONDS_PER_HOUR
        if hours < spec.max_hours:
            until = f"{end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            said = f"usable for {hours:.1f} h (until {until}), {spec.max_hours:g} h wanted"
            return Check(name, FAIL, said, f"--max-hours {max(int(hours), 1)}, or extend the block")
    if found.state != "active":
        return Check(name, WARNING, f"{found.id} is {found.state}: nodes wait until {begins:%Y-%m-%d %H:%M} UTC")
    return Check(name, OK, f"{found.id}: {found.available} of {found.total} free")


def _mismatch(spec: ClusterSpec, instance: Instance, subnet: Subnet, found: Reservation) -> str:
    """In what a reservation differs from what the plan needs; empty where in nothing."""
    kind = BLOCK.name if spec.capacity.option.in_blocks else "default"
    needed = members(spec, instance)
    if found.kind != kind:
        return f"{found.id} is {'a Capacity Block' if found.kind == BLOCK.name else 'an on-demand reservation'}"
    if found.instance != member_type(instance):
        return f"{found.id} is for {found.instance}, the plan for {member_type(instance)}"
    if found.zone != subnet.zone:
        return f"{found.id} is in {found.zone}, the subnet in {subnet.zone}"
    if found.available < needed and found.state == "active":
        return f"{found.available} of {found.id}'s {found.total} are free, {needed} needed"
    return f"{found.id} holds {found.total}, {needed} needed" if found.total < needed else ""


def spot_check(spec: ClusterSpec) -> Check:
    """Spot and large training do not go together: one reclaimed node stops all."""
    if spec.capacity.option is not SPOT:
        return Check("purchase", OK, spec.capacity.purchase)
    found = f"spot: any of {spec.nodes} nodes may go with two minutes' notice, and the run stops with it"
    state = FAIL if spec.nodes > 1 and _P_TYPE.match(spec.instance) else WARNING
    return Check("purchase", state, found, f"--purchase {ON_DEMAND}, {ODCR} or {BLOCK}")


def storage_check(spec: ClusterSpec, subnet: Subnet, found: Lustre | None, maker: str) -> Check:
    """The file system is in the VPC and zone, reachable, and fast and large enough for checkpoints."""
    wanted = spec.site.file_system
    if wanted is None:
        return Check(
            "storage", WARNING, "no shared file system: checkpoints have nowhere to go", "file_system in the site"
        )
    if wanted.id is None:
        if wanted.efa:
            return Check("storage", FAIL, f"{maker} cannot make a file system with EFA", "make it, give its id")
        return _fast_enough(spec, wanted.capacity_gib, wanted.capacity_gib / GIB_PER_TIB * wanted.mb_per_s_per_tib)
    if found is None:
        return Check("storage", FAIL, f"{wanted.id} was not found", "aws fsx describe-file-systems")
    return _mounted(spec, subnet, found)


def _mounted(spec: ClusterSpec, subnet: Subnet, found: Lustre) -> Check:
    if found.state != "AVAILABLE":
        return Check("storage", FAIL, f"{found.id} is {found.state}", "wait, or another file system")
    if found.vpc != subnet.vpc:
        return Check("storage", FAIL, f"{found.id} is in another VPC", "a file system in the cluster's VPC")
    if not found.open_to:
        return Check("storage", FAIL, f"no security group of {found.id} lets port 988 in", "allow TCP 988, 1018-1023")
    if subnet.zone not in found.zones:
        said = f"{found.id} is in {', '.join(found.zones)}, nodes in {subnet.zone}: every byte crosses zones"
        return Check("storage", WARNING, said, "a file system in the nodes' zone")
    return _fast_enough(spec, found.capacity_gib, found.mb_per_s)


def _fast_enough(spec: ClusterSpec, capacity_gib: float, mb_per_s: float | None) -> Check:
    size = float(spec.row.get("checkpoint", {}).get("checkpoint_bytes") or 0.0)
    if size * CHECKPOINTS_KEPT > capacity_gib * 2.0**30:
        said = f"{capacity_gib:,.0f} GiB hold fewer than {CHECKPOINTS_KEPT} checkpoints of {size / 2.0**30:,.0f} GiB"
        return Check("storage", FAIL, said, "a larger file system")
    if mb_per_s is None:
        return Check("storage", UNKNOWN, "its throughput could not be read", "aws fsx describe-file-systems")
    seconds = size / (mb_per_s * 1e6)
    said = f"a checkpoint of {size / 2.0**30:,.0f} GiB takes {seconds:,.0f} s at {mb_per_s:,.0f} MB/s"
    if seconds > SLOW_SAVE_S:
        return Check("storage", WARNING, said, "more capacity, or more MB/s per TiB")
    return Check("storage", OK, said)


def price_check(spec: ClusterSpec, now_usd_per_h: float | None, tolerance: float = 0.01) -> Check:
    """The price that the plan was made with against today's table."""
    if spec.usd_per_h is not None and not 0.0 < spec.usd_per_h < float("inf"):
        return Check("price", FAIL, f"the plan says {spec.usd_per_h} USD an hour", "make the plan again")
    if now_usd_per_h is None:
        return Check("price", UNKNOWN, "no price is known for this purchase", "fmctl prices list")
    if spec.usd_per_h is None:
        return Check("price", WARNING, f"the plan knew none, now ${now_usd_per_h:,.2f}/h", "make the plan again")
    drift = now_usd_per_h / spec.usd_per_h - 1.0
    said = f"${spec.usd_per_h:,.2f}/h of {spec.price_date}, now ${now_usd_per_h:,.2f}/h"
    if abs(drift) > tolerance:
        return Check("price", WARNING, f"{said} ({drift:+.1%})", "make the plan again")
    return Check("price", OK, said)


def budget_check(spec: ClusterSpec, budget_usd: float | None) -> Check:
    """The most that the run may cost against the plan's budget."""
    if spec.usd_per_h is None:
        return Check("budget", UNKNOWN, "no price is known", "fmctl prices list")
    cap = spec.usd_per_h * spec.max_hours
    if budget_usd is not None and cap > budget_usd:
        hours = budget_usd / spec.usd_per_h
        return Check(
            "budget", FAIL, f"${cap:,.0f} at most, the budget is ${budget_usd:,.0f}", f"--max-hours {hours:.0f}"
        )
    return Check("budget", OK, f"${cap:,.0f} at most in {spec.max_hours:g} h")


def head_zone_check(head: Subnet, compute: Subnet) -> Check:
    """Head and compute nodes in one VPC, and best in one zone."""
    if head.vpc != compute.vpc:
        return Check("head node", FAIL, "head and compute subnets are in different VPCs", "subnets of one VPC")
    if head.zone != compute.zone:
        said = f"in {head.zone}, nodes in {compute.zone}: traffic between zones is billed"
        return Check("head node", WARNING, said, "a head subnet in the nodes' zone")
    return Check("head node", OK, f"in {head.zone}")


def worst(found: tuple[Check, ...]) -> str:
    """The worst state of all checks: fail, then unknown, then warning, then ok."""
    states = {check.state for check in found}
    return next((state for state in (FAIL, UNKNOWN, WARNING) if state in states), OK)
