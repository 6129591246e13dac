"""A plan as files: ParallelCluster configuration, Slurm batch script, environment. No network, clock or subprocess."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import PCLUSTER_VERSION, ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.model import ModelArch
from fmctl.frameworks.layouts import Run, run_of
from fmctl.targets.parallelcluster import capacity, config, versions
from fmctl.targets.parallelcluster.parts import as_yaml
from fmctl.targets.slurm import environment, job

__all__ = ["CLUSTER", "Rendering", "render"]

CLUSTER = "cluster.yaml"
# Ranks of one group that fused dispatch kernels carry over EFA. Source: public results of DeepEP-class kernels on EFA.
_MOST_FUSED_RANKS = 160


@dataclass(frozen=True, slots=True)
class Rendering:
    """The files by name, and what whoever uses them should know."""

    files: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over names, lengths and texts: the same files, the same digest."""
        found = sha256()
        for name, text in sorted(self.files.items()):
            content = text.encode()
            found.update(f"{name}\0{len(content)}\0".encode() + content)
        return "sha256:" + found.hexdigest()


def render(spec: ClusterSpec, instance: Instance, arch: ModelArch | None = None) -> Rendering:
    """The files of a cluster and its job.

    Args:
        spec: what is wanted.
        instance: the type that the plan's row names.
        arch: the model, for the arguments that say what it is; None where it is not known.

    Raises:
        UsageError: what AWS, ParallelCluster, Slurm or a shell would refuse or misread.
        UnreadableFile: the plan holds what no layout can.
    """
    cluster = config.cluster(spec, instance)
    run = run_of(spec.row)
    versions.check(job.facts(spec, run, instance))
    _check_dispatch(run, instance)
    fleet = capacity.fleet(instance, spec.nodes)
    files = {
        CLUSTER: as_yaml(cluster),
        job.SCRIPT: job.script(spec, run, fleet, instance, arch),
        environment.ENVIRONMENT: environment.environment(spec, run, instance, arch),
        **job.words(spec, run, arch).files,
    }
    found = (*_warnings(spec), *capacity.warnings(spec, instance), *job.warnings(spec, run, instance, arch))
    return Rendering(files, tuple(dict.fromkeys(found)))


def _check_dispatch(run: Run, instance: Instance) -> None:
    if job.fused_across(run, instance) and run.layout.ep * run.layout.etp > _MOST_FUSED_RANKS:
        raise UsageError(
            f"fused expert dispatch over {run.layout.ep * run.layout.etp} ranks does not run on EFA",
            why=f"its kernels end at {_MOST_FUSED_RANKS}",
            next="plan with a smaller ep, or all-to-all dispatch",
        )


def _warnings(spec: ClusterSpec) -> Iterator[str]:
    if spec.site.pcluster_version != PCLUSTER_VERSION:
        yield f"written for ParallelCluster {PCLUSTER_VERSION}; the site says {spec.site.pcluster_version}"
    if spec.site.file_system is not None and spec.site.file_system.efa:
        yield "Lustre runs over TCP until the image sets up its EFA client on the compute nodes"
    if spec.row.get("fits") == "OOM":
        yield "the plan's row does not fit in device memory"
