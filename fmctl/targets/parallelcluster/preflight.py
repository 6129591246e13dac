"""Look before launching: everything that a launch relies on, checked by describing only. Spends nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from fmctl.base.errors import FmctlError, PermissionDenied
from fmctl.domain import quotas
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.ports import Finding, Subnet, Survey
from fmctl.domain.purchase import SPOT
from fmctl.targets import checks
from fmctl.targets.checks import FAIL, OK, UNKNOWN, WARNING
from fmctl.targets.parallelcluster import checks as ours
from fmctl.targets.parallelcluster.marks import image_name
from fmctl.targets.parallelcluster.port import Pcluster
from fmctl.targets.target import Check, Today

_T = TypeVar("_T")
# Findings of the validators that one line shows.
_MOST_FINDINGS = 3
_NO_RIGHT = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)")
RIGHTS = "fmctl policy operator PLAN prints every right that is needed"


def looks(
    spec: ClusterSpec,
    instance: Instance,
    survey: Survey,
    today: Today,
    config: str = "",
    pcluster: Pcluster | None = None,
) -> Iterator[Check]:
    """The checks one by one, each as soon as it is done.

    Args:
        spec: the cluster as it would be launched.
        instance: its hardware.
        survey: AWS, describing only.
        today: what is known here.
        config: the rendered YAML, for ParallelCluster's own validators.
        pcluster: those validators; left out where None.
    """
    site = spec.site
    yield _judged("account", survey.identity, lambda who: checks.identity_check(site, who))
    yield ours.region_check(site)
    yield _judged("permissions", lambda: survey.allowed(ours.ACTIONS), ours.permission_check)
    yield ours.version_check(spec, instance)
    yield checks.spot_check(spec)
    yield from _places(spec, instance, survey, today.now)
    yield _judged("quota", lambda: _quota(spec, survey), lambda pair: checks.quota_check(spec, instance, *pair))
    yield _judged(
        "image",
        lambda: None if site.parallelcluster.ami else survey.official_image(image_name(site, _arch(instance))),
        lambda image: ours.image_check(site, _arch(instance), image),
    )
    yield _judged(
        "access",
        lambda: survey.key_type(site.parallelcluster.key_name) if site.parallelcluster.key_name else None,
        lambda key: ours.access_check(site, key),
    )
    yield checks.price_check(spec, today.usd_per_h)
    yield checks.budget_check(spec, today.budget_usd)
    if pcluster is not None:
        yield _judged("validators", lambda: pcluster.validate(spec.name, config, site.region), _validators)


def _judged(name: str, look: Callable[[], _T], judge: Callable[[_T], Check]) -> Check:
    """A check whose look may break off: it is unknown then, and fails where a right is missing, which it names."""
    try:
        return judge(look())
    except FmctlError as error:
        return _broken_off(name, error)


def _broken_off(name: str, error: FmctlError) -> Check:
    if isinstance(error, PermissionDenied) and "not authorized to perform" in (error.why or ""):
        return Check(name, FAIL, f"{error.what}: {error.why}", error.next or "", denied=True)
    return Check(name, UNKNOWN, str(error), error.next or "")


def _places(spec: ClusterSpec, instance: Instance, survey: Survey, now: datetime) -> Iterator[Check]:
    """Checks that need the subnets; one failed look-up makes them one line."""
    site = spec.site
    own = site.parallelcluster
    try:
        compute, head = (
            survey.subnet(own.compute_subnet),
            survey.subnet(own.head_subnet),
        )
    except FmctlError as error:
        yield _broken_off("subnets", error)
        return
    missing = [name for name, one in ((own.compute_subnet, compute), (own.head_subnet, head)) if one is None]
    if compute is None or head is None:
        yield Check("subnets", FAIL, f"not found: {', '.join(missing)}", "subnets in the site")
        return
    yield checks.route_check("network", compute, False)
    yield checks.route_check("head network", head, own.public_head)
    yield checks.head_zone_check(head, compute)
    yield ours.address_check(spec, instance, compute)
    yield from _capacity(spec, instance, compute, survey, now)
    wanted = site.file_system
    yield _judged(
        "storage",
        lambda: survey.file_system(wanted.id) if wanted is not None and wanted.id else None,
        lambda lustre: checks.storage_check(spec, compute, lustre, "ParallelCluster"),
    )


def _capacity(spec: ClusterSpec, instance: Instance, compute: Subnet, survey: Survey, now: datetime) -> Iterator[Check]:
    yield _judged(
        "offering",
        lambda: survey.offered_zones(checks.member_type(instance)),
        lambda zones: checks.zone_check(instance, compute, zones),
    )
    wanted = spec.capacity.reservation_id
    yield _judged(
        "reservation",
        lambda: survey.reservation(wanted) if wanted else None,
        lambda reservation: checks.reservation_check(spec, instance, compute, reservation, now),
    )


def _quota(spec: ClusterSpec, survey: Survey) -> tuple[float | None, int]:
    """(quota in vCPUs or None, vCPUs that run already) for the way of buying."""
    code = checks.quota_code(spec)
    if code is None:
        return None, 0
    family = quotas.quota_family(spec.instance, spec.capacity.purchase) or "p"
    return survey.quota(code), survey.running_vcpus((family,), spec.capacity.option is SPOT)


def _arch(instance: Instance) -> str:
    return "arm64" if instance.arch in ("arm64", "aarch64") else "x86_64"


def _validators(findings: tuple[Finding, ...]) -> Check:
    """ParallelCluster's own findings, as one line."""
    errors = [f for f in findings if f.level == "ERROR"]
    warned = [f for f in findings if f.level == "WARNING"]
    for state, some in ((FAIL, errors), (WARNING, warned)):
        if some:
            said = "; ".join(f"{f.kind}: {_sentence(f.message)}" for f in some[:_MOST_FINDINGS])
            more = f" (and {len(some) - _MOST_FINDINGS} more)" if len(some) > _MOST_FINDINGS else ""
            denied = next((found[1] for f in errors if (found := _NO_RIGHT.search(f.message))), None)
            if denied is not None:
                lack = f"ParallelCluster may not look: not authorized to perform: {denied}; {said}{more}"
                return Check("validators", FAIL, lack, RIGHTS, denied=True)
            return Check("validators", state, said + more, "fmctl render shows the configuration")
    return Check("validators", OK, "ParallelCluster accepts the configuration")


def _sentence(text: str) -> str:
    """The first sentence of a validator's message."""
    return text.split(". ", maxsplit=1)[0].rstrip(".")
