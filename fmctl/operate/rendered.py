"""A rendering as the controller wants it: the YAML, its digest, and the tags by which the stack is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fmctl.targets.parallelcluster.rendering import CLUSTER, Rendering

MARK = "fmctl:"


@dataclass(frozen=True, slots=True)
class ForLaunch:
    """config: ParallelCluster's YAML. digest: of all files. tags: fmctl's own, as the YAML has them."""

    config: str
    digest: str
    tags: Mapping[str, str]


def for_launch(rendering: Rendering) -> ForLaunch:
    """The configuration of a rendering with fmctl's tags read back out of it."""
    import yaml

    config = rendering.files[CLUSTER]
    listed = yaml.safe_load(config).get("Tags") or ()
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in listed if str(tag["Key"]).startswith(MARK)}
    return ForLaunch(config, rendering.digest, tags)
