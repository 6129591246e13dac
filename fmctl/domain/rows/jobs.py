"""Jobs of a cluster. Made of `fmctl.documents.jobs` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class JobRow(TypedDict):
    """One job."""

    job: int
    name: str
    state: str
    nodes: str | None
    node_count: int
    user: str
    submitted: str | None
    started: str | None
    ended: str | None
    restarts: int
    exit_code: int | None
    said: str
    next: str | None


class Submitted(TypedDict):
    """A submitted job."""

    cluster: str
    folder: str
    files: list[str]
    dry_run: bool
    submitted: bool
    run: NotRequired[str | None]
    job: JobRow | None


class SubmitDocument(Envelope):
    """A job handed to Slurm."""

    schema: Literal["fmctl.submit/1"]
    result: Submitted


class LostNode(TypedDict):
    """A node that is down, drained, or did not boot."""

    node: str
    state: str
    flags: list[str]
    said: str
    next: str | None


class Jobs(TypedDict):
    """Jobs, newest first."""

    cluster: str | None
    jobs: list[JobRow]
    nodes: dict[str, int]
    trouble: list[LostNode]
    seen_at: str
    seen_from: str


class JobsDocument(Envelope):
    """Jobs of a cluster."""

    schema: Literal["fmctl.jobs/1"]
    result: Jobs


class Cancelled(TypedDict):
    """A job that was to end."""

    cluster: str
    cancelled: bool
    job: JobRow


class CancelDocument(Envelope):
    """The end of a job."""

    schema: Literal["fmctl.cancel/1"]
    result: Cancelled
