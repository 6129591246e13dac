"""What all documents share. Made of `fmctl.documents.base` by tests/golden/rows.py."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Head(TypedDict):
    """Who wrote the document, and with which doubts."""

    fmctl_version: str
    warnings: list[str]


class Envelope(Head):
    """A document whose inputs and provenance are free."""

    inputs: dict[str, object]
    provenance: dict[str, object]


class Price(TypedDict):
    """A dated price."""

    instance: str
    region: str
    option: str
    usd_per_h: float | None
    date: str
    source: str
    note: NotRequired[str]


class StoragePrice(TypedDict):
    """A dated price of storage, transfer or a fee."""

    item: str
    region: str
    unit: str
    usd: float | None
    date: str
    source: str
    note: NotRequired[str]
