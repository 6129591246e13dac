"""`policy`: what somebody may do with a plan's cluster, as IAM documents. Nobody is asked anything."""

from __future__ import annotations

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
    from fmctl.domain.policy import Granted
    from fmctl.report.view import Answer


def policy(who: str, plan_name: str, wanted: Wanted, settings: Settings, services: Services) -> Answer:
    """The rights of operator, end, head or compute. Raises CannotRun, UnknownName, UsageError."""
    from fmctl.report.policies import policy_answer
    from fmctl.targets.spec import spec

    document, notes = plan_document(plan_name, shared_store(settings, services))
    made = spec(document, site_for(wanted, settings), asked_for(wanted, settings), Path(plan_name).stem)
    return policy_answer(who, made, granted(who, made), notes)


def granted(who: str, spec: ClusterSpec) -> Granted:
    """The same as statements. Raises CannotRun where the target gives no rights."""
    from fmctl.targets.registry import kind

    found = kind(spec.site.target)
    if found.granted is None:
        why = f"fmctl makes nothing where the site says {found.title}"
        raise CannotRun("there is no policy to give", why=why, next="fmctl policy with a site on AWS")
    return found.granted(who, spec)
