"""A ClusterSpec as a ParallelCluster configuration: the parts put together."""

from __future__ import annotations

from collections.abc import Iterator

from fmctl.base.errors import UsageError
from fmctl.domain.checked import checked, whole
from fmctl.domain.cluster import CLUSTER_TAG, ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.targets import sites
from fmctl.targets.parallelcluster import capacity, head, rights, storage
from fmctl.targets.parallelcluster.parts import (
    Cluster,
    ClusterIam,
    ComputeSettings,
    DevSettings,
    Enabled,
    HealthChecks,
    Image,
    Imds,
    Monitoring,
    NodeIam,
    Queue,
    Scheduling,
    SlurmSettings,
    SubnetNetworking,
    Tag,
    Timeouts,
)

QUEUE = "gpu"
_NOT_ON_GB200 = ("rhel8", "rocky8", "rhel9")
_MOST_HOURS = 24 * 365
_MOST_IDLE_MINUTES = 24 * 60
# Block topology and IMEX: jobs wait until the prolog has run everywhere.
_ULTRASERVER_SLURM = ({"PrologFlags": "Alloc,NoHold"}, {"MessageTimeout": 240})


def check(spec: ClusterSpec, instance: Instance) -> None:
    """Raises UsageError for anything that must not reach a file, however the spec was made."""
    checked("cluster", spec.name, "cluster name")
    checked("plan", spec.plan, "plan name")
    checked("digest", spec.plan_digest, "plan digest")
    sites.check(spec.site)
    checked("tag-value", creator(spec), "created by")
    if not 1 <= spec.max_hours <= _MOST_HOURS:
        raise UsageError(
            f"max hours {spec.max_hours:g} cannot be used",
            why=f"it has to be 1 to {_MOST_HOURS:,}",
            next="--max-hours 24",
        )
    whole("idle minutes", spec.idle_minutes, 1, _MOST_IDLE_MINUTES)
    whole("nodes", spec.row["nodes"], 1, 10**6)
    if spec.instance != instance.name:
        raise UsageError(f"the plan is for {spec.instance}", why=f"{instance.name} was given")
    if instance.arch == "arm64" and spec.site.parallelcluster.os in _NOT_ON_GB200:
        raise UsageError(
            f"os {spec.site.parallelcluster.os} cannot be used",
            why=f"ParallelCluster has no image of it for {instance.name}",
            next="os: ubuntu2404",
        )


def cluster(spec: ClusterSpec, instance: Instance) -> Cluster:
    """The whole configuration. Raises UsageError for what AWS or ParallelCluster would refuse."""
    check(spec, instance)
    site, fleet = spec.site, capacity.fleet(instance, spec.nodes)
    capacity.check(spec.capacity, instance, fleet.blocks)
    return Cluster(
        region=site.region,
        image=Image(site.parallelcluster.os, site.parallelcluster.ami),
        imds=Imds(),
        head_node=head.head_node(site, instance.arch, fleet.count),
        scheduling=_scheduling(spec, instance),
        monitoring=Monitoring(),
        tags=tuple(tags(spec)),
        login_nodes=head.login_nodes(site, instance.arch),
        shared_storage=storage.shared(site),
        iam=ClusterIam(rights.path(spec.name, site.region), site.permissions_boundary),
        dev_settings=DevSettings(Timeouts()) if fleet.slow_to_start else None,
    )


def creator(spec: ClusterSpec) -> str:
    """Who made it, without the account that an ARN names."""
    return spec.created_by.rpartition(":")[2]


def tags(spec: ClusterSpec) -> Iterator[Tag]:
    """By which fmctl finds its clusters again, then the user's."""
    yield Tag(CLUSTER_TAG, spec.name)
    yield Tag("fmctl:plan", spec.plan)
    yield Tag("fmctl:plan-digest", spec.plan_digest)
    yield Tag("fmctl:max-hours", f"{spec.max_hours:g}")
    if spec.created_by:
        yield Tag("fmctl:created-by", creator(spec))
    yield from (Tag(key, value) for key, value in spec.site.tags.items())


def _scheduling(spec: ClusterSpec, instance: Instance) -> Scheduling:
    static = capacity.is_static(spec.capacity)
    return Scheduling(
        SlurmSettings(
            queue_update_strategy="TERMINATE" if spec.capacity.option.in_blocks else "DRAIN",
            scaledown_idletime=None if static else spec.idle_minutes,
            custom_slurm_settings=_ULTRASERVER_SLURM if instance.member_type else (),
        ),
        (_queue(spec, instance),),
    )


def _queue(spec: ClusterSpec, instance: Instance) -> Queue:
    site, own = spec.site, spec.site.parallelcluster
    access = head.s3_access(site)
    return Queue(
        name=QUEUE,
        capacity_type=capacity.capacity_type(spec.capacity),
        job_exclusive_allocation=True,
        networking=SubnetNetworking(
            (own.compute_subnet,), assign_public_ip=False, placement_group=capacity.placement(spec.capacity),
            additional_security_groups=own.security_groups,
        ),
        health_checks=HealthChecks(Enabled(True)),
        compute_settings=ComputeSettings(storage.compute_disks(instance)),
        compute_resources=capacity.resources(spec, instance),
        iam=NodeIam(access) if access else None,
    )  # fmt: skip
