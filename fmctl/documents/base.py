"""What all documents share: the envelope, and parts that keep what later versions add."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from fmctl.base.read import moment

LARGEST_NUMBER = 1e30  # beyond the FLOPs of any run
DEAREST_USD = 1e12
_T = TypeVar("_T", bound=float | None)


def _above_zero(found: _T) -> _T:
    if found is not None and not 0 < found <= DEAREST_USD:
        raise ValueError("it is not above zero, or beyond any price")
    return found


def _text(found: object) -> object:
    if not isinstance(found, str):
        raise ValueError("a date and time is a text")
    return moment(found)


def _stamped(found: str) -> str:
    moment(found)
    return found


AboveZero = Annotated[float, AfterValidator(_above_zero)]
Count = Annotated[int, AfterValidator(_above_zero)]
UsdOrUnknown = Annotated[float | None, AfterValidator(_above_zero)]
Moment = Annotated[datetime, BeforeValidator(_text), Field(strict=False)]
"""A moment with its zone, as ISO 8601 writes it."""
Stamp = Annotated[str, AfterValidator(_stamped)]
"""The same, kept as the text that it is."""


class Open(BaseModel):
    """A part of a document; what a later version added is kept."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


def out_of_range(found: object, signed: frozenset[str] = frozenset(), name: str = "") -> str:
    """What is wrong with the numbers of a parsed document, "" where nothing is.

    They are no larger than anything can be, and not negative where the name of the field is not among the signed ones;
    below a signed name anything may be. The document is no deeper than `base.parse` lets it be.
    """
    if isinstance(found, int | float) and not isinstance(found, bool):
        if not abs(found) <= LARGEST_NUMBER:
            return f"{name}: {found} is no finite number that it can be"
        return f"{name}: it is negative" if found < 0 and name not in signed else ""
    inner = (
        found.items()
        if isinstance(found, Mapping)
        else [(name, one) for one in found]
        if isinstance(found, list)
        else ()
    )
    for key, one in inner:
        wrong = out_of_range(one, signed, name if name in signed else str(key))
        if wrong:
            return wrong
    return ""


class Head(Open):
    """Who wrote the document, and with which doubts."""

    fmctl_version: str
    warnings: list[str]


class Envelope(Head):
    """A document whose inputs and provenance are free."""

    inputs: dict[str, object]
    provenance: dict[str, object]


class Price(Open):
    """A dated price; `usd_per_h` is null where it is not known."""

    instance: str
    region: str
    option: str
    usd_per_h: UsdOrUnknown
    date: str
    source: str
    note: str = ""


class StoragePrice(Open):
    """A dated price of storage, transfer or a fee."""

    item: str
    region: str
    unit: str
    usd: float | None
    date: str
    source: str
    note: str = ""
