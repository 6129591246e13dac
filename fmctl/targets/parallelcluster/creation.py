"""What CloudFormation calls for an operator to make ParallelCluster's stack: no rehearsal sees it, AWS asks for it.

CloudFormation makes a stack with the rights of whoever asked, so an operator needs those of every resource. They hold
where CloudFormation makes the call, and with that for stacks which the operator may create: those of this cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.policy import Place, Statement, through
from fmctl.targets.parallelcluster import rights

_VIA = through("cloudformation")
# By the type of a resource: what CloudFormation calls to make it and to see that it is there, beside the rights of the
# end. Read off the handlers that AWS publishes for each type.
CREATES: Mapping[str, tuple[str, ...]] = {
    "AWS::AutoScaling::AutoScalingGroup": (
        "autoscaling:CreateAutoScalingGroup", "autoscaling:CreateOrUpdateTags", "autoscaling:PutLifecycleHook",
    ),
    "AWS::CloudFormation::CustomResource": (),
    "AWS::CloudFormation::Stack": ("cloudformation:CreateStack",),
    "AWS::CloudFormation::WaitCondition": (),
    "AWS::CloudFormation::WaitConditionHandle": (),
    "AWS::CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"),
    "AWS::CloudWatch::CompositeAlarm": ("cloudwatch:PutCompositeAlarm", "cloudwatch:TagResource"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch:PutDashboard",),
    "AWS::DynamoDB::Table": (
        "dynamodb:CreateTable", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTimeToLive",
        "dynamodb:TagResource",
    ),
    "AWS::EC2::EIP": ("ec2:AllocateAddress", "ec2:CreateTags"),
    "AWS::EC2::EIPAssociation": ("ec2:AssociateAddress",),
    "AWS::EC2::Instance": ("ec2:CreateTags", "ec2:DescribeVolumes"),
    "AWS::EC2::LaunchTemplate": ("ec2:CreateLaunchTemplate", "ec2:CreateTags", "ec2:DescribeLaunchTemplateVersions"),
    "AWS::EC2::NetworkInterface": (
        "ec2:CreateNetworkInterface", "ec2:CreateTags", "ec2:ModifyNetworkInterfaceAttribute",
    ),
    "AWS::EC2::PlacementGroup": ("ec2:CreatePlacementGroup", "ec2:CreateTags"),
    "AWS::EC2::SecurityGroup": ("ec2:CreateSecurityGroup", "ec2:CreateTags"),
    "AWS::EC2::SecurityGroupEgress": ("ec2:AuthorizeSecurityGroupEgress",),
    "AWS::EC2::SecurityGroupIngress": ("ec2:AuthorizeSecurityGroupIngress",),
    "AWS::ElasticLoadBalancingV2::Listener": ("elasticloadbalancing:CreateListener",),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "elasticloadbalancing:AddTags", "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": (
        "elasticloadbalancing:AddTags", "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
    ),
    "AWS::FSx::DataRepositoryAssociation": ("fsx:CreateDataRepositoryAssociation", "fsx:TagResource"),
    "AWS::FSx::FileSystem": ("fsx:CreateFileSystem", "fsx:TagResource"),
    "AWS::IAM::InstanceProfile": ("iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile"),
    "AWS::IAM::Policy": ("iam:PutRolePolicy",),
    "AWS::IAM::Role": ("iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePolicy", "iam:TagRole"),
    "AWS::Lambda::Function": ("lambda:CreateFunction", "lambda:TagResource"),
    "AWS::Logs::LogGroup": ("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"),
    "AWS::Logs::MetricFilter": ("logs:PutMetricFilter",),
    "AWS::Route53::HostedZone": (
        "ec2:DescribeVpcs", "route53:AssociateVPCWithHostedZone", "route53:ChangeTagsForResource",
        "route53:CreateHostedZone",
    ),
}  # fmt: skip
_LOGIN = ("AWS::AutoScaling::AutoScalingGroup", "AWS::ElasticLoadBalancingV2")
_ZONE = ("route53:AssociateVPCWithHostedZone", "route53:CreateHostedZone")
# Services that act in the account by a role of their own, which is made with the first thing of theirs.
_LINKED = {"autoscaling": "login", "elasticloadbalancing": "login", "fsx": "disk"}


@dataclass(frozen=True, slots=True)
class Wants:
    """What of a site and a plan decides on rights."""

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...] = ()
    reservations: tuple[str, ...] = ()
    blocks: bool = False  # the reservations are Capacity Blocks
    login: bool = False  # login nodes
    address: bool = False  # an address for the head node
    disk: bool = False  # a file system made with the cluster
    source: str | None = None  # bucket that it is linked to
    boundary: str | None = None


def wants(spec: ClusterSpec) -> Wants:
    """Of a cluster."""
    site, own = spec.site, spec.site.parallelcluster
    disk = site.file_system if site.file_system is not None and site.file_system.id is None else None
    source = None if disk is None or disk.data_repository is None else disk.data_repository
    return Wants(
        subnets=tuple(dict.fromkeys((own.compute_subnet, own.head_subnet))),
        security_groups=own.security_groups,
        reservations=tuple(one for one in (spec.capacity.reservation_id or "").split(",") if one),
        blocks=spec.capacity.option.in_blocks,
        login=own.login_nodes > 0,
        address=own.public_head,
        disk=disk is not None,
        source=None if source is None else source.removeprefix("s3://").partition("/")[0],
        boundary=site.permissions_boundary,
    )


def statements(cluster: str, place: Place, wanted: Wants) -> tuple[Statement, ...]:
    """What making the stack needs."""
    return (*_network(place, wanted), *_roles(cluster, place, wanted), *_rest(cluster, place, wanted))


def instance_resources(place: Place, wanted: Wants) -> tuple[str, ...]:
    """Everything that a started instance touches: these subnets and no other."""
    kinds = ("instance", "key-pair", "launch-template", "network-interface", "placement-group", "security-group")
    held = tuple(place.arn("ec2", f"capacity-reservation/{one}") for one in wanted.reservations)
    return (
        *(place.arn("ec2", f"subnet/{one}") for one in wanted.subnets),
        *(place.arn("ec2", f"{one}/*") for one in (*kinds, "volume")),
        f"arn:{place.partition}:ec2:{place.region}::image/*",
        *held,
    )


def needed(wanted: Wants, *services: str) -> tuple[str, ...]:
    """Actions of these services for the resources that this cluster has."""
    found = {
        action
        for kind, actions in CREATES.items()
        if _has(kind, wanted)
        for action in actions
        if action.partition(":")[0] in services
    }
    return tuple(sorted(found))


def _has(kind: str, wanted: Wants) -> bool:
    if kind.startswith(_LOGIN):
        return wanted.login
    if kind.startswith("AWS::EC2::EIP"):
        return wanted.address
    if kind == "AWS::FSx::DataRepositoryAssociation":
        return wanted.source is not None
    return wanted.disk if kind.startswith("AWS::FSx") else True


def _network(place: Place, wanted: Wants) -> Iterator[Statement]:
    """EC2: where it can be held to nothing of the cluster's, since it is not there yet, CloudFormation's hand holds."""
    every = needed(wanted, "ec2")
    looks = tuple(one for one in every if one.startswith("ec2:Describe"))
    yield Statement("SeeNetwork", "whether it is there; EC2 takes no resource here", looks, condition=_VIA,
                    steps=("launch",))  # fmt: skip
    yield Statement(
        "MakeNetwork",
        "security groups, interfaces, launch templates and addresses; none is there yet to be named",
        tuple(one for one in every if one not in looks),
        (place.arn("ec2", "*"),),
        _VIA,
        ("launch",),
    )


def _roles(cluster: str, place: Place, wanted: Wants) -> Iterator[Statement]:
    own = rights.path(cluster, place.region)
    roles = place.iam(f"role{own}*")
    bounded = {} if wanted.boundary is None else {"StringEquals": {"iam:PermissionsBoundary": wanted.boundary}}
    extra = () if wanted.boundary is None else ("iam:PutRolePermissionsBoundary",)
    yield Statement(
        "MakeRoles",
        "roles of nodes and functions, below the cluster's own path",
        (*(one for one in needed(wanted, "iam") if "InstanceProfile" not in one), *extra),
        (roles,),
        {**_VIA, **bounded},
        ("launch",),
    )
    yield Statement(
        "MakeProfiles",
        "of nodes, below the same path",
        tuple(one for one in needed(wanted, "iam") if "InstanceProfile" in one),
        (place.iam(f"instance-profile{own}*"),),
        _VIA,
        ("launch",),
    )
    ec2 = "ec2.amazonaws.com.cn" if place.partition == "aws-cn" else "ec2.amazonaws.com"
    yield Statement(
        "PassRoles",
        "to EC2 and Lambda alone, and no role but the cluster's own",
        ("iam:PassRole",),
        (roles,),
        {"StringEquals": {"iam:PassedToService": (ec2, "lambda.amazonaws.com")}},
        ("launch",),
    )
    linked = tuple(sorted(service for service, which in _LINKED.items() if getattr(wanted, which)))
    if linked:
        yield Statement(
            "LinkServices",
            "the account's first load balancer or file system makes the role that its service acts by",
            ("iam:CreateServiceLinkedRole",),
            tuple(place.iam(f"role/aws-service-role/{one}.amazonaws.com/*") for one in linked),
            {"StringLike": {"iam:AWSServiceName": tuple(f"{one}.amazonaws.com" for one in linked)}},
            ("launch",),
        )
    if wanted.source is not None:
        yield Statement(
            "LinkBucket",
            "FSx reads the bucket that a file system is linked to by a role of its own",
            ("iam:AttachRolePolicy", "iam:CreateServiceLinkedRole", "iam:PutRolePolicy"),
            (place.iam("role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/*"),),
            steps=("launch",),
        )
        yield Statement(
            "LinkedBucket",
            "FSx looks whether the operator may read it",
            ("s3:GetBucketAcl", "s3:GetBucketNotification", "s3:ListBucket", "s3:PutBucketNotification"),
            (place.public("s3", wanted.source),),
            steps=("launch",),
        )


def _rest(cluster: str, place: Place, wanted: Wants) -> Iterator[Statement]:
    table = tuple(place.arn("dynamodb", f"table/parallelcluster-{one}") for one in (cluster, f"slurm-{cluster}"))
    logs = (
        *(place.arn("logs", f"log-group:/aws/lambda/{one}:*") for one in rights.functions(None)),
        place.arn("logs", f"log-group:/aws/parallelcluster/{cluster}-{rights.MINUTE}:*"),
    )
    nested = tuple(place.arn("cloudformation", f"stack/{cluster}-{one}*/*") for one in rights.NESTED)
    alarms = tuple(place.arn("cloudwatch", f"alarm:{cluster}-HeadNode{one}") for one in rights.ALARMS)
    dashboard = f"arn:{place.partition}:cloudwatch::{place.account}:dashboard/{cluster}-{place.region}"
    login = needed(wanted, "autoscaling", "elasticloadbalancing")
    every: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
        ("MakeNestedStacks", "the two stacks inside it", needed(wanted, "cloudformation"), nested),
        ("MakeTables", "where Slurm's nodes are kept", needed(wanted, "dynamodb"), table),
        ("MakeLogs", "groups of the cluster and its functions", needed(wanted, "logs"), logs),
        ("MakeWatching", "alarms and dashboard, by name", needed(wanted, "cloudwatch"), (*alarms, dashboard)),
        (
            "MakeFunctions",
            "that end its nodes and empty its zone",
            needed(wanted, "lambda"),
            tuple(place.arn("lambda", f"function:{one}") for one in rights.functions(None)),
        ),
        ("MakeZone", "the private zone of its nodes' names, which has no name before", _ZONE, ("*",)),
        ("TagZone", "the same zone", ("route53:ChangeTagsForResource",), (place.public("route53", "hostedzone/*"),)),
        ("MakeLoginNodes", "their group and load balancer", login, _login(place, cluster)),
        ("MakeFileSystem", "made with the cluster", needed(wanted, "fsx"), _disks(place)),
    )  # fmt: skip
    for sid, why, actions, resources in every:
        if actions:
            yield Statement(sid, why, actions, resources, _VIA, ("launch",))


def _login(place: Place, cluster: str) -> tuple[str, ...]:
    group = f"autoScalingGroup:*:autoScalingGroupName/{cluster}-{rights.LOGIN_POOL}-AutoScalingGroup"
    balancing = ("listener/net/*", "loadbalancer/net/*", "targetgroup/*")
    return (place.arn("autoscaling", group), *(place.arn("elasticloadbalancing", one) for one in balancing))


def _disks(place: Place) -> tuple[str, ...]:
    return (place.arn("fsx", "association/*"), place.arn("fsx", "file-system/*"))
