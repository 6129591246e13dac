"""Every screen of the session: one row each. A new screen is a class derived from `view.View` and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from fmctl.base.errors import UnknownName

if TYPE_CHECKING:
    from fmctl.tui.view import View


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """One screen: what `:` and the palette call it, its key, `module:Class` below `fmctl.tui`, and what it shows.

    `subject` is what may follow the name, as in `:model llama-3.1-70b`; empty where nothing may.
    """

    name: str
    key: str
    target: str
    about: str
    subject: str = ""


_ROWS = (
    ViewSpec("plan", "1", "plan.view:PlanView", "find a plan: form, ranking, Pareto plot"),
    ViewSpec("explain", "2", "explain.view:ExplainView", "where time, memory and money go", "plan"),
    ViewSpec("plans", "3", "catalogue:PlansView", "saved plans"),
    ViewSpec("clusters", "5", "clusters.lists:ClustersView", "what runs: state, nodes, money, time left"),
    ViewSpec("cluster", "", "clusters.one:ClusterView", "one cluster: timeline, jobs, logs, run", "cluster"),
    ViewSpec("launch", "", "launch.view:LaunchView", "from a saved plan to a cluster", "plan"),
    ViewSpec("runs", "6", "runs:RunsView", "runs on record: state, steps, cost, by whom"),
    ViewSpec("run", "", "runs:RunView", "one run on record: artefacts, checkpoints, curves, cost", "run"),
    ViewSpec("models", "4", "catalogue:ModelsView", "the architectures there are"),
    ViewSpec("model", "", "catalogue:ModelView", "one architecture", "model"),
    ViewSpec("diff", "", "diff:DiffView", "two plans side by side"),
)
VIEWS: Mapping[str, ViewSpec] = {row.name: row for row in _ROWS}


def load(name: str) -> type[View]:
    """The class of a screen, imported now. Raises UnknownName."""
    spec = VIEWS.get(name)
    if spec is None:
        raise UnknownName("view", name, VIEWS, next=": and one of " + ", ".join(VIEWS))
    module, _, title = spec.target.partition(":")
    found: type[View] = getattr(import_module(f"fmctl.tui.{module}"), title)
    return found
