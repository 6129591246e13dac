"""The Slurm batch script and its environment: torchrun on every node of the plan.

What a user may change stands in the environment file, a list of NAME=value that is sourced; what the plan fixed stands
in the script as one bash array. Every value in either is quoted by `shlex.quote`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote

from fmctl.cluster.render import megatron, torchtitan
from fmctl.cluster.render.capacity import Fleet
from fmctl.cluster.render.config import QUEUE
from fmctl.cluster.render.layouts import Run
from fmctl.domain.checked import checked
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.model import ModelArch

SCRIPT, ENVIRONMENT = "job.sbatch", "job.env"
_MOST_MARGIN_MIN = 60
_SAVE_MIN = 15

# EFA as AWS's cheat sheet has it for libfabric >= 1.18: the plugin sets the rest by platform, and better.
_EFA = {"FI_PROVIDER": "efa", "FI_EFA_USE_HUGE_PAGE": "0"}
_NETWORK = {"NCCL_SOCKET_IFNAME": "^docker,lo,veth", "NCCL_DEBUG": "WARN"}

_HEAD = """\
#!/bin/bash
# Made by fmctl: fmctl render {plan}. What a user may change is in {environment}; further arguments are passed on.
#SBATCH --job-name={plan}
#SBATCH --partition={queue}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={gpus}
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time={time}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
"""
_BODY = """\
set -euo pipefail
environment=${JOB_ENVIRONMENT:-${SLURM_SUBMIT_DIR:-.}/job.env}
set -a
# shellcheck source=/dev/null
source "$environment"
set +a
: "${JOB_CHECKPOINTS:?a folder on the file system, in job.env}" "${JOB_ENTRY:?the training script, in job.env}"
if [ -n "${JOB_VENV:-}" ]; then
  # shellcheck source=/dev/null
  source "$JOB_VENV/bin/activate"
fi
cd "${JOB_FOLDER:-.}"
mkdir -p -- "$JOB_CHECKPOINTS"
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export MASTER_ADDR=${hosts[0]} MASTER_PORT=${MASTER_PORT:-29500}
"""
_LAUNCH = """\
# The variables inside the quotes belong to each node, not to this script.
# shellcheck disable=SC2016
srun --cpus-per-task="$SLURM_CPUS_ON_NODE" --cpu-bind=none --kill-on-bad-exit=1 bash -c '
  exec torchrun --nnodes="$SLURM_JOB_NUM_NODES" --nproc-per-node="$JOB_GPUS_PER_NODE" --node-rank="$SLURM_NODEID" \\
    --master-addr="$MASTER_ADDR" --master-port="$MASTER_PORT" "$@"' torchrun "${entry[@]}" "${arguments[@]}" "$@"
"""
_MEGATRON_DATA = """\
if [ -n "${JOB_DATA:-}" ]; then
  arguments+=(--data-path "$JOB_DATA")
  arguments+=(--tokenizer-type HuggingFaceTokenizer --tokenizer-model "${JOB_TOKENIZER:?a name or folder, in job.env}")
else
  arguments+=(--mock-data --tokenizer-type NullTokenizer --vocab-size "$JOB_VOCABULARY")
