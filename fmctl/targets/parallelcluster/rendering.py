"""A plan as files: ParallelCluster configuration, Slurm batch script, environment. No network, clock or subprocess."""

from __future__ import annotations

from collections.abc import Iterator

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import PCLUSTER_VERSION, ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.program import Run, Tell, run_of
from fmctl.targets.parallelcluster import capacity, config
from fmctl.targets.parallelcluster.parts import as_yaml
from fmctl.targets.parallelcluster.versions import KNOWN_BAD
from fmctl.targets.rendering import Rendering
from fmctl.targets.slurm import environment, job, versions

CLUSTER = "cluster.yaml"
MARK = "fmctl:"
# Ranks of one group that fused dispatch kernels carry over EFA. Source: public results of DeepEP-class kernels on EFA.
_MOST_FUSED_RANKS = 160


def render(spec: ClusterSpec, instance: Instance, tell: Tell) -> Rendering:
    """The files of a cluster and its job.

    Args:
        spec: what is wanted.
        instance: the type that the plan's row names.
        tell: makes the program of the run.

    Raises:
        UsageError: what AWS, ParallelCluster, Slurm or a shell would refuse or misread.
        UnreadableFile: the plan holds what no layout can.
    """
    cluster = config.cluster(spec, instance)
    run = run_of(spec.row)
    own = spec.site.parallelcluster
    facts = {**job.facts(spec, run, instance), "pcluster": own.pcluster_version, "os": own.os}
    versions.check(facts, KNOWN_BAD)
    _check_dispatch(run, instance)
    fleet = capacity.fleet(instance, spec.nodes)
    program = tell(run)
    files = {
        CLUSTER: as_yaml(cluster),
        job.SCRIPT: job.script(spec, run, job.Placed(config.QUEUE, fleet.count, facts), instance, program),
        environment.ENVIRONMENT: environment.environment(spec, run, instance, program),
        **program.files,
    }
    found = (*_warnings(spec), *capacity.warnings(spec, instance), *job.warnings(spec, run, instance, program))
    tags = {tag.key: tag.value for tag in config.tags(spec) if tag.key.startswith(MARK)}
    return Rendering(files, tuple(dict.fromkeys(found)), CLUSTER, tags)


def _check_dispatch(run: Run, instance: Instance) -> None:
    if job.fused_across(run, instance) and run.layout.ep * run.layout.etp > _MOST_FUSED_RANKS:
        raise UsageError(
            f"fused expert dispatch over {run.layout.ep * run.layout.etp} ranks does not run on EFA",
            why=f"its kernels end at {_MOST_FUSED_RANKS}",
            next="plan with a smaller ep, or all-to-all dispatch",
        )


def _warnings(spec: ClusterSpec) -> Iterator[str]:
    own = spec.site.parallelcluster
    if own.pcluster_version != PCLUSTER_VERSION:
        yield f"written for ParallelCluster {PCLUSTER_VERSION}; the site says {own.pcluster_version}"
    if spec.site.file_system is not None and spec.site.file_system.efa:
        yield "Lustre runs over TCP until the image sets up its EFA client on the compute nodes"
    if spec.row.get("fits") == "OOM":
        yield "the plan's row does not fit in device memory"
