"""Who may do what with a cluster: the operator, the role of its end, its head node, its compute nodes."""

from __future__ import annotations

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.policy import INLINE, Granted, Place, partition_of
from fmctl.targets.parallelcluster import creation, nodes, policy, rights

_MANAGED = "AWS keeps the policies named beside; Session Manager's lets the node read every parameter of the account"
_VIA = "statements with aws:CalledVia hold where CloudFormation makes the call: for stacks that the operator may make"
_OURS = "ParallelCluster makes this policy itself; it is shown, and need not be made"
_END = "fmctl makes this role itself, and writes the id of the stack into it once there is one"


def granted(who: str, spec: ClusterSpec) -> Granted:
    """The rights of one of `domain.policy.WHO`. Raises UsageError where the site names no account."""
    place = place_of(spec)
    if who == "operator":
        named = policy.Named(spec.name, place, creation.wants(spec))
        return Granted(policy.operator(named), notes=(_VIA,))
    if who == "end":
        return Granted(rights.statements(spec.name, place), most=INLINE, notes=(_END,))
    of_head = who == "head"
    every = nodes.head_statements(spec, place) if of_head else nodes.compute_statements(spec, place)
    notes = (_OURS, _MANAGED) if of_head else (_OURS,)
    return Granted(every, nodes.managed_policies(place, of_head=of_head), INLINE, notes)


def place_of(spec: ClusterSpec) -> Place:
    """Where the cluster goes. Raises UsageError."""
    if spec.site.account is None:
        raise UsageError(
            "the site names no account",
            why="every resource of a policy names its own",
            next='account: "111122223333" in the site file (aws sts get-caller-identity)',
        )
    return Place(spec.site.account, spec.site.region, partition_of(spec.site.region))
