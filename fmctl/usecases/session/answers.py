"""What the session's planning process answers: the requests of `plan` and `estimate`, asked by a form."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import fields
from functools import cache

from fmctl.base.built import built
from fmctl.base.config import resolve
from fmctl.base.errors import FmctlError, UsageError
from fmctl.domain.result import Plan, PlanRequest
from fmctl.report.results import estimate_document, plan_document
from fmctl.usecases.calibration import provenance
from fmctl.usecases.options import Asked, Search
from fmctl.usecases.planning import no_layout
from fmctl.usecases.requests import estimate_request, plan_request
from fmctl.usecases.services import Services
from fmctl.usecases.session.items import Cancelled, Found, Partly, Question, Trouble

# Partial answers come at once, and then no oftener than the screen can show them and a person read them, s.
_PARTIAL_EVERY_S = 0.2
_KEPT_ANSWERS = 64

_kept: OrderedDict[object, Found] = OrderedDict()


@cache
def _services() -> Services:
    return Services()


def answer(question: Question, say: Partly, cancelled: Cancelled) -> Found:
    """The document that the command would print, and what it would say went wrong.

    Answers are kept while the day lasts: going back to what the form said before costs nothing.
    """
    services = _services()
    key = (question.kind, question.model, tuple(sorted(question.options.items())), services.now().date())
    found = _kept.get(key)
    if found is None:
        try:
            found = _KINDS[question.kind](question, say, cancelled, services)
        except FmctlError as error:
            return None, Trouble.of(error)
        _kept[key] = found
        while len(_kept) > _KEPT_ANSWERS:
            _kept.popitem(last=False)
    return found


def _warmed(question: Question, say: Partly, cancelled: Cancelled, services: Services) -> Found:
    """What every first question needs is imported and read before there is one."""
    from fmctl.plan import rank  # noqa: F401

    services.catalogue.prices()
    return None, None


def _planned(question: Question, say: Partly, cancelled: Cancelled, services: Services) -> Found:
    from fmctl.plan.rank import search

    asked, aim = options_of(question.options)
    settings = resolve()
    request = plan_request(question.model, asked, aim, settings, services)
    basis = provenance(request, services)
    done, said_at = [0, 0], 0.0

    def progress(finished: int, total: int) -> None:
        done[:] = finished, total

    def partial(plan: Plan) -> None:
        nonlocal said_at
        now = time.monotonic()
        if now - said_at >= _PARTIAL_EVERY_S:
            said_at = now
            say(plan_document(plan, request, basis) if plan.rows else None, done[0], done[1])

    found = search(request, progress, None, cancelled, partial)
    document = plan_document(found, request, basis)
    return document, None if found.rows else _why_not(found, request, question.model)


def _estimated(question: Question, say: Partly, cancelled: Cancelled, services: Services) -> Found:
    asked, _ = options_of(question.options)
    request = estimate_request(question.model, asked, resolve(), services)
    plan = services.planner.best(request)
    document = None
    if plan.rows or plan.nearest:
        document = estimate_document(plan, request, provenance(request, services))
    return document, None if plan.rows else _why_not(plan, request, question.model)


def _why_not(plan: Plan, request: PlanRequest, model: str) -> Trouble:
    return Trouble.of(no_layout(plan, request, model))


def options_of(given: Mapping[str, str]) -> tuple[Asked, Search]:
    """Options by name as the commands take them. Raises UsageError for a name that is none."""
    known = {field.name for group in (Asked, Search) for field in fields(group)}
    for name in given:
        if name not in known:
            raise UsageError(f"--{name.replace('_', '-')} is no option of plan", next="fmctl plan --help")
    texts: dict[str, object] = dict(given)
    for name in ("sequence_parallel", "exhaustive"):
        if name in texts:
            texts[name] = texts[name] == "true"
    asked, aim = ({f.name: texts[f.name] for f in fields(group) if f.name in texts} for group in (Asked, Search))
    return built(Asked, asked), built(Search, aim)


_KINDS = {"plan": _planned, "estimate": _estimated, "warm": _warmed}
