"""What somebody needs to run fmctl for one cluster: a table of statements, each with its reason and who calls it.

Three parts. What fmctl, and ParallelCluster on this machine, call themselves; a rehearsal calls all of it but what
UNREHEARSED names. What CloudFormation calls for the operator to make the stack (`creation`). And what it calls to take
the stack down again: the rights of the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fmctl.adapters.parallelcluster.leftovers import bucket
from fmctl.domain.end import end_name, role_name, warning_name
from fmctl.domain.policy import Place, Statement
from fmctl.targets.parallelcluster import creation, rights
from fmctl.targets.parallelcluster.creation import Wants

_EVERY = ("every command",)
# What no rehearsal calls, and why it is needed all the same.
UNREHEARSED: Mapping[str, str] = {
    "ec2:DescribeSecurityGroups": "only where a site names a file system that is there: who may reach it",
    "ec2:DescribeSpotPriceHistory": "prices are not taken from a lab",
    "ec2:DescribeVpcEndpoints": "only where a subnet has no way out but endpoints",
    "iam:PassRole": "AWS asks for it beside the call that names a role; moto does not",
    "iam:PutRolePermissionsBoundary": "only where a site names a boundary, on a role that is there already",
    "iam:TagRole": "AWS asks for it beside CreateRole with tags; moto does not",
    "pricing:GetProducts": "prices are not taken from a lab",
    "servicequotas:GetAWSDefaultServiceQuota": "where no quota was ever applied; the lab has applied ones",
    "ssm:DeleteParameters": "no machine of the lab runs what is sent",
    "ssm:PutParameter": "no machine of the lab runs what is sent",
}


@dataclass(frozen=True, slots=True)
class Named:
    """What a cluster's things are called, where it is."""

    cluster: str
    place: Place
    wants: Wants

    @property
    def bucket(self) -> str:
        """ParallelCluster's bucket, one per account and region."""
        return bucket(self.place.account, self.place.region)


def operator(named: Named) -> tuple[Statement, ...]:
    """Everything an operator needs for the cluster, from the first look to the last."""
    ends = (one for one in rights.statements(named.cluster, named.place) if not one.sid.startswith("Warn"))
    return (*direct(named), *creation.statements(named.cluster, named.place, named.wants), *ends)


def direct(named: Named) -> tuple[Statement, ...]:
    """What fmctl and ParallelCluster call themselves."""
    return (*_looks(named), *_stack(named), *_bucket(named), *_end(named), *_head(named))


def _looks(named: Named) -> tuple[Statement, ...]:
    place = named.place
    return (
        Statement("Caller", "who we are", ("sts:GetCallerIdentity",), steps=_EVERY),
        Statement(
            "LookAtNetwork",
            "network, image, type, key and nodes; EC2 takes no resource here",
            (
                "ec2:DescribeImages", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes",
                "ec2:DescribeInstances", "ec2:DescribeKeyPairs", "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
                "ec2:DescribeVolumes",  "ec2:DescribeVpcEndpoints",
                "fsx:DescribeFileSystems",
            ),
            steps=("preflight", "launch", "status", "teardown"),
        ),
        Statement(
            "LookAtCapacity",
            "reservations, Capacity Blocks, Spot and quotas; none takes a resource",
            (
                "ec2:DescribeCapacityBlockOfferings", "ec2:DescribeCapacityReservations",
                "ec2:GetSpotPlacementScores", "servicequotas:GetAWSDefaultServiceQuota",
                "servicequotas:GetServiceQuota",
            ),
            steps=("capacity", "preflight", "launch", "teardown"),
        ),
        *_blocks(named),
        Statement(
            "LookAtPrices",
            "today's prices",
            ("ec2:DescribeSpotPriceHistory", "pricing:GetProducts"),
            steps=("prices refresh",),
        ),
        Statement(
            "LookAtOwnRights",
            "whether IAM would allow a launch, before there is one",
            ("iam:SimulatePrincipalPolicy",),
            (place.iam("role/*"), place.iam("user/*")),
            steps=("preflight", "launch"),
        ),
        Statement(
            "LookAtManagedPolicies",
            "ParallelCluster looks whether the policy of Session Manager is there",
            ("iam:GetPolicy",),
            (managed(place),),
            steps=("preflight", "launch"),
        ),
        Statement(
            "LookForRoles", "what a deletion that broke off has left; IAM takes no resource here", ("iam:ListRoles",),
            steps=("teardown",),
        ),
    )  # fmt: skip


def _blocks(named: Named) -> tuple[Statement, ...]:
    if not named.wants.blocks:
        return ()
    why = "ParallelCluster asks how large the UltraServers of a Capacity Block are; takes no resource"
    steps = ("preflight", "launch")
    return (Statement("LookAtBlocks", why, ("ec2:DescribeCapacityBlockStatus",), steps=steps),)


def managed(place: Place) -> str:
    """The policy of Session Manager, which AWS keeps."""
    return f"arn:{place.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"


