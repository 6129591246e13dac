"""The Slurm batch script and its environment: torchrun on every node of the plan.

What a user may change stands in the environment file, a list of NAME=value that is sourced; what the plan fixed stands
in the script as one bash array, or in the framework's own file beside it. Every value is quoted by `shlex.quote`.

Ranks follow the host list, a whole node after the other: tensor-parallel ranks, which every recipe numbers first, sit
in one NVLink domain. UltraServers are asked for as segments of Slurm's block topology; ParallelCluster describes no
switches, so that `--switches` would say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from shlex import quote

from fmctl.cluster.render import deepspeed, megatron, megatron_model, nanotron
from fmctl.cluster.render.capacity import BLOCK, Fleet
from fmctl.cluster.render.config import QUEUE
from fmctl.cluster.render.guards import AGAIN, ENDING, HEALTH, WATCH
from fmctl.cluster.render.launches import BODY, HEAD, LAUNCH, TELL
from fmctl.cluster.render.layouts import Run
from fmctl.cluster.render.network import bus_bytes_per_s
from fmctl.cluster.render.recipes import BRIDGE, DEEPSPEED, MEGATRON, NANOTRON, TORCHTITAN, Recipe, recipe_for, told
from fmctl.cluster.render.resume import NEWEST
from fmctl.cluster.render.storage import SCRATCH
from fmctl.cluster.render.versions import pair_lines
from fmctl.cluster.render.words import Words
from fmctl.domain.checked import checked
from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.model import ModelArch

SCRIPT, ENVIRONMENT = "job.sbatch", "job.env"
_MOST_MARGIN_MIN = 60
_LOG_EVERY = 10  # steps
_UNKNOWN_SAVE_S = 600.0  # assumed, where the plan names no tokens and so no save
_SLACK_S = 300.0  # assumed: torchrun, the file system's metadata and Slurm's own minute
_LEAST_HANG_MIN = 30  # assumed: NCCL's own timeout of 10 min, and loading and compiling, are no hang
_BUS_SHARE = 0.7  # assumed: the collectives' model is good to 4-9 %; a node that costs a third is unfit
_CAN_SAVE = (MEGATRON, BRIDGE, DEEPSPEED)  # they end with a save when their processes get SIGTERM

# For libfabric >= 1.18 and aws-ofi-nccl >= 1.7: the plugin sets the rest by platform, and better (provider, protocol,
# GPUDirect, buffers, topology file). Source: awslabs/awsome-distributed-ai, EFA cheat sheet; aws-ofi-nccl platform-aws.
_EFA = {"FI_EFA_USE_HUGE_PAGE": "0"}
_NETWORK = {"NCCL_SOCKET_IFNAME": "^docker,lo,veth", "NCCL_DEBUG": "WARN"}
_ENTRIES = {
    "megatron-lm": "pretrain_gpt.py", "megatron-bridge": "scripts/training/run_recipe.py",
    "torchtitan": "torchtitan.train", "nanotron": "run_train.py", "megatron-deepspeed": "pretrain_gpt.py",
}  # fmt: skip


def script(spec: ClusterSpec, run: Run, fleet: Fleet, instance: Instance, arch: ModelArch | None) -> str:
    """The batch script."""
    recipe = recipe_for(run.framework, spec.recipe)
    name = "" if recipe is None else recipe.name
    head = HEAD.format(
        plan=checked("plan", spec.plan, "plan name"),
        environment=ENVIRONMENT,
        queue=QUEUE,
        nodes=int(fleet.count),
        gpus=int(gpus_per_node(instance)),
        segment=f"#SBATCH --segment={int(instance.member_count)}\n" if instance.member_type else "",
        time=clock(limit_min(spec.max_hours)),
        margin=margin_s(run, limit_min(spec.max_hours)),
    )
    entry = 'entry=(-m "$JOB_ENTRY")' if recipe is TORCHTITAN else 'entry=("$JOB_ENTRY")'
    signal = "save_signal=TERM" if recipe in _CAN_SAVE else "save_signal="
    known_bad = pair_lines(facts(spec, run, instance))
    parts = (
        head, "set -euo pipefail\n", AGAIN, HEALTH, WATCH, NEWEST.get(name, ""), BODY, known_bad,
        f"{signal}\n", ENDING, f"{entry}\n", _array("arguments", fixed_arguments(spec, run, arch)), TELL.get(name, ""),
        LAUNCH,
    )  # fmt: skip
    return "".join(parts)


def environment(spec: ClusterSpec, run: Run, instance: Instance, arch: ModelArch | None) -> str:
    """The environment file: NAME=value, quoted, for `source` and for whoever reads it."""
    values = dict(_variables(spec, run, instance, arch))
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def words(spec: ClusterSpec, run: Run, arch: ModelArch | None) -> Words:
    """The layout in the words of its recipe; none where the framework has none. Raises UsageError."""
    recipe = recipe_for(run.framework, spec.recipe)
    return Words() if recipe is None else told(recipe, run, arch)


def fixed_arguments(spec: ClusterSpec, run: Run, arch: ModelArch | None) -> tuple[str, ...]:
    """What the plan decided, as arguments of its recipe; none where the framework has no words of ours."""
    recipe = recipe_for(run.framework, spec.recipe)
    limit = limit_min(spec.max_hours)
    leave = max(1, limit - ceil(margin_s(run, limit) / 60))
    layout = words(spec, run, arch).arguments
    return (*_model_arguments(recipe, run, arch), *layout, *_schedule_arguments(recipe, run, leave))


def facts(spec: ClusterSpec, run: Run, instance: Instance) -> Mapping[str, str]:
    """What versions are judged by: instance, purchase, image, ParallelCluster, and what the site names."""
    known = {
        "instance": instance.name, "purchase": spec.capacity.purchase, "os": spec.site.os,
        "pcluster": spec.site.pcluster_version, **spec.site.software,
    }  # fmt: skip
    return known | ({"dispatch": "across nodes"} if fused_across(run, instance) else {})


def fused_across(run: Run, instance: Instance) -> bool:
    """Whether fused kernels have to carry tokens over EFA."""
    layout = run.layout
    return bool(layout.ep > 1 and layout.dispatcher and layout.ep * layout.etp > instance.fabric.domain_gpus)


def limit_min(max_hours: float) -> int:
    """Minutes that Slurm gives the job: the cluster comes up and saves its last checkpoint inside max_hours."""
    whole = int(max_hours * 60)
    return whole - min(_MOST_MARGIN_MIN, max(1, whole // 4))


def margin_s(run: Run, limit: int) -> int:
    """Seconds before the end at which a save is asked for: its stall and drain, two steps, slack; at most half of all.

    Slurm sends signals by the minute, up to one early.
    """
    save_s = _UNKNOWN_SAVE_S if run.save_s is None else run.save_s
    return min(ceil(save_s + 2.0 * (run.step_s or 0.0) + _SLACK_S), limit * 30, 65535)


def hang_min(run: Run) -> int:
    """Minutes without a line of log that are a hang: three times those between two lines, and a save and a load."""
    between_s = 3.0 * _LOG_EVERY * (run.step_s or 0.0) + (run.save_s or 0.0) + (run.load_s or 0.0)
    return max(_LEAST_HANG_MIN, ceil(between_s / 60.0))


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


def warnings(spec: ClusterSpec, run: Run, instance: Instance, arch: ModelArch | None) -> Iterator[str]:
    """What the job does not say or cannot know."""
    recipe = recipe_for(run.framework, spec.recipe)
    if run.tokens is None:
        yield f"the plan names no tokens: the job ends after {run.steps} steps"
    if spec.site.file_system is None:
        yield f"the site has no file system: set JOB_CHECKPOINTS in {ENVIRONMENT}"
    if recipe is None:
        yield f"{run.framework} gets the layout as LAYOUT_ variables alone: set JOB_ENTRY in {ENVIRONMENT}"
    elif recipe not in _CAN_SAVE:
        yield f"{recipe.name} cannot be asked to save before the end: up to {run.save_every} steps are lost then"
    if spec.capacity.purchase == BLOCK and run.usable_until is None:
        yield f"set JOB_USABLE_UNTIL in {ENVIRONMENT} (UTC, ISO) to when the Capacity Block's instances go"
    if instance.fabric.domain_gpus % run.layout.tp:
        yield f"tensor parallelism {run.layout.tp} crosses NVLink domains of {instance.fabric.domain_gpus} GPUs"
    if fused_across(run, instance):
        yield "fused expert dispatch over EFA needs UCCL-EP or a DeepEP on NVSHMEM over libfabric in the image"
    yield from _model_warnings(recipe, run, arch)


def _model_warnings(recipe: Recipe | None, run: Run, arch: ModelArch | None) -> Iterator[str]:
    if recipe is BRIDGE:
        yield f"Megatron-Bridge takes the model from its recipe: name that of {run.model}, JOB_RECIPE in {ENVIRONMENT}"
    if recipe is TORCHTITAN:
        yield f"torchtitan takes the model from its own file: name that of {run.model}, JOB_CONFIG in {ENVIRONMENT}"
    unsaid = {MEGATRON: megatron_model.unsaid, NANOTRON: nanotron.unsaid, DEEPSPEED: megatron_model.unsaid}
    if recipe not in unsaid:
        return
    if arch is None:
        yield f"the architecture of {run.model} is not in the catalogue: pass its arguments to {SCRIPT}"
    elif unsaid[recipe](arch):
        yield f"{SCRIPT} does not say the {', '.join(unsaid[recipe](arch))} of {run.model}: add arguments or a spec"


def _model_arguments(recipe: Recipe | None, run: Run, arch: ModelArch | None) -> tuple[str, ...]:
    if arch is None or recipe not in (MEGATRON, DEEPSPEED):
        return ()
    say = megatron_model.model_arguments if recipe is MEGATRON else deepspeed.model_arguments
    return tuple(say(arch, run))


def _schedule_arguments(recipe: Recipe | None, run: Run, leave: int) -> tuple[str, ...]:
    if recipe is MEGATRON or recipe is DEEPSPEED:
        unfused = ("--attention-backend", "unfused") if run.framework == "megatron-unfused" else ()
        megatron_only = ("--log-throughput",) if recipe is MEGATRON else ()
        return (
            *unfused, "--train-iters", str(run.steps), "--save-interval", str(run.save_every), "--exit-signal-handler",
            "--exit-duration-in-mins", str(leave), "--log-interval", str(_LOG_EVERY), *megatron_only,
            "--distributed-timeout-minutes", "30",
        )  # fmt: skip
    if recipe is BRIDGE:
        return (
            f"train.train_iters={run.steps}", f"checkpoint.save_interval={run.save_every}",
            "train.exit_signal_handler=true", f"train.exit_duration_in_mins={leave}",
            f"logger.log_interval={_LOG_EVERY}", "dist.distributed_timeout_minutes=30",
        )  # fmt: skip
    if recipe is TORCHTITAN:
        compiled = ("--compile.enable", "true") if run.framework == "torchtitan" else ()
        return (
            "--training.steps", str(run.steps), *compiled, "--checkpoint.interval", str(run.save_every),
            "--metrics.log_freq", str(_LOG_EVERY),
        )  # fmt: skip
    return ()


def _variables(spec: ClusterSpec, run: Run, instance: Instance, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    recipe = recipe_for(run.framework, spec.recipe)
    yield from (("JOB_MODEL", run.model), ("JOB_FRAMEWORK", run.framework))
    yield "JOB_GPUS_PER_NODE", str(gpus_per_node(instance))
    yield "JOB_CHECKPOINTS", checkpoints(spec)
    yield "JOB_ENTRY", "" if recipe is None else _ENTRIES[recipe.name]
    yield from (("JOB_FOLDER", ""), ("JOB_VENV", ""), ("JOB_IMAGE", ""), ("JOB_MOUNTS", _mounts(spec, instance)))
    yield from _told_later(recipe, arch)
    if recipe is None:
        yield from _layout_variables(run)
    yield from _care(spec, run, instance)
    yield from _NETWORK.items()
    if spec.efa and instance.efa_interfaces:
        yield from _EFA.items()
    yield from _framework_variables(recipe, run, instance).items()
    yield from _local(spec, instance)


def _told_later(recipe: Recipe | None, arch: ModelArch | None) -> Iterator[tuple[str, str]]:
    """What only the user knows: data, tokenizer, learning rate, the model where the program has its own."""
    if recipe is TORCHTITAN:
        yield "JOB_CONFIG", ""
    elif recipe is BRIDGE:
        yield "JOB_RECIPE", ""
    elif recipe is not None:
        yield from (("JOB_DATA", ""), ("JOB_TOKENIZER", ""), ("JOB_LEARNING_RATE", "3e-4"))
        yield "JOB_VOCABULARY", str(arch.vocab if arch is not None else 128256)


def _care(spec: ClusterSpec, run: Run, instance: Instance) -> Iterator[tuple[str, str]]:
    """What health check, hang detection and the last save go by; a rate is left empty where there is no network."""
    known = spec.efa or spec.nodes == 1
    yield "JOB_HEALTH", "1"
    # How many interfaces an UltraServer's instances have is not published for sure (4 or 8): they are not counted.
    yield "JOB_EFA_PER_NODE", str(instance.efa_interfaces if spec.efa and not instance.member_type else 0)
    rates = (bus_bytes_per_s(instance, spec.nodes * instance.member_count), bus_bytes_per_s(instance, 2))
    for name, rate in zip(("JOB_BUS_GB_PER_S", "JOB_PAIR_GB_PER_S"), rates, strict=True):
        yield name, f"{rate / 1e9:.1f}" if known and rate else ""
    yield from (("JOB_BUS_SHARE", f"{_BUS_SHARE:g}"), ("JOB_ALL_REDUCE", ""))
    yield from (("JOB_HANG_MINUTES", str(hang_min(run))), ("JOB_MOST_RESTARTS", "10"))
    yield "JOB_SAVE_MARGIN_S", str(margin_s(run, limit_min(spec.max_hours)))
    block = spec.capacity.purchase == BLOCK and run.usable_until is not None
    yield "JOB_USABLE_UNTIL", str(run.usable_until) if block else ""
    yield "JOB_SOFTWARE", " ".join(f"{name}={version}" for name, version in spec.site.software.items())


def _local(spec: ClusterSpec, instance: Instance) -> Iterator[tuple[str, str]]:
    """Caches and traces go to the nodes' own disks where there are any."""
    folder = SCRATCH if instance.nvme_disks else checkpoints(spec)
    if instance.nvme_disks:
        yield from (("JOB_SCRATCH", SCRATCH), ("TRITON_CACHE_DIR", f"{SCRATCH}/triton"))
        yield "TORCHINDUCTOR_CACHE_DIR", f"{SCRATCH}/inductor"
    if folder:
        yield from (("TORCH_NCCL_TRACE_BUFFER_SIZE", "2000"), ("TORCH_NCCL_DUMP_ON_TIMEOUT", "1"))
        yield "TORCH_NCCL_DEBUG_INFO_TEMP_FILE", f"{folder}/nccl-trace-"


