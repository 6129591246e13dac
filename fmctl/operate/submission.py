"""Hand a job to Slurm once, with its record kept before: no job runs that no record knows."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from fmctl.base.errors import FmctlError, OperationFailed, ServiceUnavailable, UsageError, shorten
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.job import Job
from fmctl.domain.planrow import number_of
from fmctl.domain.ports import Clock
from fmctl.operate import runs
from fmctl.operate.records import read_record
from fmctl.operate.state import StateStore, locks
from fmctl.operate.state.locks import HELD, Alive, Holder

# How often, and after how many seconds, somebody who submits at the same time looks whether it is their turn.
_TURNS, _TURN_S = 60, 1.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def token(cluster: str, files: Mapping[str, str]) -> str:
    """What stands in the comment of a submitted job: the same for the same cluster and files."""
    whole = hashlib.sha256("\0".join(part for name in sorted(files) for part in (name, files[name])).encode())
    return f"fmctl:{cluster}:{whole.hexdigest()[:16]}"


def with_variables(environment: str, given: Sequence[str]) -> str:
    """A job's environment file with NAME=VALUE words after it, quoted: what is read last counts. Raises UsageError."""
    lines = []
    for word in given:
        name, sign, value = word.partition("=")
        if not sign or not _NAME.fullmatch(name) or "\0" in value:
            raise UsageError(f"--set {shorten(word)} names no variable", next="--set JOB_DATA=/fsx/data")
        lines.append(f"{name}={shlex.quote(value)}\n")
    return environment + "".join(lines)


if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanInputs


class Submits(Protocol):
    """The part of `adapters.slurm.commands.Slurm` that is needed here."""

    def with_token(self, token: str) -> Job | None:
        """The job with that comment that is not over."""

    def submit(self, folder: str, files: Mapping[str, str], script: str, token: str) -> tuple[Job, bool]:
        """(the job, whether this call made it)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Submission:
    """What is submitted: the cluster with its plan's inputs, the job's files and where they go."""

    spec: ClusterSpec
    inputs: PlanInputs
    files: Mapping[str, str]
    folder: str
    variables: tuple[str, ...]  # names of those set by hand
    digest: str  # of all rendered files, the cluster's too
    by: str  # with at: who asks, and when (ISO)
    at: str
    script: str  # of the files: what Slurm is handed


@dataclass(frozen=True, slots=True)
class Turn:
    """Who submits, and how they wait for their turn: one at a time submits to a cluster."""

    clock: Clock
    me: Holder = field(default_factory=locks.this_process)
    is_alive: Alive = locks.alive
    break_lock: bool = False


def submit_once(asked: Submission, slurm: Submits, store: StateStore, turn: Turn) -> tuple[runs.Run, Job, bool]:
    """(the run's record, its job, whether this call made it).

    The record is written first and goes again where Slurm refuses the job. After a lost answer it stays: whoever
    submits the same again finds the job by its token, or makes it. Whoever submits at the same time waits, and finds
    the job too.

    Raises:
        OperationFailed: Slurm or the file system refuses, or somebody else is at it for longer than anybody waits.
        UnwritableFile: the record cannot be kept; nothing was submitted.
    """
    with _in_turn(asked.spec.name, store, turn):
        return _submit(asked, slurm, store)


@contextmanager
def _in_turn(cluster: str, store: StateStore, turn: Turn) -> Iterator[None]:
    for attempt in range(_TURNS):
        try:
            lock = locks.take(
                store, f"{cluster}.submit", turn.me, turn.clock, is_alive=turn.is_alive, break_lock=turn.break_lock
            )
            break
        except OperationFailed as error:
            if error.cause != HELD:
                raise
            if attempt == _TURNS - 1:
                what = f"somebody else submits to {cluster}, and does not come to an end"
                raise OperationFailed(what, why=error.why, next=error.next) from None
            turn.clock.sleep(_TURN_S)
    try:
        yield
    finally:
        with suppress(FmctlError):  # a lock of a process that ended is taken over anyway
            locks.release(store, lock)


def _submit(asked: Submission, slurm: Submits, store: StateStore) -> tuple[runs.Run, Job, bool]:
    sign = token(asked.spec.name, asked.files)
    there = slurm.with_token(sign)
    known = None if there is None else runs.of_job(store, asked.spec.name, there.id, sign)
    if there is not None and known is not None:
        return known, there, False
    run = runs.begin(store, _record(asked, sign, store))
    try:
        job, new = slurm.submit(asked.folder, asked.files, asked.script, sign)
    except ServiceUnavailable:
        raise
    except FmctlError:
        runs.drop(store, run)
        raise
    run = replace(run, job=runs.job_facts(job))
    runs.write_run(store, run)
    return run, job, new


def _record(asked: Submission, sign: str, store: StateStore) -> runs.Run:
    made = asked.spec
    cluster = None
    with suppress(FmctlError):  # a record that cannot be read tells nothing, and keeps no job from running
        cluster = read_record(store, made.name)
    run = runs.Run(
        name="", cluster=made.name, plan=made.plan, plan_digest=made.plan_digest, rank=number_of(made.row),
        row=made.row, inputs=asked.inputs, config_digest=asked.digest, files=runs.digests(asked.files),
        folder=asked.folder, token=sign, submitted_at=asked.at, submitted_by=asked.by, variables=asked.variables,
    )  # fmt: skip
    return runs.with_cluster(run, cluster)
