"""How an existing Slurm cluster is rendered for and reached: nothing of it is made, so that a job is all there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import UsageError
from fmctl.domain.checked import checked
from fmctl.domain.cluster import ClusterSpec, Site, SlurmSite
from fmctl.domain.hardware import Instance
from fmctl.domain.program import Tell
from fmctl.targets.registry import Kind
from fmctl.targets.rendering import Rendering

if TYPE_CHECKING:
    from fmctl.adapters.aws.session import Session
    from fmctl.targets.target import Target


def _render(spec: ClusterSpec, instance: Instance, tell: Tell) -> Rendering:
    from fmctl.domain.program import run_of
    from fmctl.targets.slurm import environment, job, versions

    run, here = run_of(spec.row), _section(spec.site)
    facts = job.facts(spec, run, instance)
    versions.check(facts)
    program = tell(run)
    placed = job.Placed(here.queue, spec.nodes * instance.member_count, facts, gpus=here.gpus)
    files = {
        job.SCRIPT: job.script(spec, run, placed, instance, program),
        environment.ENVIRONMENT: environment.environment(spec, run, instance, program, health=here.gpus),
        **program.files,
    }
    return Rendering(files, tuple(dict.fromkeys(job.warnings(spec, run, instance, program))))


def _connect(session: Session, settings: Settings, site: Site | None, sleep: Callable[[float], None]) -> Target:
    from fmctl.targets.slurm.target import SlurmCluster

    return SlurmCluster(_section(site))


def _section(site: Site | None) -> SlurmSite:
    if site is None or site.slurm is None:
        raise UsageError("the site has no section slurm", next="slurm: {queue: gpu, head: local}")
    return site.slurm


def _check(site: Site) -> None:
    own = _section(site)
    checked("queue", own.queue, "slurm.queue")
    checked("head", own.head, "slurm.head")


KIND = Kind("Slurm", _render, _connect, _check, "sbatch", on_aws=False)
