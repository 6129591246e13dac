"""The local AWS that runs: where it answers, and what is held for clusters in it."""

from __future__ import annotations

from typing import TypedDict


class Held(TypedDict):
    """Capacity of one instance type that the lab was begun with."""

    id: str
    zone: str
    count: int


class Seed(TypedDict):
    """What the lab was begun with, by instance type."""

    reservations: dict[str, Held]
    blocks: dict[str, Held]


class LabState(TypedDict):
    """A lab that runs, as plain data."""

    endpoint: str
    pid: int
    port: int
    speed: float
    site: str
    log: str
    environment: dict[str, str]
    seed: Seed
