"""An alert as a value, and the alerts of hardware: XIDs, ECC, clocks, NVLink, EFA, nodes, storage.

Thresholds are judgements unless a source is named; each stands beside its alert.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fmctl.observe import names, xids
from fmctl.observe.names import GPU
from fmctl.observe.promql import number, selector, span, with_any
from fmctl.observe.watched import Watched

Severity: TypeAlias = Literal["critical", "warning", "info"]
CRITICAL: Severity = "critical"
WARNING: Severity = "warning"
INFO: Severity = "info"
DRAIN = "scontrol update nodename={{ $labels.node }} state=drain reason=gpu"
_ON = "on (cluster, node, gpu)"
_BUSY = 0.5
"""assumed: a GPU busy half of the time takes part in a run."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule, before it is written for Prometheus."""

    name: str
    severity: Severity
    component: str
    expression: str
    wait_s: float  # how long it has to hold
    summary: str
    next: str  # what to do


def hardware_alerts(seen: Watched) -> tuple[Alert, ...]:
    """All alerts that need no plan."""
    found = (_xids, _memory, _clocks, _nvlink, _efa, _nodes, _storage)
    return tuple(alert for group in found for alert in group(seen))


def _xids(seen: Watched) -> Iterator[Alert]:
    """XIDs by class. A window: a cleanup (45) written over a fault must not hide it.

    DCGM reports the last XID until its exporter restarts or another comes, and so long the alert stays.
    """
    where = "GPU {{ $labels.gpu }} of {{ $labels.node }}: XID {{ $labels.xid }}"
    window = span(seen.window(600))

    def alert(name: str, severity: Severity, kind: str, says: str, next: str) -> Alert:
        sel = with_any(selector(seen.labels), "xid", xids.codes(kind))
        return Alert(name, severity, "gpu", _xid(sel, window), 0.0, f"{where}, {says}", next)

    yield alert(
        "GpuXidFatal", CRITICAL, xids.FATAL, "the GPU needs a reset, its node a reboot or replacement",
        f"{DRAIN}; restart the run from its last checkpoint without the node; reboot it, and replace the instance if "
        "the XID comes again",
    )  # fmt: skip
    yield alert(
        "GpuXidNvlink", CRITICAL, xids.NVLINK, "an NVLink failed",
        f"{DRAIN}; nvidia-smi nvlink --status there; reboot, and replace the instance if it comes again",
    )  # fmt: skip
    yield alert(
        "GpuXidMemory", WARNING, xids.MEMORY, "the GPU handled a fault of its memory",
        "restart the job if it ended; reset the GPU at the next stop; watch for XID 48, 64 and 95",
    )  # fmt: skip
    yield alert(
        "GpuXidApplication", WARNING, xids.APPLICATION, "as a rule an error of the program",
        "look at the job's log; compute-sanitizer finds illegal accesses; the same GPU again with other programs: "
        "suspect the GPU",
    )  # fmt: skip
    unlisted = with_any(selector(seen.labels), "xid", tuple(xids.BY_CODE), negate=True)
    yield Alert(
        "GpuXidUnlisted", WARNING, "gpu", _xid(unlisted, window), 0.0, f"{where}, which fmctl does not know",
        "look it up in NVIDIA's XID catalog: docs.nvidia.com/deploy/xid-errors",
    )  # fmt: skip


def _xid(sel: str, window: str) -> str:
    return f"max by ({GPU}, xid) (max_over_time({names.XID_SEEN}{sel}[{window}])) > 0"


def _memory(seen: Watched) -> Iterator[Alert]:
    sel = selector(seen.labels)
    where = "GPU {{ $labels.gpu }} of {{ $labels.node }}"
    yield Alert(
        "GpuEccUncorrectable", CRITICAL, "gpu", f"{names.GPU_ECC.record}{sel} > 0", 0.0,
        f"{where}: {{{{ $value }}}} uncorrectable ECC errors since its last reset",
        "restart the run from its last checkpoint; reset the GPU; replace the instance if it comes again",
    )  # fmt: skip
    yield Alert(
        "GpuRowRemapFailed", CRITICAL, "gpu", f"{names.GPU_REMAP_FAILED.record}{sel} > 0", 0.0,
        f"{where}: a row of its memory could not be remapped", f"{DRAIN}; replace the instance",
    )  # fmt: skip
    yield Alert(
        "GpuRowRemapPending", WARNING, "gpu", f"{names.GPU_REMAP_PENDING.record}{sel} > 0", 0.0,
        f"{where}: a row is remapped at its next reset", "reset the GPU at the next stop of the run",
    )  # fmt: skip


def _bit(mask: str, bit: int) -> str:
    return f"floor({mask} / {bit}) % 2"


