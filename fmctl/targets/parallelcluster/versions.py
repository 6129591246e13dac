"""Releases of ParallelCluster that are known not to work, as `domain.software` has those of what nodes run."""

from __future__ import annotations

from fmctl.domain.purchase import BLOCK
from fmctl.domain.software import Bad, Condition

KNOWN_BAD: tuple[Bad, ...] = (
    Bad(
        (Condition("pcluster", before="3.15.0"), Condition("instance", ("p6-b300.48xlarge",))),
        "it puts EFA on network card 0, which has none, and nodes do not launch",
        "pcluster_version 3.15.0 or later",
        "aws/aws-parallelcluster issue 7143; release notes of 3.15.0",
    ),
    Bad(
        (
            Condition("pcluster", before="3.14.0"),
            Condition("instance", ("p6-b200.48xlarge", "u-p6e-gb200x36", "u-p6e-gb200x72")),
        ),
        "it does not know the type",
        "pcluster_version 3.14.0 or later",
        "release notes of ParallelCluster 3.14.0",
    ),
    Bad(
        (Condition("pcluster", before="3.8.0"), Condition("purchase", (BLOCK.name,))),
        "it knows no Capacity Blocks",
        "pcluster_version 3.8.0 or later",
        "release notes of ParallelCluster 3.8.0",
    ),
    Bad(
        (
            Condition("pcluster", first="3.11.0", before="3.12.0"),
            Condition("instance", ("p4d.24xlarge", "p4de.24xlarge")),
            Condition("os", ("alinux2023",)),
        ),
        "jobs hang and the fleet ends in protected mode",
        "pcluster_version 3.12.0 or later, or os: ubuntu2204",
        "aws/aws-parallelcluster issues 6571 and 6549",
    ),
)