fi
arguments+=(--save "$JOB_CHECKPOINTS" --load "$JOB_CHECKPOINTS" --lr "$JOB_LEARNING_RATE")
"""
_TITAN_DATA = """\
arguments+=(--job.config_file "${JOB_CONFIG:?the torchtitan TOML file, in job.env}")
arguments+=(--checkpoint.enable --checkpoint.folder "$JOB_CHECKPOINTS" --job.dump_folder "$JOB_CHECKPOINTS")
"""


def script(spec: ClusterSpec, run: Run, fleet: Fleet, instance: Instance, arch: ModelArch | None) -> str:
    """The batch script."""
    head = _HEAD.format(
        plan=checked("plan", spec.plan, "plan name"),
        environment=ENVIRONMENT,
        queue=QUEUE,
        nodes=int(fleet.count),
        gpus=int(gpus_per_node(instance)),
        time=clock(limit_min(spec.max_hours)),
    )
    kind = family(run)
    entry = 'entry=(-m "$JOB_ENTRY")' if kind == "torchtitan" else 'entry=("$JOB_ENTRY")'
    data = {"megatron": _MEGATRON_DATA, "torchtitan": _TITAN_DATA}.get(kind, "")
    lines = _array("arguments", fixed_arguments(spec, run, arch))
    return f"{head}{_BODY}{entry}\n{lines}{data}{_LAUNCH}"


def environment(spec: ClusterSpec, run: Run, instance: Instance, arch: ModelArch | None) -> str:
    """The environment file: NAME=value, quoted, for `source` and for whoever reads it."""
    values = dict(_variables(spec, run, instance, arch))
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def fixed_arguments(spec: ClusterSpec, run: Run, arch: ModelArch | None) -> tuple[str, ...]:
    """What the plan decided, as arguments of its framework; none where the framework has no words of ours."""
    if family(run) == "megatron":
        model = () if arch is None else tuple(megatron.model_arguments(arch, run))
        leave = max(1, limit_min(spec.max_hours) - _SAVE_MIN)
        return (
            *model, *megatron.layout_arguments(run), "--train-iters", str(run.steps),
            "--save-interval", str(run.save_every), "--exit-signal-handler", "--exit-duration-in-mins", str(leave),
            "--log-interval", "10", "--log-throughput", "--distributed-timeout-minutes", "30",
        )  # fmt: skip
    if family(run) == "torchtitan":
        return tuple(torchtitan.arguments(run, compiled=run.framework == "torchtitan"))
    return ()


def family(run: Run) -> str:
    """Which words the framework is told the layout in: megatron, torchtitan, or the environment alone."""
    return next((name for name in ("megatron", "torchtitan") if run.framework.startswith(name)), "environment")


def limit_min(max_hours: float) -> int:
    """Minutes that Slurm gives the job: the cluster comes up and saves its last checkpoint inside max_hours."""
    whole = int(max_hours * 60)
    return whole - min(_MOST_MARGIN_MIN, max(1, whole // 4))


def clock(minutes: int) -> str:
    """Minutes as Slurm writes them."""
    days, rest = divmod(minutes, 24 * 60)
    return f"{days}-{rest // 60:02d}:{rest % 60:02d}:00"


def gpus_per_node(instance: Instance) -> int:
    """GPUs of one EC2 instance."""
    return instance.gpus // instance.member_count


def checkpoints(spec: ClusterSpec) -> str:
    """Where checkpoints go; empty where the site has no file system."""
    found = spec.site.file_system
    return "" if found is None else f"{found.mount_dir}/checkpoints/{spec.name}"


def warnings(spec: ClusterSpec, run: Run, arch: ModelArch | None) -> Iterator[str]:
    """What the job does not say or cannot know."""
    if run.tokens is None:
        yield f"the plan names no tokens: the job ends after {run.steps} steps"
    if spec.site.file_system is None:
        yield f"the site has no file system: set JOB_CHECKPOINTS in {ENVIRONMENT}"
    kind = family(run)
    if kind == "environment":
        yield f"{run.framework} gets the layout as LAYOUT_ variables alone: set JOB_ENTRY in {ENVIRONMENT}"
    if kind == "megatron" and arch is None:
        yield f"the architecture of {run.model} is not in the catalogue: pass its arguments to {SCRIPT}"
    if kind == "megatron" and arch is not None and megatron.unsaid(arch):
        yield f"{SCRIPT} does not say the {', '.join(megatron.unsaid(arch))} of {run.model}: add arguments or a spec"


def _variables(spec: ClusterSpec, run: Run, instance: Instance, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    kind = family(run)
    yield "JOB_MODEL", run.model
    yield "JOB_FRAMEWORK", run.framework
    yield "JOB_GPUS_PER_NODE", str(gpus_per_node(instance))
    yield "JOB_CHECKPOINTS", checkpoints(spec)
    yield "JOB_ENTRY", {"megatron": "pretrain_gpt.py", "torchtitan": "torchtitan.train"}.get(kind, "")
    yield from (("JOB_FOLDER", ""), ("JOB_VENV", ""))
    if kind == "megatron":
        yield from (("JOB_DATA", ""), ("JOB_TOKENIZER", ""), ("JOB_LEARNING_RATE", "3e-4"))
        yield "JOB_VOCABULARY", str(arch.vocab if arch is not None else 128256)
    elif kind == "torchtitan":
        yield "JOB_CONFIG", ""
    else:
        yield from _layout_variables(run)
    yield from _NETWORK.items()
    if spec.efa and instance.efa_interfaces:
        yield from _EFA.items()
    yield from _framework_variables(kind, run, instance).items()


def _layout_variables(run: Run) -> Iterator[tuple[str, str]]:
    yield from ((f"LAYOUT_{name.upper()}", str(value)) for name, value in run.layout.as_dict().items())
    yield from (("JOB_SEQ_LEN", str(run.seq_len)), ("JOB_GLOBAL_BATCH", str(run.global_batch)))
    yield from (("JOB_STEPS", str(run.steps)), ("JOB_SAVE_EVERY", str(run.save_every)))


def _framework_variables(kind: str, run: Run, instance: Instance) -> Mapping[str, str]:
    blackwell = instance.accelerator.architecture.startswith("blackwell")
    if kind == "megatron" and not blackwell and megatron.needs_one_connection(run.layout):
        return {"CUDA_DEVICE_MAX_CONNECTIONS": "1"}
    return {}


def _array(name: str, values: tuple[str, ...]) -> str:
    """A bash array, one flag with its values per line."""
    lines: list[list[str]] = []
    for value in values:
        if value.startswith("--") or not lines:
            lines.append([])
        lines[-1].append(quote(value))
    body = "".join(f"  {' '.join(line)}\n" for line in lines)
    return f"{name}=(\n{body})\n" if lines else f"{name}=()\n"
