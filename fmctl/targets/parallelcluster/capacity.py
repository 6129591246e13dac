"""How the GPUs are bought, as ParallelCluster means it: capacity type, counts, reservations, placement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fmctl.base.errors import UsageError
from fmctl.domain.checked import checked, example
from fmctl.domain.cluster import Capacity, ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.purchase import BLOCK, ODCR, SPOT, Market, launched, unknown
from fmctl.targets.parallelcluster.parts import CapacityReservationTarget, ComputeResource, Efa, Enabled

ULTRASERVER_SIZES = (9, 18)  # instances of one Capacity Block that ParallelCluster 3.16 lays out as a Slurm block
_TYPES: Mapping[Market, str] = {"on-demand": "ONDEMAND", "capacity-block": "CAPACITY_BLOCK", "spot": "SPOT"}
_FIRST_EFA = "1"  # GdrSupport is a switch for this generation; later ones need none
_MOST_NODES = 2000


@dataclass(frozen=True, slots=True)
class Fleet:
    """The compute nodes: EC2 instance type (the member of an UltraServer), how many, in how many blocks."""

    instance_type: str
    count: int
    blocks: int
    slow_to_start: bool  # nodes need longer than ParallelCluster waits


def fleet(instance: Instance, nodes: int) -> Fleet:
    """What a number of nodes of the plan is in EC2 instances. Raises UsageError for an UltraServer of odd size."""
    if not instance.plannable:
        raise UsageError(f"{instance.name} cannot be launched", why=instance.unplannable, next="fmctl instances list")
    members = instance.member_count
    if instance.member_type and members not in ULTRASERVER_SIZES:
        sizes = " and ".join(map(str, ULTRASERVER_SIZES))
        raise UsageError(f"{instance.name} has {members} instances", why=f"ParallelCluster knows blocks of {sizes}")
    if nodes * members > _MOST_NODES:
        raise UsageError(
            f"{nodes * members:,} instances are too many",
            why=f"one cluster of ParallelCluster is rendered with at most {_MOST_NODES:,}",
            next="plan with fewer nodes",
        )
    blocks = nodes if instance.member_type else 1
    return Fleet(instance.member_type or instance.name, nodes * members, blocks, instance.slow_to_start)


def check(capacity: Capacity, instance: Instance, blocks: int = 1) -> tuple[str, ...]:
    """The reservations to use. Raises UsageError where purchase, type and reservation do not go together."""
    bought = capacity.purchase
    if bought not in launched():
        raise unknown(bought, launched())
    if instance.member_type and not capacity.option.in_blocks:
        raise UsageError(
            f"{instance.name} cannot be bought as {bought}",
            why="UltraServers are sold as Capacity Blocks alone",
            next=f"--purchase {BLOCK} --reservation {example('reservation')}",
        )
    given = tuple(filter(None, (capacity.reservation_id or "").split(",")))
    ids = tuple(checked("reservation", one.strip(), "reservation") for one in given)
    if not capacity.option.reserved:
        if ids:
            raise UsageError(
                f"a reservation is not for {bought}",
                why="nothing would use it",
                next=f"--purchase {ODCR} | {BLOCK}",
            )
        return ()
    if len(set(ids)) != blocks or len(ids) != blocks:
        wanted = f"{blocks} different reservations, one per UltraServer" if blocks > 1 else "one reservation"
        shown = ",".join([example("reservation"), "..."][: min(blocks, 2)])
        raise UsageError(f"{bought} needs {wanted}", why=f"{len(ids)} given", next=f"--reservation {shown}")
    return ids


def capacity_type(capacity: Capacity) -> str:
    """ParallelCluster's word for it."""
    return _TYPES[capacity.option.market]


def is_static(capacity: Capacity) -> bool:
    """Whether nodes run from the start to the end."""
    return capacity.static or capacity.option.in_blocks


def placement(capacity: Capacity) -> Enabled | None:
    """A cluster placement group where capacity is free to be placed; forcing one on a reservation can fail."""
    if capacity.option.in_blocks:
        return None
    return Enabled(not capacity.option.reserved)


def resources(spec: ClusterSpec, instance: Instance) -> tuple[ComputeResource, ...]:
    """One compute resource per reservation, always with its instance type: an expired one must not block updates."""
    made = fleet(instance, spec.nodes)
    ids = check(spec.capacity, instance, made.blocks)
    each = made.count // made.blocks
    name = made.instance_type.replace(".", "-")
    return tuple(
        ComputeResource(
            name=name if made.blocks == 1 else f"{name}-{i + 1}",
            instance_type=made.instance_type,
            min_count=each if is_static(spec.capacity) else 0,
            max_count=each,
            efa=_efa(spec, instance),
            capacity_reservation_target=CapacityReservationTarget(ids[i]) if ids else None,
        )
        for i in range(made.blocks)
    )


def warnings(spec: ClusterSpec, instance: Instance) -> Iterator[str]:
    """What whoever launches this should know."""
    bought = spec.capacity.option
    if bought.listing not in instance.purchase:
        yield f"no price is known for {instance.name} {bought.listing}: AWS may not sell it that way"
    if bought.in_blocks:
        minutes = 60 if instance.member_type else 30
        yield f"AWS ends instances {minutes} min before the Capacity Block ends: save the last checkpoint before that"
        yield "a Capacity Block is paid up front and not refunded; it starts nodes only once it has begun"
    elif is_static(spec.capacity):
        yield "static nodes cost money from creation to teardown, whether a job runs or not"
    if bought is SPOT:
        yield "Spot capacity can go at two minutes' notice: the job is queued again, from its last checkpoint"
    if instance.member_type:
        yield "NVLink between nodes of an UltraServer needs IMEX set up by a Slurm prolog, which fmctl does not write"
    if instance.efa_interfaces and not spec.efa and spec.nodes > 1:
        yield "without EFA NCCL runs over TCP: the plan's step time will not be met"


def _efa(spec: ClusterSpec, instance: Instance) -> Efa:
    enabled = spec.efa and instance.efa_interfaces > 0
    return Efa(enabled, gdr_support=True if enabled and instance.efa_version == _FIRST_EFA else None)
