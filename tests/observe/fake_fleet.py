"""A FAKE fleet for tests: what exporters of a small cluster would say at a time, healthy or with one fault planted.

Nothing here was measured. `series` is what rules are tested on; `serve` offers the same over HTTP to a real Prometheus,
a cluster per address of the loopback network (127.1.CLUSTER.NODE) and an exporter per port.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

NODES, GPUS, EFA = 2, 2, 4
CAP_USD = 1e6
Value = float | Callable[[float], float]
Sample = tuple[str, dict[str, str], float]


@dataclass(frozen=True)
class Fault:
    """What differs from a healthy fleet. everywhere: not only on the first node, GPU and device."""

    values: Mapping[str, Value] = field(default_factory=dict)
    everywhere: bool = False
    missing: str = ""
    """A metric that the first device of the first node does not have."""
    silent: str = ""
    """An exporter that does not answer on the first node."""


HEALTHY = Fault()
SPIKE_AT_S = 2280.0
"""Of the fleet's clock: when the loss jumps."""


def _xid(code: int) -> Fault:
    return Fault({"DCGM_FI_DEV_XID_ERRORS": code})


FAULTS: Mapping[str, Fault] = {
    "GpuXidFatal": _xid(79),
    "GpuXidNvlink": _xid(74),
    "GpuXidMemory": _xid(94),
    "GpuXidApplication": _xid(31),
    "GpuXidUnlisted": _xid(999),
    "GpuEccUncorrectable": Fault({"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 2}),
    "GpuRowRemapFailed": Fault({"DCGM_FI_DEV_ROW_REMAP_FAILURE": 1}),
    "GpuRowRemapPending": Fault({"DCGM_FI_DEV_ROW_REMAP_PENDING": 1}),
    "GpuThermalThrottling": Fault({"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 0x40 | 0x8 | 0x4}),
    "GpuPowerThrottling": Fault({"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 0x80 | 0x8}),
    "GpuClockBehind": Fault({"DCGM_FI_DEV_SM_CLOCK": 1000}),
    "NvlinkDown": Fault({"DCGM_FI_PROF_NVLINK_TX_BYTES": 0}),
    "NvlinkRecovering": Fault({"DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": lambda t: t // 1}),
    "EfaDown": Fault(missing="node_amazonefa_tx_bytes"),
    "EfaErrors": Fault({"node_amazonefa_rx_drops": lambda t: 10 * t}),
    "NodeUnreachable": Fault(silent="node"),
    "SlurmNodesOut": Fault({"slurm_nodes_down": 1}),
    "HostMemoryLow": Fault({"node_memory_MemAvailable_bytes": 1e10}),
    "FileSystemFilling": Fault({"node_filesystem_avail_bytes": 5e11}, everywhere=True),
    "RunSlowerThanPredicted": Fault({"fmctl_step_seconds": 40.0}),
    "RunFasterThanPredicted": Fault({"fmctl_step_seconds": 10.0}),
    "RunStalled": Fault({"fmctl_step": 1234}),
    "LossNotFinite": Fault({"fmctl_loss": math.nan}),
    "LossSpike": Fault({"fmctl_loss": lambda t: 2.5 if t < SPIKE_AT_S else 4.0}),
    "CheckpointOverdue": Fault({"fmctl_checkpoint_timestamp_seconds": lambda t: t - 1e5}),
    "GpusIdle": Fault({"DCGM_FI_DEV_GPU_UTIL": 0}, everywhere=True),
    "SpendNearCap": Fault({"fmctl_spend_usd": 0.9 * CAP_USD}),
    "SpendOverCap": Fault({"fmctl_spend_usd": 1.1 * CAP_USD}),
    "CapacityEnding": Fault({"fmctl_capacity_end_timestamp_seconds": lambda t: t + 1800}),
}  # fmt: skip
# The same faults as other exporters, or other values, tell them.
MORE: tuple[tuple[str, Fault], ...] = (
    ("GpuXidFatal", Fault({"DCGM_EXP_XID_ERRORS_COUNT": 1})),
    ("LossNotFinite", Fault({"fmctl_loss": math.inf})),
    ("EfaErrors", Fault({"node_amazonefa_rdma_write_wr_err": lambda t: t})),
    ("GpuThermalThrottling", Fault({"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": 0x20})),
    ("SlurmNodesOut", Fault({"slurm_nodes_drain": 2})),
)


def series(exporter: str, node: int, t: float, fault: Fault = HEALTHY, run: str = "r1") -> list[Sample]:
    """What an exporter of a node says at a time; the job and Slurm are on the first node."""
    made = {"node": _node, "dcgm": _dcgm, "efa": _efa, "slurm": _slurm, "job": _job}[exporter]
    found = []
    for name, labels, value in made(node, t, fault, run):
        first = fault.everywhere or (node == 0 and all(one in ("0", "rdmap0") for one in _where(labels)))
        if not (first and name == fault.missing):
            planted = fault.values.get(name) if first else None
            found.append((name, labels, value if planted is None else planted(t) if callable(planted) else planted))
    return found


def _where(labels: Mapping[str, str]) -> list[str]:
    return [labels[name] for name in ("gpu", "device") if name in labels]


def _node(node: int, t: float, fault: Fault, run: str) -> Iterator[Sample]:
    yield "node_memory_MemAvailable_bytes", {}, 1.5e12
    yield "node_memory_MemTotal_bytes", {}, 2e12
    yield "node_filesystem_avail_bytes", {"fstype": "lustre", "mountpoint": "/fsx"}, 4e12
    yield "node_filesystem_size_bytes", {"fstype": "lustre", "mountpoint": "/fsx"}, 7e12
    yield "node_pressure_io_waiting_seconds_total", {}, 0.02 * t
    yield "node_filesystem_avail_bytes", {"fstype": "ext4", "mountpoint": "/boot"}, 1.0
    yield "node_filesystem_size_bytes", {"fstype": "ext4", "mountpoint": "/boot"}, 1e9


def _dcgm(node: int, t: float, fault: Fault, run: str) -> Iterator[Sample]:
    for gpu in range(GPUS):
        of = {"gpu": str(gpu), "Hostname": f"gpu-st-p5-{node + 1}", "modelName": "NVIDIA H100 80GB HBM3"}
        yield "DCGM_FI_DEV_GPU_UTIL", of, 92 + 5 * math.sin(t / 30 + node + gpu)
        yield "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", of, 0.45 + 0.02 * math.sin(t / 17 + gpu)
        yield "DCGM_FI_DEV_POWER_USAGE", of, 650.0
        yield "DCGM_FI_DEV_POWER_MGMT_LIMIT", of, 700.0
        yield "DCGM_FI_DEV_GPU_TEMP", of, 61.0
        yield "DCGM_FI_DEV_SM_CLOCK", of, 1755.0 - 40 * gpu
        yield "DCGM_FI_DEV_FB_USED", of, 70_000.0
        yield "DCGM_FI_DEV_CLOCKS_EVENT_REASONS", of, 0x4
        yield "DCGM_FI_DEV_XID_ERRORS", of, 45.0 if node == 1 and gpu == 1 else 0.0
        yield "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", of, 0.0
        yield "DCGM_FI_DEV_ROW_REMAP_FAILURE", of, 0.0
        yield "DCGM_FI_DEV_ROW_REMAP_PENDING", of, 0.0
        yield "DCGM_FI_PROF_NVLINK_TX_BYTES", of, 1.2e11 + 1e10 * math.sin(t / 11)
        yield "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", of, 3.0
        if "DCGM_EXP_XID_ERRORS_COUNT" in fault.values:
            yield "DCGM_EXP_XID_ERRORS_COUNT", of | {"xid": "48", "window_size_in_ms": "300000"}, 0.0


def _efa(node: int, t: float, fault: Fault, run: str) -> Iterator[Sample]:
    for device in range(EFA):
        of = {"device": f"rdmap{device}", "port": "1"}
        yield "node_amazonefa_tx_bytes", of, t * 1e10
        yield "node_amazonefa_rx_bytes", of, t * 1e10
        yield "node_amazonefa_tx_pkts", of, t * 1.2e6
        for name in ("rx_drops", "rdma_read_wr_err", "rdma_write_wr_err", "retrans_pkts", "retrans_bytes"):
            yield f"node_amazonefa_{name}", of, 7.0


def _slurm(node: int, t: float, fault: Fault, run: str) -> Iterator[Sample]:
    for name in ("down", "drain", "drained"):
        yield f"slurm_nodes_{name}", {}, 0.0
    yield "slurm_jobs_running", {}, 1.0


def _job(node: int, t: float, fault: Fault, run: str) -> Iterator[Sample]:
    if node == 0:
        of = {"run": run}
        yield "fmctl_step", of, t // 1
        yield "fmctl_step_seconds", of, 28.0 + math.sin(t)
        yield "fmctl_loss", of, 2.5 + 0.05 * math.sin(t)
        yield "fmctl_gradient_norm", of, 0.3
        yield "fmctl_checkpoint_save_seconds", of, 900.0
        yield "fmctl_tokens_total", of, t * 148_000
        yield "fmctl_run_start_timestamp_seconds", of, t - 7200
        yield "fmctl_checkpoint_timestamp_seconds", of, t - 600
        for name in ("fmctl_spend_usd", "fmctl_capacity_end_timestamp_seconds"):
            if name in fault.values:
                yield name, {}, 0.0


def exposition(samples: list[Sample]) -> str:
    """The text format of Prometheus, as exporters answer."""
    lines = []
    for name, labels, value in samples:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{pairs}}} {_printed(value)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _printed(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value == math.inf else repr(float(value))


def address(cluster: int, node: int) -> str:
    """Where a node's exporters answer."""
    return f"127.1.{cluster + 1}.{node + 1}"


@contextmanager
def serve(clusters: list[tuple[Fault, str]], exporters: tuple[str, ...]) -> Iterator[dict[str, int]]:
    """A port per exporter, on which every node of these clusters (fault, run) answers; clusters by number."""
    began = time.time()
    servers = {name: _server(name, clusters, began) for name in exporters}
    threads = [Thread(target=one.serve_forever, daemon=True) for one in servers.values()]
    for thread in threads:
        thread.start()
    try:
        yield {name: one.server_address[1] for name, one in servers.items()}
    finally:
        for one in servers.values():
            one.shutdown()
            one.server_close()


def _server(exporter: str, clusters: list[tuple[Fault, str]], began: float) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _, _, cluster, node = (int(part) for part in self.connection.getsockname()[0].split("."))
            fault, run = clusters[cluster - 1]
            if fault.silent == exporter and node == 1:
                self.send_error(503)
                return
            samples = series(exporter, node - 1, time.time(), _climbing(fault, began), run)
            body = exposition(samples).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # Prometheus hangs up when it is stopped

        def verify_request(self, request: Any, client_address: Any) -> bool:
            return str(client_address[0]).startswith("127.")  # it listens everywhere to have all of 127.0.0.0/8

    return Server(("0.0.0.0", 0), Handler)


def _climbing(fault: Fault, began: float) -> Fault:
    """The fleet's clock is the wall clock here: a loss climbs 5 % a second, whenever Prometheus begins to look."""
    if fault is not FAULTS["LossSpike"]:
        return fault
    return Fault({"fmctl_loss": lambda t: 2.5 * 1.05 ** (t - began)})
