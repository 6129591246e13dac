"""`explain` and `diff`: look closer at an estimate, a saved plan, a run, or two of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UnknownName, UsageError, shorten
from fmctl.base.files import read_text
from fmctl.domain.digest import intact
from fmctl.domain.planrow import row_named
from fmctl.operate import store
from fmctl.operate.runs import Run, read_run, run_names
from fmctl.report.view import Answer
from fmctl.usecases.calibration import provenance
from fmctl.usecases.options import Asked
from fmctl.usecases.planning import Outcome, no_layout
from fmctl.usecases.requests import estimate_request
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.report.diffs import Side


def explain(subject: str, asked: Asked, row: str | None, settings: Settings, services: Services) -> Outcome:
    """Where time, memory and money go: of a model with options, or of a row of a saved plan or document.

    Raises:
        UnknownName: neither a model nor a plan.
        UsageError: options that would change a saved answer, or a row of a model.
    """
    from fmctl.report.explains import explain_answer

    document = saved(subject)
    if document is not None:
        _no_options(asked)
        return Outcome(explain_answer(document, row_named(document, row)))
    if row is not None:
        raise UsageError(
            "--row is for saved plans", why=f"{shorten(subject)} is not one", next="fmctl explain NAME --row N"
        )
    from fmctl.report.results import estimate_document

    try:
        request = estimate_request(subject, asked, settings, services)
    except UnknownName as error:
        raise _neither(error, subject, services) from None
    plan, answer = services.planner.best(request), None
    if plan.rows or plan.nearest:
        made = estimate_document(plan, request, provenance(request, services))
        answer = explain_answer(made, row_named(made, None))
    return Outcome(answer, None if plan.rows else no_layout(plan, request, subject))


def diff(a: str, b: str, row: str | None, every: bool, settings: Settings, services: Services) -> Answer:
    """Two plans, estimates or runs, field by field. Raises UsageError, UnknownName."""
    ran = _runs(a, b, settings, services)
    if ran is not None:
        from fmctl.report.record import runs_diff_answer

        return runs_diff_answer(ran, every=every)
    from fmctl.report.diffs import diff_answer

    sides = [_side(name, row) for name in (a, b)]
    return diff_answer((a, b), (sides[0], sides[1]), every=every)


def _runs(a: str, b: str, settings: Settings, services: Services) -> tuple[Run, Run] | None:
    """Both runs; None where neither is one. Raises UsageError where the other is a plan, UnknownName where nothing."""
    folder = services.operations.store(settings, {})
    known = run_names(folder)
    theirs = [name for name in (a, b) if name in known and name not in store.plan_names()]
    if not theirs:
        return None
    other = b if theirs[0] == a else a
    if other not in known and (other in store.plan_names() or _is_file(other)):
        raise UsageError(
            f"{shorten(theirs[0])} is a run and {shorten(other)} is none",
            why="runs are compared with runs",
            next=f"fmctl report {shorten(theirs[0])} holds it against its plan",
        )
    return read_run(folder, a), read_run(folder, b)


def saved(subject: str) -> PlanOrEstimate | None:
    """The document of that name or file; None where `subject` can only be a model."""
    if subject in store.plan_names():
        return _marked(store.load(subject), subject)
    if not subject.endswith(".json"):
        return None
    found = store.parse(read_text(Path(subject).expanduser(), what="document"), subject, odd=True)
    if isinstance(found, dict) and str(found.get("schema", "")).startswith("fmctl."):
        return _marked(store.read_document(Path(subject).expanduser()), subject)
    return None  # a Hugging Face config has no schema of ours


def _marked(document: PlanOrEstimate, name: str) -> PlanOrEstimate:
    """A plan that was edited after it was saved can be looked at; it says what it is."""
    if not intact(document):
        document["warnings"] = [*document["warnings"], f"{name} was changed after it was saved"]
    return document


def _side(name: str, row: str | None) -> Side:
    if name in store.plan_names():
        document = _marked(store.load(name), name)
    elif name.endswith(".json") or _is_file(name):
        document = _marked(store.read_document(Path(name).expanduser()), name)
    else:
        raise UnknownName("saved plan or file", name, store.plan_names(), next="fmctl plan MODEL --save NAME")
    return {"inputs": document["inputs"], "result": row_named(document, row, name), "warnings": document["warnings"]}


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _no_options(asked: Asked) -> None:
    """A saved answer cannot be asked anew: options that would change it are refused, not ignored."""
    given = [name for name in type(asked).__dataclass_fields__ if getattr(asked, name) is not None]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise UsageError(f"{option} is for models", why="a saved answer is fixed", next="fmctl explain MODEL")


def _neither(error: UnknownName, subject: str, services: Services) -> UnknownName:
    """No model, and no plan either: suggestions from both lists."""
    if error.kind != "model":
        return error
    names = [*store.plan_names(), *services.catalogue.model_names()]
    return UnknownName("model or saved plan", subject, names, next="fmctl models list")
