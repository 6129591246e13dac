"""The environment file of a job: what a user may change, what the network needs, what its own care goes by."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from fmctl.domain.cluster import ClusterSpec
from fmctl.domain.hardware import Instance
from fmctl.domain.program import Program, Run
from fmctl.targets.slurm.network import bus_bytes_per_s
from fmctl.targets.slurm.times import hang_min, limit_min, margin_s

ENVIRONMENT = "job.env"
SCRATCH = "/scratch"  # where the nodes' own disks are, where there are any
_BUS_SHARE = 0.7  # assumed: the collectives' model is good to 4-9 %; a node that costs a third is unfit
# For libfabric >= 1.18 and aws-ofi-nccl >= 1.7: the plugin sets the rest by platform, and better (provider, protocol,
# GPUDirect, buffers, topology file). Source: awslabs/awsome-distributed-ai, EFA cheat sheet; aws-ofi-nccl platform-aws.
_EFA = {"FI_EFA_USE_HUGE_PAGE": "0"}
_NETWORK = {"NCCL_SOCKET_IFNAME": "^docker,lo,veth", "NCCL_DEBUG": "WARN"}
# Links that `nvidia-smi nvlink -s` lists with a rate. Source: NVIDIA A100, H100 and Blackwell architecture papers: 600,
# 900 and 1,800 GB/s a GPU at 50, 50 and 100 GB/s a link. What is not listed here is not counted.
_NVLINKS = {"ampere": 12, "hopper": 18, "blackwell": 18, "blackwell-ultra": 18}


def environment(spec: ClusterSpec, run: Run, instance: Instance, program: Program, *, health: bool = True) -> str:
    """The environment file: NAME=value, quoted, for `source` and for whoever reads it.

    health: whether nodes are checked before the job trains on them; what has no GPU would never pass.
    """
    values = dict(_variables(spec, run, instance, program))
    values |= {} if health else {"JOB_HEALTH": "0"}
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def gpus_per_node(instance: Instance) -> int:
    """GPUs of one EC2 instance."""
    return instance.gpus // instance.member_count


def checkpoints(spec: ClusterSpec) -> str:
    """Where checkpoints go; empty where the site has no file system."""
    found = spec.site.file_system
    return "" if found is None else f"{found.mount_dir}/checkpoints/{spec.name}"


def _variables(spec: ClusterSpec, run: Run, instance: Instance, program: Program) -> Iterator[tuple[str, str]]:
    yield from (("JOB_MODEL", run.model), ("JOB_FRAMEWORK", run.framework))
    yield "JOB_GPUS_PER_NODE", str(gpus_per_node(instance))
    yield "JOB_CHECKPOINTS", checkpoints(spec)
    yield "JOB_ENTRY", program.entry
    yield from (("JOB_FOLDER", ""), ("JOB_VENV", ""), ("JOB_IMAGE", ""), ("JOB_MOUNTS", _mounts(spec, instance)))
    yield "JOB_MANIFEST", ""
    yield from program.variables
    yield from _care(spec, run, instance)
    yield from _NETWORK.items()
    if spec.efa and instance.efa_interfaces:
        yield from _EFA.items()
    if program.one_queue and not instance.accelerator.architecture.startswith("blackwell"):
        yield "CUDA_DEVICE_MAX_CONNECTIONS", "1"
    yield from _local(spec, instance)


def _care(spec: ClusterSpec, run: Run, instance: Instance) -> Iterator[tuple[str, str]]:
    """What health check, hang detection and the last save go by; a rate is left empty where there is no network."""
    known = spec.efa or spec.nodes == 1
    yield "JOB_HEALTH", "1"
    linked = gpus_per_node(instance) > 1
    yield "JOB_NVLINKS_PER_GPU", str(_NVLINKS.get(instance.accelerator.architecture, 0) if linked else 0)
    # How many interfaces an UltraServer's instances have is not published for sure (4 or 8): they are not counted.
    yield "JOB_EFA_PER_NODE", str(instance.efa_interfaces if spec.efa and not instance.member_type else 0)
    rates = (bus_bytes_per_s(instance, spec.nodes * instance.member_count), bus_bytes_per_s(instance, 2))
    for name, rate in zip(("JOB_BUS_GB_PER_S", "JOB_PAIR_GB_PER_S"), rates, strict=True):
        yield name, f"{rate / 1e9:.1f}" if known and rate else ""
    yield from (("JOB_BUS_SHARE", f"{_BUS_SHARE:g}"), ("JOB_ALL_REDUCE", ""))
    yield from (("JOB_HANG_MINUTES", str(hang_min(run))), ("JOB_MOST_RESTARTS", "10"))
    yield "JOB_SAVE_MARGIN_S", str(margin_s(run, limit_min(spec.max_hours)))
    block = spec.capacity.option.in_blocks and run.usable_until is not None
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
