"""By what ParallelCluster's things are known in an account."""

from __future__ import annotations

from fmctl.adapters.aws.marks import Marks
from fmctl.adapters.parallelcluster.images import OPERATING_SYSTEMS
from fmctl.adapters.parallelcluster.leftovers import buckets, roles
from fmctl.domain.cluster import Site
from fmctl.targets.parallelcluster import end, rights

MARKS = Marks(
    cluster_tag=rights.CLUSTER_TAG,
    role_tag=end.ROLE_TAG,
    roles={"HeadNode": "head", "LoginNode": "login", "Compute": "compute"},
    log_group=lambda cluster: f"/aws/parallelcluster/{cluster}-",
    rights=rights.rights,
    delete=end.delete,
    warn=end.warn,
    leftovers={"S3 folders": buckets, "IAM roles": roles},
)


def image_name(site: Site, arch: str) -> str:
    """Names of the official images for a site and an architecture."""
    own = site.parallelcluster
    return f"aws-parallelcluster-{own.pcluster_version}-{OPERATING_SYSTEMS.get(own.os, own.os)}-{arch}-*"
