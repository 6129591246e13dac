"""What the end of a cluster may do: delete this stack and what is in it, and nothing of any other.

CloudFormation deletes with the rights of whoever asked, so the role needs those of every resource of the stack. Each is
held to this cluster by the first of these that AWS takes:

1. the exact name, or a path or name that no other cluster can have: tables, alarms, the paths of IAM;
2. the tag that CloudFormation or ParallelCluster puts on it: instances and whatever else costs money;
3. that CloudFormation makes the call (`aws:CalledVia`), for what has no tag, and a name that nobody knows beforehand:
   the hosted zone, launch templates, placement groups, listeners. CloudFormation deletes for this role no other stack.

So whoever gets hold of the role can end this cluster and warn of it, and that is all.
"""

from __future__ import annotations

from fmctl.domain.policy import NO_CONDITION, Place, Statement, document, tagged, through

CLUSTER_TAG = "parallelcluster:cluster-name"
_CLOUDFORMATION = "cloudformation"
# ParallelCluster's log groups end in the minute they were made in, twelve digits: any other cluster's name is longer.
MINUTE = "?" * 12
NESTED = ("ComputeFleetQueuesNestedStack", "LoginNodesNestedStack")
FUNCTIONS = ("CleanupResources", "CleanupRoute53")
ALARMS = ("", "-Health", "-Cpu", "-Mem", "-Disk", "-ClustermgtdHeartbeat")
LOGIN_POOL = "login"


def path(cluster: str, region: str) -> str:
    """IAM path of everything that ParallelCluster makes for a cluster: as a region and a name, so no two share one."""
    return f"/parallelcluster/{region}/{cluster}/"


def functions(stack_id: str | None) -> tuple[str, ...]:
    """Names of the two functions that clean up, which end in the id of the stack; patterns where it is not known."""
    suffix = "*" if stack_id is None else stack_id.rpartition("/")[2]
    return tuple(f"pcluster-{name}-{suffix}" for name in FUNCTIONS)


def rights(cluster: str, place: Place, stack_id: str | None = None) -> dict[str, object]:
    """The policy document of the end's role.

    Args:
        cluster: its name.
        place: where it is.
        stack_id: ARN of its stack, once there is one: what could be said by tags alone is exact then.
    """
    return document(statements(cluster, place, stack_id))


def statements(cluster: str, place: Place, stack_id: str | None = None) -> tuple[Statement, ...]:
    """The same with the reasons."""
    mine, via = tagged(CLUSTER_TAG, cluster), through(_CLOUDFORMATION)
    return (
        *_stacks(cluster, place, stack_id),
        Statement(
            "Look",
            "CloudFormation looks whether what it deletes is gone; these take no resource",
            (
                "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities",
                "cloudwatch:DescribeAlarms", "ec2:DescribeAddresses", "ec2:DescribeInstances",
                "ec2:DescribeLaunchTemplates", "ec2:DescribeNetworkInterfaces", "ec2:DescribePlacementGroups",
                "ec2:DescribeSecurityGroupRules", "ec2:DescribeSecurityGroups", "ec2:DescribeVolumes",
                "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers",
                "elasticloadbalancing:DescribeTargetGroups", "fsx:DescribeDataRepositoryAssociations",
                "fsx:DescribeFileSystems", "logs:DescribeMetricFilters", "route53:GetChange",
                "route53:ListQueryLoggingConfigs",
            ),
            condition=via,
        ),
        Statement(
            "DeleteTagged",
            "what costs money, and the network around it",
            (
                "ec2:DeleteNetworkInterface", "ec2:DeleteSecurityGroup", "ec2:DetachNetworkInterface",
                "ec2:DisassociateAddress", "ec2:ReleaseAddress", "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress", "ec2:TerminateInstances",
            ),
            tuple(place.arn("ec2", f"{one}/*") for one in (
                "elastic-ip", "instance", "network-interface", "security-group",
            )),
            mine,
        ),
        Statement(
            "DeleteFileSystem",
            "a file system that the stack made and that is not retained",
            ("fsx:DeleteDataRepositoryAssociation", "fsx:DeleteFileSystem"),
            (place.arn("fsx", "association/*"), place.arn("fsx", "file-system/*")),
            mine,
        ),
        Statement(
            "DeleteBalancer",
            "the load balancer of login nodes",
            ("elasticloadbalancing:DeleteLoadBalancer", "elasticloadbalancing:DeleteTargetGroup"),
            (
                place.arn("elasticloadbalancing", "loadbalancer/net/*"),
                place.arn("elasticloadbalancing", "targetgroup/*"),
            ),
            mine,
        ),
        Statement(
            "DeleteLoginNodes",
            "the group of login nodes, by its exact name",
            ("autoscaling:DeleteAutoScalingGroup", "autoscaling:UpdateAutoScalingGroup"),
            (
                place.arn(
                    "autoscaling",
                    f"autoScalingGroup:*:autoScalingGroupName/{cluster}-{LOGIN_POOL}-AutoScalingGroup",
                ),
            ),
        ),
        *_iam(cluster, place),
        _functions(place, stack_id, cluster),
        Statement(
            "DeleteTable",
            "where Slurm's nodes are kept",
            ("dynamodb:DeleteTable", "dynamodb:DescribeTable"),
            tuple(place.arn("dynamodb", f"table/parallelcluster-{one}") for one in (cluster, f"slurm-{cluster}")),
        ),
        Statement(
            "DeleteWatching",
            "alarms, by their exact names",
            ("cloudwatch:DeleteAlarms",),
            tuple(place.arn("cloudwatch", f"alarm:{cluster}-HeadNode{one}") for one in ALARMS),
        ),
        Statement(
            "DeleteDashboard",
            "the dashboard, by its exact name",
            ("cloudwatch:DeleteDashboards",),
            (f"arn:{place.partition}:cloudwatch::{place.account}:dashboard/{cluster}-{place.region}",),
        ),
        Statement(
            "DeleteMetricFilters",
            "of the cluster's log group; the group itself is kept",
            ("logs:DeleteMetricFilter",),
            (place.arn("logs", f"log-group:/aws/parallelcluster/{cluster}-{MINUTE}:*"),),
        ),
        Statement(
            "DeleteUnnamed",
            "these have no tag, and names that nobody knows beforehand: CloudFormation alone may, for this stack",
            (
                "ec2:DeleteLaunchTemplate", "ec2:DeletePlacementGroup", "elasticloadbalancing:DeleteListener",
                "route53:DeleteHostedZone", "route53:GetHostedZone",
            ),
            (
                place.arn("ec2", "launch-template/*"), place.arn("ec2", "placement-group/*"),
                place.arn("elasticloadbalancing", "listener/net/*"), place.public("route53", "hostedzone/*"),
            ),
            via,
        ),
        *_warning(cluster, place),
    )  # fmt: skip


