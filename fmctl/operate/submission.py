"""Hand a job to Slurm once, with its record kept before: no job runs that no record knows."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fmctl.base.errors import FmctlError, ServiceUnavailable, UsageError, shorten
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.job import Job
from fmctl.domain.planrow import number_of
from fmctl.operate import runs
from fmctl.operate.records import cluster_names, read_record
from fmctl.operate.state import StateStore

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


def submit_once(asked: Submission, slurm: Submits, store: StateStore) -> tuple[runs.Run, Job, bool]:
    """(the run's record, its job, whether this call made it).

    The record is written first and goes again where Slurm refuses the job. After a lost answer it stays: whoever
    submits the same again finds the job by its token, or makes it.

    Raises:
        OperationFailed: Slurm or the file system refuses.
        UnwritableFile: the record cannot be kept; nothing was submitted.
    """
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
    cluster = read_record(store, made.name) if made.name in cluster_names(store) else None
    run = runs.Run(
        name="", cluster=made.name, plan=made.plan, plan_digest=made.plan_digest, rank=number_of(made.row),
        row=made.row, inputs=asked.inputs, config_digest=asked.digest, files=runs.digests(asked.files),
        folder=asked.folder, token=sign, submitted_at=asked.at, submitted_by=asked.by, variables=asked.variables,
    )  # fmt: skip
    return runs.with_cluster(run, cluster)
