"""Saved plans in any state store: the same names, the same JSON, the same seal as in `fmctl.operate.store`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fmctl.base.errors import UnknownName
from fmctl.domain.digest import sealed
from fmctl.operate.state import StateStore, save
from fmctl.operate.store import NAME, check_name, parse

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate

_FOLDER, _SUFFIX = "plans", ".json"


def plan_names(store: StateStore) -> list[str]:
    """Names of the saved plans, sorted."""
    names = (key.removeprefix(f"{_FOLDER}/").removesuffix(_SUFFIX) for key in store.keys(_FOLDER) if _SUFFIX in key)
    return sorted(name for name in names if NAME.fullmatch(name))


def save_plan(store: StateStore, name: str, document: Mapping[str, object], saved_at: str) -> None:
    """Keep a plan document (`fmctl.plan/1`) under a name, replacing what had it; `saved_at` is an ISO time."""
    text = json.dumps(sealed(document, name, saved_at), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    save(store, f"{_FOLDER}/{check_name(name)}{_SUFFIX}", text)


def load_plan(store: StateStore, name: str) -> PlanOrEstimate:
    """A saved plan's document, checked. Raises UnknownName, UnreadableFile."""
    found = store.read(f"{_FOLDER}/{check_name(name)}{_SUFFIX}")
    if found is None:
        raise UnknownName("plan", name, plan_names(store), next="fmctl plan MODEL --save NAME")
    where = f"plan {name} in {store.where}"
    from fmctl.documents import check

    document: PlanOrEstimate = check(parse(found.text, where), where)
    return document
