"""What the head node and the compute nodes may do: ParallelCluster's own policies of them, for this cluster.

ParallelCluster makes these itself; tests hold them against its templates. AWS's managed policies come beside them.
"""

from __future__ import annotations

from collections.abc import Iterator

from fmctl.adapters.parallelcluster.leftovers import bucket
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.policy import Condition, Place, Statement
from fmctl.targets.parallelcluster import head, rights
from fmctl.targets.parallelcluster.config import QUEUE
from fmctl.targets.parallelcluster.policy import managed

_FLEET = "where the state of the fleet is kept"


def head_statements(spec: ClusterSpec, place: Place) -> tuple[Statement, ...]:
    """Of the head node: it starts and ends nodes, and passes them their role."""
    name = spec.name
    return (
        *_head_ec2(spec, place),
        Statement(
            "PassNodeRole", "roles of this cluster, to the nodes that it starts", ("iam:PassRole",),
            (place.iam(f"role{rights.path(name, place.region)}{name}/*"),),
        ),
        Statement("Stack", "says that it is up", _stack("DescribeStacks", "DescribeStackResource", "SignalResource"),
                  (place.arn("cloudformation", f"stack/{name}/*"),)),
        *_artefacts(spec, place),
        Statement("Fleet", _FLEET, _items("UpdateItem", "PutItem", "GetItem", "BatchGetItem"), _table(place, name)),
        Statement("Slurm", "which node is which instance",
                  _items("PutItem", "BatchWriteItem", "GetItem", "BatchGetItem"), _table(place, f"slurm-{name}")),
        Statement("Names", "records of nodes in the cluster's zone, whose id nobody knows before",
                  ("route53:ChangeResourceRecordSets",), (place.public("route53", "hostedzone/*"),)),
        *_keys(spec, place),
    )  # fmt: skip


def compute_statements(spec: ClusterSpec, place: Place) -> tuple[Statement, ...]:
    """Of a compute node: it looks at itself, and says that it is up."""
    name = spec.name
    slurm = _table(place, f"slurm-{name}")
    return (
        Statement("Self", "its own attributes; EC2 takes no resource here", ("ec2:DescribeInstanceAttribute",)),
        _software(place),
        Statement("Stack", "files of its own start", _stack("DescribeStackResource"),
                  (place.arn("cloudformation", f"stack/{name}-{rights.NESTED[0]}*/*"),)),
        Statement("Fleet", _FLEET, _items("UpdateItem", "PutItem", "GetItem"), _table(place, name)),
        Statement("Slurm", "which node it is", _items("Query"), (*slurm, f"{slurm[0]}/index/*")),
        *_keys(spec, place),
    )  # fmt: skip


def managed_policies(place: Place, *, of_head: bool) -> tuple[str, ...]:
    """AWS's own policies that come beside; Session Manager's lets a node read every parameter of the account."""
    agent = f"arn:{place.partition}:iam::aws:policy/CloudWatchAgentServerPolicy"
    return (managed(place), agent) if of_head else (agent,)


def _head_ec2(spec: ClusterSpec, place: Place) -> Iterator[Statement]:
    own, name = spec.site.parallelcluster, spec.name
    any_of = (
        "fleet",
        "network-interface",
        "instance",
        "volume",
        "security-group",
        "launch-template",
        "placement-group",
    )
    yield Statement(
        "LookAtNodes",
        "EC2 takes no resource here",
        (
            "ec2:DescribeCapacityReservations", "ec2:DescribeInstanceAttribute", "ec2:DescribeInstances",
            "ec2:DescribeInstanceStatus", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeVolumes",
        ),
    )  # fmt: skip
    yield Statement(
        "TagNodes", "instances and volumes, as ParallelCluster has it: of the account",
        ("ec2:AttachVolume", "ec2:CreateTags", "ec2:DetachVolume"),
        (place.arn("ec2", "instance/*"), place.arn("ec2", "volume/*")),
    )  # fmt: skip
    yield Statement(
        "StartNodes",
        "in the subnet of the compute nodes",
        ("ec2:CreateFleet", "ec2:RunInstances"),
        (
            place.arn("ec2", f"subnet/{own.compute_subnet}"), *(place.arn("ec2", f"{one}/*") for one in any_of),
            place.arn("ec2", f"key-pair/{own.key_name}"),
            f"arn:{place.partition}:ec2:{place.region}::image/{own.ami or '*'}",
        ),
    )  # fmt: skip
    held = [one for one in (spec.capacity.reservation_id or "").split(",") if one]
    if held:
        reserved = tuple(place.arn("ec2", f"capacity-reservation/{one}") for one in held)
        yield Statement("StartInReservation", "the capacity that the plan names", ("ec2:RunInstances",), reserved)
    ended: Condition = {"StringEquals": {f"ec2:ResourceTag/{rights.CLUSTER_TAG}": name}}
    yield Statement("EndNodes", "of this cluster", ("ec2:TerminateInstances",), condition=ended)
    console: Condition = {
        "StringEquals": {
            "aws:ResourceTag/parallelcluster:queue-name": (QUEUE,),
            "aws:ResourceTag/parallelcluster:node-type": "Compute",
            f"aws:ResourceTag/{rights.CLUSTER_TAG}": name,
        }
    }
    yield Statement(
        "Console", "what a node said that did not come up", ("ec2:GetConsoleOutput",),
        (place.arn("ec2", "instance/*"),), console,
    )  # fmt: skip


def _artefacts(spec: ClusterSpec, place: Place) -> Iterator[Statement]:
    whole = place.public("s3", bucket(place.account, place.region))
    folder = f"{whole}/parallelcluster/{spec.site.parallelcluster.pcluster_version}/clusters/{spec.name}-*"
    yield Statement(
        "Artefacts", "its configuration, in ParallelCluster's bucket",
        ("s3:GetBucketLocation", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"), (whole, folder),
    )  # fmt: skip
    yield _software(place)
    yield Statement("DcvLicense", "a desktop's licence, which AWS gives", ("s3:GetObject",),
                    (place.public("s3", f"dcv-license.{place.region}/*"),))  # fmt: skip


def _software(place: Place) -> Statement:
    what = (place.public("s3", f"{place.region}-aws-parallelcluster/*"),)
    return Statement("Software", "what ParallelCluster publishes", ("s3:GetObject",), what)


def _keys(spec: ClusterSpec, place: Place) -> Iterator[Statement]:
    for one in head.s3_access(spec.site):
        yield Statement(
            "Keys", "fmctl's own keys of the site's bucket", ("s3:*",) if one.enable_write_access else
            ("s3:Get*", "s3:List*"), (place.public("s3", f"{one.bucket_name}/{one.key_name}"),),
        )  # fmt: skip


def _stack(*names: str) -> tuple[str, ...]:
    return tuple(f"cloudformation:{one}" for one in names)


def _items(*names: str) -> tuple[str, ...]:
    return tuple(f"dynamodb:{one}" for one in names)


def _table(place: Place, name: str) -> tuple[str, ...]:
    return (place.arn("dynamodb", f"table/parallelcluster-{name}"),)