def _mounts(spec: ClusterSpec, instance: Instance) -> str:
    """Folders that a container sees under their own names."""
    disk = spec.site.file_system
    folders = [*([] if disk is None else [disk.mount_dir]), *([SCRATCH] if instance.nvme_disks else [])]
    return ",".join(f"{folder}:{folder}" for folder in folders)


def _layout_variables(run: Run) -> Iterator[tuple[str, str]]:
    yield from ((f"LAYOUT_{name.upper()}", str(value)) for name, value in run.layout.as_dict().items())
    yield from (("JOB_SEQ_LEN", str(run.seq_len)), ("JOB_GLOBAL_BATCH", str(run.global_batch)))
    yield from (("JOB_STEPS", str(run.steps)), ("JOB_SAVE_EVERY", str(run.save_every)))


def _framework_variables(recipe: Recipe | None, run: Run, instance: Instance) -> Mapping[str, str]:
    blackwell = instance.accelerator.architecture.startswith("blackwell")
    ordered = recipe in (MEGATRON, BRIDGE) and not blackwell and megatron.needs_one_connection(run.layout)
    # Its tensor-parallel layers start communication before the product that hides it, which one queue keeps in order.
    ordered = ordered or (recipe in (NANOTRON, DEEPSPEED) and not blackwell and run.layout.tp > 1)
    return {"CUDA_DEVICE_MAX_CONNECTIONS": "1"} if ordered else {}


def _array(name: str, values: tuple[str, ...]) -> str:
    """A bash array, one flag with its values per line."""
    lines: list[list[str]] = []
    for value in values:
        if value.startswith("--") or not lines or not lines[-1][0].startswith("--"):
            lines.append([])
        lines[-1].append(quote(value))
    body = "".join(f"  {' '.join(line)}\n" for line in lines)
    return f"{name}=(\n{body})\n" if lines else f"{name}=()\n"
