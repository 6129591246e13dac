"""What every widget takes, and hands on to Textual."""

from __future__ import annotations

from typing import TypedDict


class Attributes(TypedDict, total=False):
    """Of a widget: its name in queries and its classes."""

    id: str | None
    classes: str | None