def _stacks(cluster: str, place: Place, stack_id: str | None) -> tuple[Statement, ...]:
    nested = tuple(place.arn(_CLOUDFORMATION, f"stack/{cluster}-{one}*/*") for one in NESTED)
    actions = ("cloudformation:DeleteStack", "cloudformation:DescribeStacks")
    return (
        Statement(
            "DeleteStack",
            "what the schedule calls",
            actions,
            (stack_id or place.arn(_CLOUDFORMATION, f"stack/{cluster}/*"),),
        ),
        Statement("DeleteNestedStacks", "the two stacks inside it", actions, nested, tagged(CLUSTER_TAG, cluster)),
    )


def _iam(cluster: str, place: Place) -> tuple[Statement, ...]:
    own = path(cluster, place.region)
    roles = (
        "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:GetRole", "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies",
    )  # fmt: skip
    profiles = ("iam:DeleteInstanceProfile", "iam:GetInstanceProfile", "iam:RemoveRoleFromInstanceProfile")
    return (
        Statement("DeleteRoles", "roles of nodes and functions, by their path", roles, (place.iam(f"role{own}*"),)),
        Statement("DeleteProfiles", "of nodes, by their path", profiles, (place.iam(f"instance-profile{own}*"),)),
        Statement(
            "DeleteEarlierRoles",
            "of clusters whose path has no region yet: those that fmctl launched before it set one",
            (*roles, *profiles),
            (
                place.iam(f"role/parallelcluster/{cluster}/*"),
                place.iam(f"role/parallelcluster/{cluster}-Cleanup*"),
                place.iam(f"instance-profile/parallelcluster/{cluster}/*"),
            ),
            through(_CLOUDFORMATION),
        ),
    )


def _functions(place: Place, stack_id: str | None, cluster: str) -> Statement:
    return Statement(
        "CleanUp",
        "the functions of the stack that end its nodes and empty its zone, called and then deleted",
        ("lambda:DeleteFunction", "lambda:GetFunction", "lambda:InvokeFunction"),
        tuple(place.arn("lambda", f"function:{name}") for name in functions(stack_id)),
        tagged(CLUSTER_TAG, cluster) if stack_id is None else NO_CONDITION,
    )


def _warning(cluster: str, place: Place) -> tuple[Statement, ...]:
    document_ = f"arn:{place.partition}:ssm:{place.region}::document/AWS-RunShellScript"
    return (
        Statement("WarnBy", "half an hour before, a command on the head node", ("ssm:SendCommand",), (document_,)),
        Statement(
            "WarnOn",
            "on no instance but the cluster's own",
            ("ssm:SendCommand",),
            (place.arn("ec2", "instance/*"),),
            {"StringEquals": {f"ssm:resourceTag/{CLUSTER_TAG}": cluster}},
        ),
    )
