"""`submit`, `jobs`, `cancel`, and `logs --job`: Slurm on a cluster's head node."""

# No `from __future__ import annotations` here: typer would compile each of these options from its text.

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError
from fmctl.base.units import parse_count
from fmctl.cli.cluster_options import AwsOptions, Name, WantedOptions, Where
from fmctl.cli.consent import Consent
from fmctl.cli.options import Output
from fmctl.cli.output import emit, settings_for
from fmctl.cli.prompts import ask_for_name, needs_yes
from fmctl.cli.rendering import asked_for, plan_document, rendering_of, shared_store, site_for
from fmctl.cli.streams import write_stderr, write_stdout
from fmctl.usecases.operator import operator
from fmctl.usecases.options import Aws, Text, head_named

if TYPE_CHECKING:
    from fmctl.adapters.slurm.commands import Slurm
    from fmctl.domain.cluster import ClusterSpec, Site
    from fmctl.usecases.services import Services

_Job = Annotated[str, Argument(metavar="JOB", help="Slurm's number of the job.", show_default=False)]
_Plan = Annotated[str, Argument(metavar="PLAN", help="A saved plan, or a plan document.", show_default=False)]
_FOLLOW_S = 1.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Placed:
    """Where a job lies, and what it is told beside its plan."""

    folder: Annotated[
        Text, Option("--folder", metavar="DIR", help="Where the job lies; on the file system.", show_default=False)
    ] = None
    given: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help="A variable of job.env: image, data, program; again for more."),
    ] = None


def submit(
    ctx: typer.Context,
    plan_name: _Plan,
    wanted: WantedOptions,
    aws: AwsOptions,
    consent: Consent,
    out: Output,
    placed: Placed,
    head: Where = None,
) -> None:
    """Hand the plan's job to the Slurm of its cluster, once: a second call finds the one that waits or runs.

    Nodes that come with a job start now, within the cluster's cap and until its end.
    """
    settings = settings_for(out)
    from fmctl.operate.jobs import with_variables
    from fmctl.operate.submission import Submission, submit_once
    from fmctl.report.jobs import submit_answer
    from fmctl.targets.parallelcluster.rendering import CLUSTER
    from fmctl.targets.parallelcluster.spec import spec
    from fmctl.targets.slurm.environment import ENVIRONMENT

    consent.refuse(settings)
    document, _ = plan_document(plan_name, shared_store(settings, ctx.obj, aws.store))
    site, name = site_for(wanted, settings), plan_name.rpartition("/")[2].removesuffix(".json")
    made = spec(document, site, asked_for(wanted, settings), name)
    rendering = rendering_of(made, document, ctx.obj)
    files = {name: text for name, text in rendering.files.items() if name != CLUSTER}
    given, untold = _with_block_end(placed.given or [], made, site, aws, (ctx.obj, settings))
    files[ENVIRONMENT] = with_variables(files[ENVIRONMENT], given)
    said = {word.partition("=")[0] for word in given}
    unsaid = (text for text in rendering.warnings if said.isdisjoint(text.replace(",", " ").split()))
    warnings = (*unsaid, *untold)
    shared = site.file_system.mount_dir if site.file_system is not None else "/home"
    place = placed.folder or f"{shared}/fmctl/{made.name}"
    if consent.dry_run:
        emit(submit_answer(made.name, place, sorted(files), None, False, warnings), out, settings)
        return
    slurm = _slurm(ctx, settings, aws, head, made.name)
    store = ctx.obj.operations.store(settings, aws.options())
    at = ctx.obj.now().isoformat(timespec="seconds")
    by_hand = tuple(sorted({word.partition("=")[0] for word in placed.given or ()}))
    asked = Submission(made, document["inputs"], files, place, by_hand, rendering.digest, operator(), at)
    run, job, new = submit_once(asked, slurm, store)
    emit(submit_answer(made.name, place, sorted(files), job, new, warnings, run.name), out, settings)


def _with_block_end(
    given: list[str], made: "ClusterSpec", site: "Site", aws: Aws, asked: "tuple[Services, Settings]"
) -> tuple[list[str], tuple[str, ...]]:
    """(variables with when the Capacity Block's instances go, as AWS says; why not, where it would not say)."""
    from fmctl.domain.block_end import block_usable_until
    from fmctl.targets.parallelcluster.capacity import BLOCK

    known = any(word.startswith("JOB_USABLE_UNTIL=") for word in given)
    if made.capacity.purchase != BLOCK or made.capacity.reservation_id is None or known:
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


def jobs(
    ctx: typer.Context,
    aws: AwsOptions,
    out: Output,
    name: Annotated[Text, Argument(metavar="[NAME]", help="The cluster; none with --head local.")] = None,
    head: Where = None,
) -> None:
    """Jobs of a cluster: what each does or why it waits, nodes that are out, and what to do about it."""
    settings = settings_for(out)
    from fmctl.report.jobs import jobs_answer

    slurm = _slurm(ctx, settings, aws, head, name)
    emit(jobs_answer(name, slurm.jobs(), slurm.nodes(), ctx.obj.now(), slurm.head.label), out, settings)


def cancel(
    ctx: typer.Context, name: Name, job: _Job, aws: AwsOptions, consent: Consent, out: Output, head: Where = None
) -> None:
    """End a job: what it did since its last checkpoint is lost. One that is over is no error."""
    settings = settings_for(out)
    from fmctl.report.jobs import cancel_answer

    consent.refuse(settings)
    number = parse_count(job, what="JOB")
    needs_yes(consent.yes or consent.dry_run, True)
    slurm = _slurm(ctx, settings, aws, head, name)
    found = slurm.job(number)
    done = False
    if not found.over and not consent.dry_run:
        write_stderr(f"job {found.id} ({found.name}) is {found.state.lower()} on {found.nodes or 'no nodes yet'}\n")
        if consent.yes or ask_for_name(name, "cancel"):
            slurm.cancel(number)
            done = True
    emit(cancel_answer(name, slurm.job(number), done), out, settings)


def job_output(slurm: "Slurm", job: str, follow: bool) -> None:
    """What a job has written, to stdout; with `follow` until it is over."""
    number, offset = parse_count(job, what="--job"), 0
    while True:
        found = slurm.job(number)
        more = True
        while more:
            text, after = slurm.output(found, offset)
            write_stdout(text.decode(errors="replace"))
            more, offset = after > offset, after
        if not follow or found.over:
            return
        time.sleep(_FOLLOW_S)


def _slurm(ctx: typer.Context, settings: Settings, aws: AwsOptions, head: str | None, name: str | None) -> "Slurm":
    from fmctl.adapters.slurm.commands import Slurm

    if name is not None:
        from fmctl.operate.records import check_name

        check_name(name)
    return Slurm(ctx.obj.operations.head(settings, aws.options(), head_named(head, settings), name))
