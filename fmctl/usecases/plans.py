"""Saved plans: by name, in a file, or in the store that is shared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UnknownName, shorten
from fmctl.domain.digest import intact
from fmctl.operate import store
from fmctl.operate.state.plans import load_plan, plan_names
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.operate.state import StateStore


def shared_store(settings: Settings, services: Services, where: str | None = None) -> StateStore | None:
    """The store that an option or the setting names, which has plans too; None for the user's own data folder."""
    if where is None and settings.text("store") is None:
        return None
    return services.operations.store(settings, {"store": where})


def plan_document(name: str, shared: StateStore | None = None) -> tuple[PlanOrEstimate, tuple[str, ...]]:
    """The plan of that name or in that file, with what is wrong about it that does not stop anybody.

    Args:
        name: of a plan, or a path ending in .json.
        shared: looked in first; None for the user's own plans alone.

    Raises:
        UnknownName: neither.
        UnreadableFile: it is damaged.
    """
    document: PlanOrEstimate
    if shared is not None and name in plan_names(shared):
        document = load_plan(shared, name)
    elif name in store.plan_names():
        document = store.load(name)
    elif name.endswith(".json"):
        document = store.read_document(Path(name).expanduser())
    else:
        raise UnknownName("plan", name, store.plan_names(), next="fmctl plan MODEL --save NAME")
    if _intact(document):
        return document, ()
    return document, (f"{shorten(name)} was changed after it was saved",)


def _intact(document: PlanOrEstimate) -> bool:
    return document.get("schema") != "fmctl.plan/1" or intact(document)
