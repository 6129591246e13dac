"""The record of a training run in the state store: `runs/NAME.json`, `fmctl.run/1`.

Written before the job is submitted, so that no job exists that no record knows; brought up to date whenever somebody
looks, and before the cluster is torn down. It holds what it needs of plan and log: both may be gone when it is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from fmctl import __version__
from fmctl.base.errors import FmctlError, UnknownName, UsageError, shorten
from fmctl.domain.job import Job
from fmctl.operate.records import Record
from fmctl.operate.state import StateStore, save

if TYPE_CHECKING:
    from fmctl.domain.rows.progress import ProgressResult
    from fmctl.domain.rows.results import EstimateRow, PlanInputs
    from fmctl.domain.rows.run import Note, Quality, RunCost, RunEnergy, RunJob, RunLog, RunRecord, Start

SCHEMA = "fmctl.run/1"
FOLDER, _SUFFIX = "runs", ".json"
# Of a cluster's runs that are looked through for one that was begun: what was submitted long ago is not going on.
_RECENT = 50
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9])?", re.ASCII)
_MOST_NAMES = 100_000
_HOUR_S = 3600.0
_FIGURE = re.compile(r"[^\s=]{1,80}")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run: a job and all its starts."""

    name: str
    cluster: str
    plan: str  # with plan_digest and rank and row and inputs: the plan's row that runs, whole
    plan_digest: str
    rank: int
    row: EstimateRow
    inputs: PlanInputs
    config_digest: str  # of all rendered files
    files: Mapping[str, str]  # SHA-256 by name, as submitted
    folder: str
    token: str
    submitted_at: str
    submitted_by: str
    region: str = ""
    account: str = ""
    variables: tuple[str, ...] = ()  # names given with --set; their values may be secret and are not kept
    cluster_config_digest: str = ""  # with reused: of the cluster, where its record is known
    reused: tuple[str, ...] = ()
    job: RunJob | None = None  # as Slurm last said; None before it answered
    log: RunLog | None = None  # what `progress.chronicle` kept
    measured: ProgressResult | None = None  # the result of `progress`
    cost: RunCost | None = None  # with energy: so far
    energy: RunEnergy | None = None
    quality: Mapping[str, Quality] = field(default_factory=dict)  # with notes: what a person added
    notes: tuple[Note, ...] = ()
    parent: str | None = None  # the run whose checkpoint the first start took
    seen_at: str | None = None  # when all that was last brought up to date

    @property
    def over(self) -> bool:
        """Whether its job will not run again."""
        return self.job is not None and bool(self.job.get("over"))

    @property
    def state(self) -> str:
        """Slurm's word, or that nothing is known of a job."""
        return "not submitted" if self.job is None else str(self.job["state"])

    @property
    def starts(self) -> list[Start]:
        """Its starts, as its log tells them."""
        return [] if self.log is None else list(self.log["starts"])

    def as_dict(self) -> RunRecord:
        """For the store and for documents."""
        return {
            "name": self.name, "cluster": self.cluster, "plan": self.plan, "plan_digest": self.plan_digest,
            "rank": self.rank, "row": self.row, "inputs": self.inputs, "config_digest": self.config_digest,
            "files": dict(self.files), "folder": self.folder, "token": self.token, "submitted_at": self.submitted_at,
            "submitted_by": self.submitted_by, "region": self.region, "account": self.account,
            "variables": list(self.variables), "cluster_config_digest": self.cluster_config_digest,
            "reused": list(self.reused), "job": self.job, "log": self.log, "measured": self.measured,
            "cost": self.cost, "energy": self.energy, "quality": dict(self.quality), "notes": list(self.notes),
            "parent": self.parent, "seen_at": self.seen_at,
        }  # fmt: skip


