"""What the commands around Slurm answer: submit, jobs, cancel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class JobRow(Open):
    """One job; `said` is what it does or why it waits, in plain words."""

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


class Submitted(Open):
    """A submitted job; `submitted` is false where one of the same plan waits or runs, or in a dry run."""

    cluster: str
    folder: str
    files: list[str]
    dry_run: bool
    submitted: bool
    run: str | None = Field(default=None, description="the run's record: fmctl report RUN")
    job: JobRow | None


class SubmitDocument(Envelope):
    """A job handed to Slurm."""

    schema_: Literal["fmctl.submit/1"] = Field(alias="schema")
    result: Submitted


class LostNode(Open):
    """A node that is down, drained, or did not boot."""

    node: str
    state: str
    flags: list[str]
    said: str
    next: str | None


class Jobs(Open):
    """Jobs, newest first; nodes counted by state; nodes that are out."""

    cluster: str | None
    jobs: list[JobRow]
    nodes: dict[str, int]
    trouble: list[LostNode]
    seen_at: str
    seen_from: str


class JobsDocument(Envelope):
    """Jobs of a cluster."""

    schema_: Literal["fmctl.jobs/1"] = Field(alias="schema")
    result: Jobs


class Cancelled(Open):
    """A job that was to end."""

    cluster: str
    cancelled: bool
    job: JobRow


class CancelDocument(Envelope):
    """The end of a job."""

    schema_: Literal["fmctl.cancel/1"] = Field(alias="schema")
    result: Cancelled
