"""The Slurm batch script: torchrun on every node of the plan.

What a user may change stands in the environment file, a list of NAME=value that is sourced; what the plan fixed stands
in the script as one bash array, or in the framework's own file beside it. Every value is quoted by `shlex.quote`.

Ranks follow the host list, a whole node after the other: tensor-parallel ranks, which every recipe numbers first, sit
in one NVLink domain. UltraServers are asked for as segments of Slurm's block topology; no target here describes
switches, so that `--switches` would say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from shlex import quote

from fmctl.domain.checked import checked
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.program import JobFiles, Program, Run
from fmctl.targets.slurm.environment import ENVIRONMENT, gpus_per_node
from fmctl.targets.slurm.guards import AGAIN, ENDING, HEALTH, WATCH
from fmctl.targets.slurm.launches import BODY, HEAD, LAUNCH
from fmctl.targets.slurm.record import RECORD, packages
from fmctl.targets.slurm.times import clock, limit_min, margin_s
from fmctl.targets.slurm.versions import pair_lines

SCRIPT = "job.sbatch"
_FILES = JobFiles(SCRIPT, ENVIRONMENT)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a job runs: the queue, so many machines of it, and what versions there are judged by."""

    queue: str
    nodes: int
    facts: Mapping[str, str]
    gpus: bool = True  # whether those machines have any


def script(spec: ClusterSpec, run: Run, placed: Placed, instance: Instance, program: Program) -> str:
    """The batch script."""
    head = HEAD.format(
        plan=checked("plan", spec.plan, "plan name"),
        environment=ENVIRONMENT,
        queue=checked("queue", placed.queue, "the queue"),
        nodes=int(placed.nodes),
        gpus=f"#SBATCH --gpus-per-node={int(gpus_per_node(instance))}\n" if placed.gpus else "",
        segment=f"#SBATCH --segment={int(instance.member_count)}\n" if instance.member_type else "",
        time=clock(limit_min(spec.max_hours)),
        margin=margin_s(run, limit_min(spec.max_hours)),
    )
    entry = 'entry=(-m "$JOB_ENTRY")' if program.module else 'entry=("$JOB_ENTRY")'
    signal = "save_signal=TERM" if program.saves else "save_signal="
    known_bad = pair_lines(placed.facts)
    parts = (
        head, "set -euo pipefail\n", AGAIN, HEALTH, WATCH, RECORD, program.newest, BODY, known_bad,
        f"{signal}\n", ENDING, packages(program.packages), f"{entry}\n",
        _array("arguments", fixed_arguments(spec, run, program)), program.start, LAUNCH,
    )  # fmt: skip
    return "".join(parts)


def fixed_arguments(spec: ClusterSpec, run: Run, program: Program) -> tuple[str, ...]:
    """What the plan decided, as arguments of the program; none where we have no words for it."""
    limit = limit_min(spec.max_hours)
    leave = max(1, limit - ceil(margin_s(run, limit) / 60))
    return (*program.arguments, *program.schedule(leave))


def facts(spec: ClusterSpec, run: Run, instance: Instance) -> Mapping[str, str]:
    """What versions are judged by, whatever the target: instance, purchase, and what the site names."""
    known = {"instance": instance.name, "purchase": spec.capacity.purchase, **spec.site.software}
    return known | ({"dispatch": "across nodes"} if fused_across(run, instance) else {})


def fused_across(run: Run, instance: Instance) -> bool:
    """Whether fused kernels have to carry tokens over EFA."""
    layout = run.layout
    return bool(layout.ep > 1 and layout.dispatcher and layout.ep * layout.etp > instance.fabric.domain_gpus)


def warnings(spec: ClusterSpec, run: Run, instance: Instance, program: Program) -> Iterator[str]:
    """What the job does not say or cannot know."""
    if run.tokens is None:
        yield f"the plan names no tokens: the job ends after {run.steps} steps"
    if spec.site.file_system is None:
        yield f"the site has no file system: set JOB_CHECKPOINTS in {ENVIRONMENT}"
    if not program.entry:
        yield f"{run.framework} gets the layout as LAYOUT_ variables alone: set JOB_ENTRY in {ENVIRONMENT}"
    elif not program.saves:
        yield f"{program.name} cannot be asked to save before the end: up to {run.save_every} steps are lost then"
    if spec.capacity.option.in_blocks and run.usable_until is None:
        yield f"set JOB_USABLE_UNTIL in {ENVIRONMENT} (UTC, ISO) to when the Capacity Block's instances go"
    if instance.fabric.domain_gpus % run.layout.tp:
        yield f"tensor parallelism {run.layout.tp} crosses NVLink domains of {instance.fabric.domain_gpus} GPUs"
    if fused_across(run, instance):
        yield "fused expert dispatch over EFA needs UCCL-EP or a DeepEP on NVSHMEM over libfabric in the image"
    yield from program.warnings(_FILES)


def _array(name: str, values: tuple[str, ...]) -> str:
    """A bash array, one flag with its values per line."""
    lines: list[list[str]] = []
    for value in values:
        if value.startswith("--") or not lines or not lines[-1][0].startswith("--"):
            lines.append([])
        lines[-1].append(quote(value))
    body = "".join(f"  {' '.join(line)}\n" for line in lines)
    return f"{name}=(\n{body})\n" if lines else f"{name}=()\n"
