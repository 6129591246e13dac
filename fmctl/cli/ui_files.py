"""What the session keeps and looks up: saved plans and models, by the functions of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.operate import store
from fmctl.report.view import Answer, Document
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from collections.abc import Sequence


def saved_plans() -> Sequence[str]:
    """Names of the saved plans."""
    return store.plan_names()


def load_plan(name: str) -> Document:
    """A saved plan; one that was changed since says so. Raises UnknownName, UnreadableFile."""
    from fmctl.base.errors import UnknownName
    from fmctl.cli.comparing import saved

    document = saved(name)
    if document is None:
        raise UnknownName("saved plan", name, store.plan_names(), next=":plans")
    return document


def save_plan(name: str, document: Document, settings: Settings, services: Services) -> str:
    """Keep a plan as `plan --save` does, and say where."""
    from fmctl.cli.planning import check_name, keep

    check_name(name, services)
    return keep(name, document, settings, services)


def models_answer(services: Services) -> Answer:
    """The answer of `models list`."""
    from fmctl.report.catalogue import models_answer

    return models_answer([services.catalogue.load_model(name) for name in services.catalogue.model_names()])


def model_answer(name: str, services: Services) -> Answer:
    """The answer of `models show`."""
    from fmctl.report.catalogue import model_answer

    return model_answer(services.catalogue.load_model(name))


def history_answer(settings: Settings, services: Services) -> Answer:
    """The answer of `history`."""
    from fmctl.operate.records import read_records
    from fmctl.operate.runs import read_runs
    from fmctl.report.history import history_answer as answer

    kept = services.operations.store(settings, {})
    return answer(read_records(kept), read_runs(kept))


def run_answer(names: Sequence[str], settings: Settings, services: Services) -> Answer:
    """The answer of `report RUN --offline`, or of `diff` for two of them. Raises UnknownName."""
    from fmctl.operate.runs import read_run, read_runs
    from fmctl.report.record import report_answer, runs_diff_answer

    kept = services.operations.store(settings, {})
    first = read_run(kept, names[0])
    if len(names) > 1:
        return runs_diff_answer((first, read_run(kept, names[1])))
    return report_answer(first, read_runs(kept))
