"""What is kept of a cluster: the record of it (`fmctl.cluster/1`) and the lines of its journal (`fmctl.journal/1`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from pydantic import BaseModel, Field, ValidationError

from fmctl.base.errors import UnreadableFile, shorten
from fmctl.base.parse import NotParsed, from_json
from fmctl.documents.base import AboveZero, Count, Moment, Open, UsdOrUnknown, out_of_range

CLUSTER = "fmctl.cluster/1"
JOURNAL = "fmctl.journal/1"


class CostRow(BaseModel):
    """One line of what a cluster costs; no price is known where usd_per_h is null."""

    name: str
    usd_per_h: float | None
    why: str = ""


class ClusterDocument(Open):
    """A cluster that fmctl launched: where, what, until when, at which price."""

    schema_: Literal["fmctl.cluster/1"] = Field(alias="schema")
    fmctl_version: str
    name: str
    region: str
    account: Annotated[str, Field(description="masked: the last four digits")]
    plan: str
    plan_digest: str
    spec_digest: str
    config_digest: str
    tags: Annotated[dict[str, str], Field(description="by which its stack is known")]
    instance: str
    nodes: Count
    usd_per_h: UsdOrUnknown
    max_hours: AboveZero
    created_by: str
    began: Moment
    end: Annotated[Moment, Field(description="when AWS deletes it")]
    state: Literal["launching", "running", "failed", "deleting", "gone"]
    boundary: str | None = None
    retained: list[str] = Field(default_factory=list)
    purchase: str = ""
    price_date: str = ""
    spent_usd: float | None = Field(default=None, description="of the known lines, at most, from creation to teardown")
    lines: list[CostRow] = Field(default_factory=list, description="all that costs, by the hour")
    reused: list[str] = Field(default_factory=list, description="kind and id of what it uses and did not make")
    launch: str = Field(default="", description="tells what it made from what another launch of the name made")
    stack: str = Field(default="", description="id of its stack, the account masked")
    created: Moment | None = Field(default=None, description="when that stack began")


class JournalDocument(Open):
    """One line of a cluster's journal."""

    schema_: Literal["fmctl.journal/1"] = Field(alias="schema")
    seq: int
    at: Moment
    kind: Literal["intent", "outcome", "note"]
    action: str
    token: str = ""
    data: dict[str, object] = Field(default_factory=dict)
    who: str = ""
    host: str = ""
    pid: int = 0


class LineRow(TypedDict):
    """The same, read."""

    seq: int
    at: datetime
    kind: Literal["intent", "outcome", "note"]
    action: str
    token: NotRequired[str]
    data: NotRequired[dict[str, object]]
    who: NotRequired[str]
    host: NotRequired[str]
    pid: NotRequired[int]


Upgrade = Callable[[dict[str, object]], dict[str, object]]
UPGRADES: dict[str, Upgrade] = {}
"""How a document of an older format becomes the next one: `fmctl.journal/0` -> a function. None has been needed yet."""


def read_cluster(text: str, where: str) -> dict[str, Any]:
    """A cluster's record. Raises UnreadableFile."""
    return read_kept(text, where, CLUSTER, ClusterDocument)


def read_line(text: str, where: str) -> LineRow:
    """A line of a journal. Raises UnreadableFile."""
    return cast("LineRow", read_kept(text, where, JOURNAL, JournalDocument, frozenset({"data"})))


def read_kept(
    text: str, where: str, schema: str, kind: type[BaseModel], signed: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """A text of a state store as values of its fields' types, what a later version added among them.

    Args:
        text: JSON.
        where: it, for people.
        schema: what it says it is.
        kind: its fields.
        signed: names below which numbers may be negative.

    Raises:
        UnreadableFile: damaged, or of another version.
    """
    try:
        found = from_json(text)
    except NotParsed as error:
        raise UnreadableFile(f"{where} is damaged", why=f"it is not JSON: {error}", next=_LOOK) from None
    if not isinstance(found, dict):
        raise UnreadableFile(f"{where} is damaged", why="it is not a JSON object", next=_LOOK)
    found = _current(found, where, schema)
    wrong = out_of_range(found, signed)
    if wrong:
        raise UnreadableFile(f"{where} is damaged", why=wrong, next=_LOOK)
    try:
        read = kind.model_validate(found, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnreadableFile(f"{where} is damaged", why=f"{place}: {first['msg']}", next=_LOOK) from None
    return read.model_dump(by_alias=True, exclude_unset=True)


def _current(found: Mapping[str, object], where: str, schema: str) -> dict[str, object]:
    now = dict(found)
    for _ in range(len(UPGRADES) + 1):
        named = now.get("schema")
        if named == schema:
            return now
        if not isinstance(named, str) or named not in UPGRADES:
            break
        now = UPGRADES[named](now)
    raise UnreadableFile(
        f"{where} is of a format this fmctl does not know",
        why=f"its schema is {shorten(repr(now.get('schema')))}, wanted {schema}",
        next="use the newer fmctl that wrote it: pip install -U fmctl",
    )


_LOOK = "put it aside, then `fmctl status` and `fmctl teardown` go by what AWS says"
