"""The versioned JSON documents as pydantic models: for `fmctl schema`, and for reading what was saved.

Within a major version fields are only added, so a reader keeps fields it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

from pydantic import ValidationError

from fmctl.base.errors import UnknownName, UnreadableFile, shorten
from fmctl.documents.base import Open, out_of_range

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate


class _Documents(Mapping[str, type[Open]]):
    """Document by name; the module of one is imported when it is asked for, since some of them take NumPy along."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[Open]:
        module, _, kind = self._places[name].partition(":")
        found: type[Open] = getattr(import_module(f"fmctl.documents.{module}"), kind)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


DOCUMENTS: Mapping[str, type[Open]] = _Documents(
    {
        "estimate": "results:EstimateDocument",
        "plan": "results:PlanDocument",
        "explain": "results:ExplainDocument",
        "diff": "results:DiffDocument",
        "validate": "validation:ValidateDocument",
        "calibrate": "calibration:CalibrateDocument",
        "render": "render:RenderDocument",
        "policy": "policy:PolicyDocument",
        "observe": "observe:ObserveDocument",
        "site": "site:SiteDocument",
        "preflight": "operations:PreflightDocument",
        "launch": "operations:LaunchDocument",
        "status": "operations:StatusDocument",
        "teardown": "operations:TeardownDocument",
        "history": "operations:HistoryDocument",
        "models": "catalogue:ModelsDocument",
        "model": "catalogue:ModelDocument",
        "instances": "catalogue:InstancesDocument",
        "instance": "catalogue:InstanceDocument",
        "prices": "catalogue:PricesDocument",
        "prices-refresh": "catalogue:PricesRefreshDocument",
        "capacity": "capacity:CapacityDocument",
        "submit": "jobs:SubmitDocument",
        "metrics": "metrics:MetricsDocument",
        "progress": "progress:ProgressDocument",
        "jobs": "jobs:JobsDocument",
        "cancel": "jobs:CancelDocument",
        "report": "run:ReportDocument",
        "note": "run:NoteDocument",
        "lab": "lab:LabDocument",
        "pcluster": "lab:PclusterDocument",
        "config": "meta:ConfigDocument",
        "schemas": "meta:SchemasDocument",
        "spec": "meta:SpecDocument",
        "error": "meta:ErrorDocument",
    }
)
_READABLE = ("estimate", "plan")
_SIGNED = frozenset({"margin_bytes", "levers"})  # what is left, and what a change brings, may be less than nothing
_WRITTEN_BY_USERS = ("site",)  # what has a default may be left out


def about() -> dict[str, str]:
    """What each document is, in one line, by name."""
    return {name: (kind.__doc__ or "").split("\n", 1)[0].rstrip(".") for name, kind in DOCUMENTS.items()}


def json_schema(name: str) -> dict[str, object]:
    """The JSON Schema (2020-12) of one document; `plan` and `fmctl.plan/1` both name it. Raises UnknownName."""
    bare = name.removeprefix("fmctl.").removesuffix("/1")
    if bare not in DOCUMENTS:
        raise UnknownName("schema", name, DOCUMENTS, next="fmctl schema")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"fmctl.{bare}/1"}
    mode: Literal["validation", "serialization"] = "validation" if bare in _WRITTEN_BY_USERS else "serialization"
    return head | DOCUMENTS[bare].model_json_schema(mode=mode)


def check(found: object, where: str) -> PlanOrEstimate:
    """A plan or estimate document that was read from `where`, if it is one. Raises UnreadableFile."""
    named = found.get("schema") if isinstance(found, dict) else None
    known = {f"fmctl.{name}/1": DOCUMENTS[name] for name in _READABLE}
    if not isinstance(named, str) or named not in known:
        why = f"its schema is {shorten(repr(named))}" if named else "it has no schema"
        raise UnreadableFile(
            f"{where} is not a plan or an estimate", why=f"{why}; wanted {' or '.join(known)}", next="fmctl schema"
        )
    wrong = out_of_range(found, _SIGNED)
    if wrong:
        raise UnreadableFile(f"{where} is damaged", why=wrong, next=f"fmctl schema {named}")
    try:
        known[named].model_validate(found, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnreadableFile(
            f"{where} is damaged",
            why=f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}",
            next=f"fmctl schema {named}",
        ) from None
    return cast("PlanOrEstimate", found)
