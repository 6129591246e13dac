"""How ParallelCluster is rendered and reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.domain.cluster import PCLUSTER_VERSION, ClusterSpec, Site
from fmctl.domain.hardware import Instance
from fmctl.domain.program import Tell
from fmctl.targets.parallelcluster.reasons import REASONS
from fmctl.targets.registry import Kind
from fmctl.targets.rendering import Rendering

if TYPE_CHECKING:
    from fmctl.adapters.aws.session import Session
    from fmctl.domain.policy import Granted
    from fmctl.targets.parallelcluster.port import Pcluster
    from fmctl.targets.target import Target


def _render(spec: ClusterSpec, instance: Instance, tell: Tell) -> Rendering:
    from fmctl.targets.parallelcluster.rendering import render

    return render(spec, instance, tell)


def _connect(session: Session, settings: Settings, site: Site | None, sleep: Callable[[float], None]) -> Target:
    from fmctl.adapters.aws.cloud import AwsCloud
    from fmctl.targets.parallelcluster.marks import MARKS
    from fmctl.targets.parallelcluster.target import ParallelCluster

    version = site.parallelcluster.pcluster_version if site is not None else PCLUSTER_VERSION

    def find() -> Pcluster:
        from fmctl.adapters.parallelcluster.environments import find

        return find(version, settings.text("pcluster_python"))

    return ParallelCluster(find, AwsCloud(session, MARKS, sleep), settings.text("job_user"))


def _check(site: Site) -> None:
    from fmctl.targets.parallelcluster.site import check

    check(site)


def _home(site: Site) -> str:
    from fmctl.adapters.parallelcluster.images import USERS

    return f"/home/{USERS[site.parallelcluster.os]}"


def _granted(who: str, spec: ClusterSpec) -> Granted:
    from fmctl.targets.parallelcluster.policies import granted

    return granted(who, spec)


KIND = Kind(
    "ParallelCluster", _render, _connect, _check, "pcluster", home=_home, granted=_granted, reasons=REASONS
)  # fmt: skip