def _stack(named: Named) -> tuple[Statement, ...]:
    place, cluster = named.place, named.cluster
    table = place.arn("dynamodb", f"table/parallelcluster-{cluster}")
    return (
        Statement(
            "ListStacks",
            "fmctl status without a name looks through all stacks, which takes no resource",
            ("cloudformation:DescribeStacks",),
            steps=_EVERY,
        ),
        Statement(
            "Stack",
            "the cluster itself",
            ("cloudformation:CreateStack", "cloudformation:DeleteStack", "cloudformation:DescribeStackEvents"),
            (place.arn("cloudformation", f"stack/{cluster}/*"),),
            steps=("launch", "watch", "teardown"),
        ),
        Statement(
            "NestedStacks",
            "what happens in the two stacks inside it",
            ("cloudformation:DescribeStackEvents",),
            tuple(place.arn("cloudformation", f"stack/{cluster}-{one}*/*") for one in rights.NESTED),
            steps=("watch",),
        ),
        Statement(
            "TryInstances",
            "ParallelCluster tries the start of each type (DryRun); CloudFormation starts the head node",
            ("ec2:RunInstances",),
            creation.instance_resources(place, named.wants),
            steps=("preflight", "launch"),
        ),
        Statement(
            "Fleet",
            "the fleet is stopped before the stack goes",
            ("dynamodb:GetItem", "dynamodb:UpdateItem"),
            (table,),
            steps=("teardown",),
        ),
        Statement(
            "FindLogs",
            "which log group is the cluster's; a search takes no resource",
            ("logs:DescribeLogGroups",),
            steps=("status", "logs", "teardown"),
        ),
        Statement(
            "ReadLogs",
            "of the cluster's own group",
            ("logs:DescribeLogStreams", "logs:FilterLogEvents"),
            (place.arn("logs", f"log-group:/aws/parallelcluster/{cluster}-{rights.MINUTE}:*"),),
            steps=("status", "logs", "watch"),
        ),
    )


def _bucket(named: Named) -> tuple[Statement, ...]:
    whole = named.place.public("s3", named.bucket)
    own = f"{whole}/parallelcluster/*/clusters/{named.cluster}-*"
    return (
        Statement(
            "Bucket",
            "ParallelCluster keeps templates in a bucket of its own, one per account and region",
            (
                "s3:CreateBucket", "s3:ListBucket", "s3:PutBucketPolicy", "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
            ),
            (whole,),
            steps=("launch", "teardown"),
        ),
        Statement(
            "BucketFolder",
            "the cluster's folder in it, and the mark of a bucket that is set up",
            ("s3:GetObject", "s3:PutObject"),
            (own, f"{whole}/parallelcluster/.bootstrapped"),
            steps=("launch",),
        ),
    )  # fmt: skip


def _end(named: Named) -> tuple[Statement, ...]:
    place, end, warning = named.place, end_name(named.cluster), warning_name(named.cluster)
    role, older = (place.iam(f"role/{name}") for name in (role_name(named.cluster, place.region), end))
    return (
        Statement(
            "EndRole",
            "the role that deletes the cluster at its end, by its exact name, and by that which an older fmctl gave it",
            (
                "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:GetRolePolicy",
                "iam:ListRolePolicies",
                "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:TagRole", "iam:UpdateAssumeRolePolicy",
            ),
            (role, older),
            steps=("launch", "status", "watch", "extend", "teardown"),
        ),
        Statement(
            "PassEndRole",
            "EventBridge Scheduler alone is given it",
            ("iam:PassRole",),
            (role,),
            {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
            steps=("launch", "extend"),
        ),
        Statement(
            "EndSchedules",
            "the end and the warning before it, by their exact names",
            (
                "scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule",
                "scheduler:UpdateSchedule",
            ),
            tuple(place.arn("scheduler", f"schedule/default/{one}") for one in (end, warning)),
            steps=("launch", "status", "extend", "teardown"),
        ),
    )  # fmt: skip


def _head(named: Named) -> tuple[Statement, ...]:
    place, steps = named.place, ("submit", "jobs", "cancel", "logs --job", "progress")
    return (
        Statement(
            "CommandBy",
            "commands on the head node, and no other document of Systems Manager",
            ("ssm:SendCommand",),
            (f"arn:{place.partition}:ssm:{place.region}::document/AWS-RunShellScript",),
            steps=steps,
        ),
        Statement(
            "CommandOn",
            "on the cluster's own instances",
            ("ssm:SendCommand",),
            (place.arn("ec2", "instance/*"),),
            {"StringEquals": {f"ssm:resourceTag/{rights.CLUSTER_TAG}": named.cluster}},
            steps=steps,
        ),
        Statement("CommandOutput", "what it said; takes no resource", ("ssm:GetCommandInvocation",), steps=steps),
        Statement(
            "CommandInput",
            "files of a job go by encrypted parameters, which are taken away again",
            ("ssm:DeleteParameters", "ssm:PutParameter"),
            (place.arn("ssm", f"parameter/fmctl/{named.cluster}/*"),),
            steps=("submit",),
        ),
    )
