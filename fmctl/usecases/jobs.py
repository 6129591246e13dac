"""`submit`, `jobs`, `cancel` and the output of a job: Slurm on a cluster's head node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, shorten
from fmctl.base.printing import block
from fmctl.base.units import parse_count
from fmctl.usecases.operator import operator
from fmctl.usecases.options import Aws, Wanted, head_named
from fmctl.usecases.places import Places
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.rendering import asked_for, rendering_of, site_for
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.adapters.slurm.commands import Slurm
    from fmctl.domain.cluster import ClusterSpec, Site
    from fmctl.domain.job import Job
    from fmctl.report.view import Answer

_FOLLOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a job lies, variables of job.env it is told, how its head node is reached."""

    folder: str | None = None
    given: Sequence[str] = ()
    head: str | None = None
    dry_run: bool = False  # nothing is handed
    break_lock: bool = False  # of another host that submits


def submit(plan_name: str, wanted: Wanted, aws: Aws, placed: Placed, asked: tuple[Services, Settings]) -> Answer:
    """Hand the plan's job to the Slurm of its cluster, once. Raises OperationFailed, UnknownName, UsageError."""
    from fmctl.adapters.clock import SystemClock
    from fmctl.operate.submission import Submission, Turn, submit_once, with_variables
    from fmctl.report.jobs import submit_answer
    from fmctl.targets.registry import kind
    from fmctl.targets.slurm.environment import ENVIRONMENT
    from fmctl.targets.slurm.job import SCRIPT
    from fmctl.targets.spec import spec

    services, settings = asked
    document, _ = plan_document(plan_name, shared_store(settings, services, aws.store))
    site, name = site_for(wanted, settings), plan_name.rpartition("/")[2].removesuffix(".json")
    made = spec(document, site, asked_for(wanted, settings), name)
    rendering = rendering_of(made, document, services)
    files = dict(rendering.job_files)
    given, untold = _with_block_end(list(placed.given), made, site, aws, asked)
    files[ENVIRONMENT] = with_variables(files[ENVIRONMENT], given)
    said = {word.partition("=")[0] for word in given}
    unsaid = (text for text in rendering.warnings if said.isdisjoint(text.replace(",", " ").split()))
    warnings = (*unsaid, *untold)
    shared = site.file_system.mount_dir if site.file_system is not None else kind(site.target).home(site)
    place = placed.folder or f"{shared}/fmctl/{made.name}"
    if placed.dry_run:
        return submit_answer(made.name, place, sorted(files), None, False, warnings)
    named = site.slurm.head if site.slurm is not None else None
    slurm = slurm_of(made.name, placed.head or named, aws, asked)
    store = services.operations.store(settings, aws.options())
    at = services.now().isoformat(timespec="seconds")
    by_hand = tuple(sorted({word.partition("=")[0] for word in placed.given}))
    submission = Submission(made, document["inputs"], files, place, by_hand, rendering.digest, operator(), at, SCRIPT)
    run, job, new = submit_once(submission, slurm, store, Turn(SystemClock(), break_lock=placed.break_lock))
    return submit_answer(made.name, place, sorted(files), job, new, warnings, run.name)


def _with_block_end(
    given: list[str], made: ClusterSpec, site: Site, aws: Aws, asked: tuple[Services, Settings]
) -> tuple[list[str], tuple[str, ...]]:
    """(variables with when the Capacity Block's instances go, as AWS says; why not, where it would not say)."""
    from fmctl.domain.block_end import block_usable_until

    known = any(word.startswith("JOB_USABLE_UNTIL=") for word in given)
    if not made.capacity.option.in_blocks or made.capacity.reservation_id is None or known:
        return given, ()
    services, settings = asked
    try:
        survey = services.operations.survey(settings, aws.options(), site)
        found = [survey.reservation(one) for one in made.capacity.reservation_id.split(",")]
    except FmctlError as error:
        return given, (f"when the Capacity Block ends is not known, so that nothing is saved before: {error.what}",)
    ends = [one.end for one in found if one is not None and one.end is not None]
    if not ends:
        return given, ("AWS names no end of the Capacity Block: set JOB_USABLE_UNTIL with --set",)
    several = services.catalogue.load_instance(made.instance).member_count > 1
    return [*given, f"JOB_USABLE_UNTIL={block_usable_until(min(ends), several).isoformat()}"], ()


def jobs(name: str | None, slurm: Slurm, services: Services) -> Answer:
    """Jobs of a cluster and the nodes that are out."""
    from fmctl.report.jobs import jobs_answer

    return jobs_answer(name, slurm.jobs(), slurm.nodes(), services.now(), slurm.head.label)


def cancel(name: str, number: int, slurm: Slurm, dry_run: bool, confirm: Callable[[str, str], bool]) -> Answer:
    """End a job where that is confirmed; one that is over is no error. Raises UnknownName, UsageError."""
    from fmctl.report.jobs import cancel_answer

    found, done = slurm.job(number), False
    if not found.over and not dry_run and confirm(name, _asked_about(found)):
        slurm.cancel(number)
        done = True
    return cancel_answer(name, slurm.job(number), done)


def _asked_about(job: Job) -> str:
    name, nodes = shorten(job.name), shorten(job.nodes) or "no nodes yet"
    return block([f"job {job.id} is {shorten(job.state.lower())} on {nodes}; its name is '{name}'"])


def output(slurm: Slurm, job: str, follow: bool) -> Iterator[str]:
    """What a job has written; with `follow` until it is over."""
    number, offset = parse_count(job, what="--job"), 0
    while True:
        found = slurm.job(number)
        more = True
        while more:
            text, after = slurm.output(found, offset)
            yield text.decode(errors="replace")
            more, offset = after > offset, after
        if not follow or found.over:
            return
        time.sleep(_FOLLOW_S)


def slurm_of(name: str | None, head: str | None, aws: Aws, asked: tuple[Services, Settings]) -> Slurm:
    """Slurm of a cluster, through its head node. Raises UsageError."""
    from fmctl.adapters.slurm.commands import Slurm

    if name is not None:
        from fmctl.operate.records import check_name

        check_name(name)
    services, settings = asked
    options = aws.options() if name is None else Places(services, settings, aws).options(name)
    return Slurm(services.operations.head(settings, options, head_named(head, settings), name))