def _clocks(seen: Watched) -> Iterator[Alert]:
    """Bits: nvmlClocksEventReasons (NVML API). The software power cap (0x4) alone is no alert: training runs at it."""
    sel = selector(seen.labels)
    mask, clock = names.GPU_CLOCK_REASONS.record + sel, names.GPU_CLOCK.record + sel
    hot = f"({_bit(mask, 0x20)} + {_bit(mask, 0x40)}) > 0"
    where = "GPU {{ $labels.gpu }} of {{ $labels.node }}"
    yield Alert(
        "GpuThermalThrottling", WARNING, "gpu", hot, seen.paced(300),
        f"{where} lowers its clock because it is hot: the whole run waits for it",
        "drain the node at the next checkpoint and replace the instance: AWS cools it, not you",
    )  # fmt: skip
    yield Alert(
        "GpuPowerThrottling", WARNING, "gpu",
        f"({_bit(mask, 0x80)} > 0) or (({_bit(mask, 0x8)} > 0) unless ({hot}))", seen.paced(300),
        f"{where} is slowed down by its power supply: the whole run waits for it",
        "drain the node at the next checkpoint and replace the instance",
    )  # fmt: skip
    # assumed: a fifth below the median is more than GPUs of one type differ.
    behind = f"({clock} < on (cluster) group_left () (0.8 * quantile by (cluster) (0.5, {clock})))"
    yield Alert(
        "GpuClockBehind", WARNING, "gpu", f"{behind} and {_ON} ({names.GPU_BUSY.record}{sel} > {_BUSY})",
        seen.paced(600), f"{where} runs at {{{{ $value | humanize }}}}Hz, a fifth below the cluster's median",
        "compare nvidia-smi -q -d PERFORMANCE with another node; drain and replace the instance if it stays",
    )  # fmt: skip


def _nvlink(seen: Watched) -> Iterator[Alert]:
    sel = selector(seen.labels)
    sent, window = names.NVLINK_SENT.record + sel, span(seen.window(300))
    where = "GPU {{ $labels.gpu }} of {{ $labels.node }}"
    # assumed: 1 % of the median is no traffic; below 100 MB/s in the median nobody uses NVLink.
    median = f"quantile by (cluster) (0.5, avg_over_time({sent}[{window}]))"
    silent = f"avg_over_time({sent}[{window}]) < on (cluster) group_left () (0.01 * ({median} > 1e8))"
    yield Alert(
        "NvlinkDown", CRITICAL, "network", f"({silent}) and {_ON} ({names.GPU_BUSY.record}{sel} > {_BUSY})",
        seen.paced(300), f"{where} is busy and sends nothing over NVLink, the others do",
        f"nvidia-smi nvlink --status there; NCCL_DEBUG=INFO shows the path taken; {DRAIN}, reboot",
    )  # fmt: skip
    yield Alert(
        "NvlinkRecovering", WARNING, "network", f"max_over_time({names.NVLINK_RECOVERIES.record}{sel}[{window}]) > 0",
        0.0, f"{where}: an NVLink was lost and trained again",
        "nvidia-smi nvlink --errorcounters there; drain the node at the next checkpoint if it goes on",
    )  # fmt: skip


def _efa(seen: Watched) -> Iterator[Alert]:
    sel = selector(seen.labels)
    devices, wanted = names.EFA_DEVICES.record + sel, seen.settings.efa_devices
    most = f"max_over_time({devices}[{span(seen.window(86_400))}])" if wanted is None else number(wanted)
    if wanted != 0:
        yield Alert(
            "EfaDown", CRITICAL, "network", f"{devices} < {most}", seen.paced(60),
            "{{ $labels.node }} has {{ $value }} EFA devices, fewer than it should",
            "fi_info -p efa and dmesg there; drain the node and replace the instance",
        )  # fmt: skip
    window = span(seen.window(300))
    errors = " or ".join(
        f"max_over_time({one.record}{sel}[{window}]) > 0"
        for one in (names.EFA_DROPS, names.EFA_READ_ERRORS, names.EFA_WRITE_ERRORS)
    )
    yield Alert(
        "EfaErrors", WARNING, "network", errors, seen.paced(120),
        "{{ $labels.node }}, {{ $labels.device }}: {{ $value | humanize }} drops or failed RDMA requests per second",
        "compare with the other nodes: one node alone is to be drained, all together is the program or the driver",
    )  # fmt: skip


def _nodes(seen: Watched) -> Iterator[Alert]:
    sel = selector(seen.labels)
    per_node = with_any(sel, "exporter", ("node", "dcgm", "efa"))
    yield Alert(
        "NodeUnreachable", CRITICAL, "node", f"count by (cluster, node) (up{per_node} == 0)", seen.paced(120),
        "{{ $labels.node }}: {{ $value }} exporters do not answer",
        "scontrol show node {{ $labels.node }}; all exporters gone is the node, one gone is that exporter",
    )  # fmt: skip
    down, drained = names.SLURM_DOWN.record + sel, names.SLURM_DRAINED.record + sel
    yield Alert(
        "SlurmNodesOut", WARNING, "node", f"({down} > 0) or ({drained} > 0)", seen.paced(300),
        "Slurm has {{ $value }} nodes down or drained, paid for all the same",
        "sinfo -R says why; scontrol update nodename=NODE state=resume, or let the node be replaced",
    )  # fmt: skip
    # assumed: below 3 % the kernel begins to kill.
    left = f"{names.HOST_MEMORY.record}{sel} / {names.HOST_MEMORY_ALL.record}{sel}"
    yield Alert(
        "HostMemoryLow", WARNING, "node", f"{left} < 0.03", seen.paced(120),
        "{{ $labels.node }}: {{ $value | humanizePercentage }} of its memory is left",
        "fewer data workers, or a smaller cache of checkpoints in host memory",
    )  # fmt: skip


def _storage(seen: Watched) -> Iterator[Alert]:
    sel = selector(seen.labels)
    left = f"{names.LUSTRE_FREE.record}{sel} / {names.LUSTRE_SIZE.record}{sel}"
    # assumed: a tenth; Lustre's targets fill unevenly and the first full one stops the writer.
    yield Alert(
        "FileSystemFilling", WARNING, "storage", f"{left} < 0.1", seen.paced(300),
        "{{ $value | humanizePercentage }} of the Lustre file system is left",
        "delete old checkpoints, or raise the storage capacity of the file system",
    )  # fmt: skip