def digests(files: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of each text."""
    return {name: "sha256:" + sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}


def run_names(store: StateStore) -> list[str]:
    """Names of the runs that the store knows; what has no such name is none."""
    names = (_name(key) for key in store.keys(FOLDER) if key.endswith(_SUFFIX))
    return [name for name in names if _NAME.fullmatch(name)]


def read_run(store: StateStore, name: str) -> Run:
    """The record of that name. Raises UnknownName, UnreadableFile, UsageError."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"'{shorten(name)}' cannot be the name of a run", next="fmctl history")
    stored = store.read(f"{FOLDER}/{name}{_SUFFIX}")
    if stored is None:
        raise UnknownName("run", name, run_names(store), next="fmctl history")
    return _run(stored.text, name, store)


def _run(text: str, name: str, store: StateStore) -> Run:
    from fmctl.documents.kept import read_run_document

    found = read_run_document(text, f"the record of run {name} in {store.where}")
    known = {one.name: found[one.name] for one in fields(Run) if one.name in found}
    known |= {one: tuple(found.get(one) or ()) for one in ("variables", "reused", "notes")}
    return Run(**known)


@dataclass(frozen=True, slots=True)
class Known:
    """Runs that a store knows, newest first, and what was passed over, one line each."""

    runs: tuple[Run, ...]
    warnings: tuple[str, ...] = ()


def known_runs(store: StateStore) -> Known:
    """All runs that the store knows; one that cannot be read is named and stops nobody."""
    return _known(store, store.keys(FOLDER))


def runs_of(store: StateStore, cluster: str, most: int) -> Known:
    """The newest runs of one cluster, by the numbers in their names; others are not even read."""
    pattern = re.compile(rf"{FOLDER}/{re.escape(cluster)}-([0-9]{{1,9}}){re.escape(_SUFFIX)}")
    numbered = [(int(found[1]), key) for key in store.keys(FOLDER, f"{cluster}-") if (found := pattern.fullmatch(key))]
    newest = [key for _, key in sorted(numbered, reverse=True)[:most]]
    known = _known(store, newest)
    left = len(numbered) - len(newest)
    more = (f"{left} older runs of {cluster} were left as they are",) if left else ()
    return Known(tuple(run for run in known.runs if run.cluster == cluster), (*known.warnings, *more))


def _known(store: StateStore, keys: Sequence[str]) -> Known:
    runs: list[Run] = []
    warnings: list[str] = []
    wanted = [key for key in keys if key.endswith(_SUFFIX) and _NAME.fullmatch(_name(key))]
    strays = sorted({*keys} - {*wanted} - {f"{FOLDER}/"})
    for key, found in zip(wanted, store.read_all(wanted), strict=True):
        try:
            if isinstance(found, FmctlError):
                raise found
            if found is not None:
                runs.append(_run(found.text, _name(key), store))
        except FmctlError as error:
            warnings.append(f"run {_name(key)} was passed over: {error.why or error.what}")
    warnings += [f"{key} was passed over: it is no record of a run" for key in strays]
    return Known(tuple(sorted(runs, key=lambda run: (run.submitted_at, run.name), reverse=True)), tuple(warnings))


def _name(key: str) -> str:
    return key.removeprefix(f"{FOLDER}/").removesuffix(_SUFFIX)


def write_run(store: StateStore, run: Run) -> None:
    """Keep a record, replacing the one before. Raises UnwritableFile, StalePlan."""
    save(store, f"{FOLDER}/{run.name}{_SUFFIX}", _text(run))


def begin(store: StateStore, run: Run) -> Run:
    """Keep a new record under the first free number of its cluster, or the one that was begun for the same job before.

    Raises:
        UnwritableFile: it cannot be kept; the job must not be submitted then.
    """
    begun = runs_of(store, run.cluster, _RECENT).runs
    same = next((one for one in begun if (one.token, one.job) == (run.token, None)), None)
    if same is not None:
        return same
    taken = [int(name) for key in store.keys(FOLDER, f"{run.cluster}-")
             if (name := _name(key).removeprefix(f"{run.cluster}-")).isdigit()]  # fmt: skip
    for number in range(max(taken, default=0) + 1, _MOST_NAMES):
        named = replace(run, name=f"{run.cluster}-{number}")
        if store.create(f"{FOLDER}/{named.name}{_SUFFIX}", _text(named)) is not None:
            return named
    raise UsageError(f"{run.cluster} has too many runs", next="--name another")


def of_job(store: StateStore, cluster: str, job: int, token: str | None = None) -> Run | None:
    """The run of a job; `token` tells jobs apart whose number a newer cluster of the same name gave again."""
    for run in runs_of(store, cluster, _RECENT).runs:
        if run.job is not None and run.job["id"] == job and token in (None, run.token):
            return run
    return None


def drop(store: StateStore, run: Run) -> None:
    """Forget a record whose job was refused."""
    found = store.read(f"{FOLDER}/{run.name}{_SUFFIX}")
    if found is not None:
        store.remove(f"{FOLDER}/{run.name}{_SUFFIX}", found.version)


def with_cluster(run: Run, record: Record | None) -> Run:
    """The run with what is known of its cluster: where, whose, of which configuration, and what that reused."""
    if record is None:
        return run
    return replace(
        run, region=record.region, account=record.account, cluster_config_digest=record.config_digest,
        reused=record.reused,
    )  # fmt: skip


def job_facts(job: Job) -> RunJob:
    """A job as the record keeps it: what is needed to find its output after Slurm forgot it too."""
    return {
        "id": job.id, "name": job.name, "state": job.state, "over": job.over, "user": job.user, "nodes": job.nodes,
        "node_count": job.node_count, "restarts": job.restarts, "exit_code": job.exit_code, "output": job.output,
        "folder": job.folder, "reason": job.reason, "submitted": _iso(job.submitted), "started": _iso(job.started),
        "ended": _iso(job.ended),
    }  # fmt: skip


def job_of_facts(facts: RunJob, starts: Iterable[Start] = ()) -> Job:
    """The job that a record keeps, where Slurm has forgotten it: its last start tells how it ended, if it does.

    Slurm's controller forgets a job some minutes after its end (MinJobAge), and a cluster without accounting has no
    other memory.
    """
    ends = [one["end"] for one in starts]
    state, code = str(facts["state"]), facts["exit_code"]
    if not facts["over"]:
        last = ends[-1] if ends else None
        state = "UNKNOWN" if last is None else "COMPLETED" if last == "0" else "FAILED"
        code = int(last) if last is not None and last.isdigit() else None
    return Job(
        id=int(facts["id"]), name=str(facts["name"]), state=state, nodes=str(facts["nodes"]),
        node_count=int(facts["node_count"]), user=str(facts["user"]), restarts=int(facts["restarts"]),
        exit_code=code, output=str(facts["output"]), folder=str(facts["folder"]), comment="",
    )  # fmt: skip


def running_s(starts: Iterable[Start]) -> float:
    """Time in which the run's nodes were its own: from each start to its last word, added up."""
    spans = (
        max(one["last_at"] - one["began_at"], 0.0)
        for one in starts
        if one["began_at"] is not None and one["last_at"] is not None
    )
    return float(sum(spans))


def cost_of(row: EstimateRow, starts: Iterable[Start], record: Record | None) -> RunCost:
    """What the run cost at most so far: running time x all that its cluster costs by the hour.

    Where the cluster's record is not known it is the nodes at the plan's price; no price is no sum.
    """
    seconds = running_s(starts)
    hourly = record.hourly_usd if record is not None else None
    basis = "all that the cluster costs by the hour"
    if hourly is None:
        hourly, basis = row["cost"].get("usd_per_h"), "the nodes at the plan's price"
    run = row.get("whole_run")
    return {
        "running_s": seconds,
        "usd_per_h": hourly,
        "usd": None if hourly is None else hourly * seconds / _HOUR_S,
        "basis": f"{basis} x running time",
        "price_date": row["cost"].get("price_date"),
        "predicted_usd": run["total_usd"] if run else None,
        "predicted_p90_usd": run["total_p90_usd"] if run else None,
    }


def energy_of(row: EstimateRow, starts: Iterable[Start], power_w: float | None) -> RunEnergy:
    """Energy of the nodes so far: mean power x running time; the plan's power where none was metered."""
    seconds = running_s(starts)
    watts = row["energy"]["power_w"] if power_w is None else power_w
    run = row.get("whole_run")
    each = run["tco2e"] / run["kwh"] if run and run["tco2e"] is not None and run["kwh"] else None
    whole = run["kwh"] / (row["energy"]["power_w"] * run["wall_p50_s"] / 3.6e6) if run and run["kwh"] else None
    kwh = watts * seconds / 3.6e6
    return {
        "power_w": watts,
        "nodes_kwh": kwh,
        "meter_kwh": None if whole is None else kwh * whole,
        "tco2e": None if each is None or whole is None else kwh * whole * each,
        "basis": "metered power x running time" if power_w is not None else "predicted power x running time",
        "metered": power_w is not None,
        "predicted_kwh": run["kwh"] if run else None,
    }


def parent_of(run: Run, others: Callable[[], Iterable[Run]]) -> str | None:
    """The newest earlier run that saved where this one's first start went on from; None where it began anew.

    others: all that are known, asked for only where the run went on from somewhere.
    """
    if not run.starts or "from_step" not in run.starts[0]["facts"]:
        return None
    place = run.starts[0]["facts"].get("checkpoints")
    earlier = [
        one for one in others()
        if one.name != run.name and one.submitted_at <= run.submitted_at
        and any(start["facts"].get("checkpoints") == place for start in one.starts)
    ]  # fmt: skip
    return max(earlier, key=lambda one: (one.submitted_at, one.name)).name if earlier else None


def noted(run: Run, at: datetime, by: str, quality: Mapping[str, float], text: str | None) -> Run:
    """The run with a person's figures and words, signed and dated; a figure said again replaces the one before."""
    when = at.isoformat(timespec="seconds")
    figures: dict[str, Quality] = {
        name: {"value": value, "at": when, "source": by or "a person"} for name, value in quality.items()
    }
    words: Note = {"at": when, "by": by, "text": text or ""}
    notes = (*run.notes, words) if text else run.notes
    return replace(run, quality={**run.quality, **figures}, notes=notes)


def figure(word: str) -> tuple[str, float]:
    """`mmlu=0.652` as a name and a number. Raises UsageError."""
    name, sign, value = word.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not sign or _FIGURE.fullmatch(name) is None or not abs(number) < float("inf"):
        raise UsageError(f"--quality {shorten(word)} is no figure", why="NAME=NUMBER", next="--quality mmlu=0.652")
    return name, number


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _text(run: Run) -> str:
    document = {"schema": SCHEMA, "fmctl_version": __version__} | run.as_dict()
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
