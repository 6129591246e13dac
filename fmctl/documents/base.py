"""What all documents share: the envelope, and parts that keep what later versions add."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Open(BaseModel):
    """A part of a document; what a later version added is kept."""

    model_config = ConfigDict(extra="allow")


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
    usd_per_h: float | None
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
