"""What a state store hands back: a text with the version that a later change must name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """One text as it was read or written."""

    text: str
    version: str  # opaque; it changes with every write (file digest, S3 ETag)
