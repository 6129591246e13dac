"""`policy`: what somebody may do with a plan's cluster, as IAM documents. Nobody is asked anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import CannotRun
from fmctl.usecases.options import Wanted
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.rendering import asked_for, site_for
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.cluster import ClusterSpec
    from fmctl.domain.policy import Condition, Granted, Statement
    from fmctl.report.view import Answer


def policy(who: str, plan_name: str, wanted: Wanted, settings: Settings, services: Services) -> Answer:
    """The rights of operator, end, head or compute. Raises CannotRun, UnknownName, UsageError."""
    from fmctl.report.policies import policy_answer
    from fmctl.targets.spec import spec

    document, notes = plan_document(plan_name, shared_store(settings, services))
    made = spec(document, site_for(wanted, settings), asked_for(wanted, settings), Path(plan_name).stem)
    found = granted(who, made)
    if who == "operator":
        found = replace(found, statements=(*found.statements, *_store(settings, made)))
    return policy_answer(who, made, found, notes)


def granted(who: str, spec: ClusterSpec) -> Granted:
    """The same as statements. Raises CannotRun where the target gives no rights."""
    from fmctl.targets.registry import kind

    found = kind(spec.site.target)
    if found.granted is None:
        why = f"fmctl makes nothing where the site says {found.title}"
        raise CannotRun("there is no policy to give", why=why, next="fmctl policy with a site on AWS")
    return found.granted(who, spec)


def _store(settings: Settings, spec: ClusterSpec) -> Iterator[Statement]:
    """Records and journals, where they are kept in a bucket."""
    from fmctl.domain.policy import NO_CONDITION, Place, Statement, partition_of

    where = settings.text("store") or ""
    if not where.startswith("s3://"):
        return
    bucket, _, prefix = where.removeprefix("s3://").strip("/").partition("/")
    whole = Place("", "", partition_of(spec.site.region)).public("s3", bucket)
    objects = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
    within = f"{whole}/{prefix}/*" if prefix else f"{whole}/*"
    only: Condition = {"StringLike": {"s3:prefix": f"{prefix}/*"}} if prefix else NO_CONDITION
    every = ("every command",)
    yield Statement("Records", "records and journals of clusters and runs", objects, (within,), steps=every)
    yield Statement("ListRecords", "which there are", ("s3:ListBucket",), (whole,), only, every)
