"""How the lab changes moto: the one place where something is put in place of a name of another's."""

from __future__ import annotations


def patch(owner: object, name: str, own: object) -> None:
    """Let `owner` have our own under a name; no type of the two is held against the other."""
    setattr(owner, name, own)
