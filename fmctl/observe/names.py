"""The names of metrics, in this one place: what exporters call them, and what fmctl's own rules call them.

A signal is recorded under one name whichever exporter is installed; its variants are tried in order. Alerts and
dashboard see signals and the run's own metrics alone.

Sources: NVIDIA dcgm-exporter default-counters.csv and DCGM field identifiers (4.5); aws-samples awsome-distributed-ai,
EFA node exporter; Slurm 25.11 metrics guide (slurm.schedmd.com/metrics.html) and prometheus-slurm-exporter;
node_exporter 1.x; whamcloud and GSI-HPC Lustre exporters.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmctl.observe.promql import span, with_any

GPU, NODE, CLUSTER, RUN = "cluster, node, gpu", "cluster, node", "cluster", "cluster, run"
DEVICE = "cluster, node, device"


@dataclass(frozen=True, slots=True)
class Variant:
    """A metric of one exporter."""

    metric: str
    scale: float = 1.0  # to the signal's unit
    counter: bool = False  # its increase per second is meant
    only: tuple[str, str] | None = None
    """A label and the one value that counts."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One quantity that is watched, by whatever exporter says it."""

    record: str  # its name in rules
    unit: str
    by: str
    how: str  # the aggregation over what exporters tell apart beyond `by`
    variants: tuple[Variant, ...]

    def expression(self, sel: str, window_s: float) -> str:
        """The first variant that is there, in the signal's unit.

        Each is aggregated before `or` compares them: then the labels are the same whoever exported them.
        """
        return " or ".join(self._one(variant, sel, window_s) for variant in self.variants)

    def _one(self, variant: Variant, sel: str, window_s: float) -> str:
        found = variant.metric + (sel if variant.only is None else with_any(sel, variant.only[0], (variant.only[1],)))
        if variant.counter:
            found = f"rate({found}[{span(window_s)}])"
        scaled = found if variant.scale == 1.0 else f"{found} * {variant.scale!r}"
        return f"{self.how} by ({self.by}) ({scaled})"


def _signal(record: str, unit: str, by: str, how: str, *variants: Variant | str) -> Signal:
    found = tuple(Variant(one) if isinstance(one, str) else one for one in variants)
    return Signal(f"fmctl:{record}", unit, by, how, found)


def _counter(metric: str) -> Variant:
    return Variant(metric, counter=True)


GPU_BUSY = _signal(
    "gpu_busy:ratio",
    "ratio",
    GPU,
    "max",
    Variant("DCGM_FI_DEV_GPU_UTIL", 0.01),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
)
GPU_TENSOR = _signal("gpu_tensor_active:ratio", "ratio", GPU, "max", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE")
GPU_POWER = _signal("gpu_power:watts", "W", GPU, "max", "DCGM_FI_DEV_POWER_USAGE")
# As set now, for one who lowers it; the type's own is the catalogue's.
GPU_POWER_LIMIT = _signal(
    "gpu_power_limit:watts", "W", GPU, "min", "DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "DCGM_FI_DEV_POWER_MGMT_LIMIT"
)
GPU_TEMPERATURE = _signal("gpu_temperature:celsius", "C", GPU, "max", "DCGM_FI_DEV_GPU_TEMP")
GPU_CLOCK = _signal(
    "gpu_sm_clock:hertz",
    "Hz",
    GPU,
    "max",
    Variant("DCGM_FI_DEV_SM_CLOCK", 1e6),
)
GPU_MEMORY = _signal("gpu_memory_used:bytes", "B", GPU, "max", Variant("DCGM_FI_DEV_FB_USED", 2.0**20))
# A bit mask: the same field under its name before and since DCGM 3.3.
GPU_CLOCK_REASONS = _signal(
    "gpu_clock_reasons:mask",
    "mask",
    GPU,
    "max",
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS",
    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS",
)
GPU_ECC = _signal("gpu_ecc_uncorrectable:count", "count", GPU, "max", "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL")
GPU_REMAP_FAILED = _signal("gpu_row_remap_failed:bool", "0 or 1", GPU, "max", "DCGM_FI_DEV_ROW_REMAP_FAILURE")
GPU_REMAP_PENDING = _signal("gpu_row_remap_pending:bool", "0 or 1", GPU, "max", "DCGM_FI_DEV_ROW_REMAP_PENDING")
# DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL is no variant: exporters disagree about its unit.
NVLINK_SENT = _signal("nvlink_sent:bytes_per_s", "B/s", GPU, "max", "DCGM_FI_PROF_NVLINK_TX_BYTES")
NVLINK_RECOVERIES = _signal(
    "nvlink_recoveries:per_s", "1/s", GPU, "max", _counter("DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL")
)
EFA_SENT = _signal("efa_sent:bytes_per_s", "B/s", NODE, "sum", _counter("node_amazonefa_tx_bytes"))
EFA_SENT_PACKETS = _signal("efa_sent:packets_per_s", "1/s", NODE, "sum", _counter("node_amazonefa_tx_pkts"))
EFA_RESENT_PACKETS = _signal("efa_resent:packets_per_s", "1/s", NODE, "sum", _counter("node_amazonefa_retrans_pkts"))
EFA_RESENT = _signal("efa_resent:bytes_per_s", "B/s", NODE, "sum", _counter("node_amazonefa_retrans_bytes"))
EFA_RECEIVED = _signal("efa_received:bytes_per_s", "B/s", NODE, "sum", _counter("node_amazonefa_rx_bytes"))
# One series per device that counts; node_amazonefa_info is missing from exporters that read the counters alone.
EFA_DEVICES = _signal("efa_devices:count", "devices", NODE, "count", "node_amazonefa_tx_bytes")
EFA_DROPS = _signal("efa_rx_drops:per_s", "1/s", DEVICE, "sum", _counter("node_amazonefa_rx_drops"))
EFA_READ_ERRORS = _signal(
    "efa_rdma_read_errors:per_s", "1/s", DEVICE, "sum", _counter("node_amazonefa_rdma_read_wr_err")
)
EFA_WRITE_ERRORS = _signal(
    "efa_rdma_write_errors:per_s", "1/s", DEVICE, "sum", _counter("node_amazonefa_rdma_write_wr_err")
)
SLURM_DOWN = _signal(
    "slurm_nodes_down:count",
    "nodes",
    CLUSTER,
    "max",
    "slurm_nodes_down",
    Variant("slurm_node_count_per_state", only=("state", "down")),
)
SLURM_DRAINED = _signal(
    "slurm_nodes_drained:count",
    "nodes",
    CLUSTER,
    "max",
    "slurm_nodes_drain",
    "slurm_nodes_drained",
    Variant("slurm_node_count_per_state", only=("state", "drain")),
)
SLURM_RUNNING = _signal("slurm_jobs_running:count", "jobs", CLUSTER, "max", "slurm_jobs_running", "slurm_queue_running")
# Pressure stall information: the share of time in which some task waits for storage.
HOST_IO_WAIT = _signal("host_io_wait:ratio", "ratio", NODE, "max", _counter("node_pressure_io_waiting_seconds_total"))
HOST_MEMORY = _signal("host_memory_available:bytes", "B", NODE, "max", "node_memory_MemAvailable_bytes")
HOST_MEMORY_ALL = _signal("host_memory:bytes", "B", NODE, "max", "node_memory_MemTotal_bytes")
LUSTRE_FREE = _signal(
    "lustre_available:bytes", "B", CLUSTER, "max", Variant("node_filesystem_avail_bytes", only=("fstype", "lustre"))
)
LUSTRE_SIZE = _signal(
    "lustre_size:bytes", "B", CLUSTER, "max", Variant("node_filesystem_size_bytes", only=("fstype", "lustre"))
)
LUSTRE_READ = _signal("lustre_read:bytes_per_s", "B/s", NODE, "sum", _counter("lustre_read_bytes_total"))
LUSTRE_WRITTEN = _signal("lustre_written:bytes_per_s", "B/s", NODE, "sum", _counter("lustre_write_bytes_total"))

# What the job itself exports, from one rank, or `observe export` out of its log; labels: run. Unix times in seconds.
STEP = "fmctl_step"
STEP_SECONDS = "fmctl_step_seconds"
LOSS = "fmctl_loss"
GRADIENT_NORM = "fmctl_gradient_norm"
TOKENS = "fmctl_tokens_total"
CHECKPOINT_TIME = "fmctl_checkpoint_timestamp_seconds"
CHECKPOINT_SAVE_SECONDS = "fmctl_checkpoint_save_seconds"
RUN_START = "fmctl_run_start_timestamp_seconds"
SPEND = "fmctl_spend_usd"
CAPACITY_END = "fmctl_capacity_end_timestamp_seconds"
JOB_METRICS = (
    (STEP, "gauge", "number of the last optimizer step that ended"),
    (STEP_SECONDS, "gauge", "seconds that the last step took"),
    (LOSS, "gauge", "training loss of the last step; NaN where it is"),
    (GRADIENT_NORM, "gauge", "norm of the gradients before clipping"),
    (TOKENS, "counter", "tokens trained on"),
    (CHECKPOINT_TIME, "gauge", "when the last whole checkpoint was safe on storage; of the one loaded after a start"),
    (CHECKPOINT_SAVE_SECONDS, "gauge", "seconds from the start of the last save until it was safe on storage"),
    (RUN_START, "gauge", "when the job began"),
    (
        SPEND,
        "gauge",
        "USD spent on the cluster, where somebody counts; else it is the time since the start by the price",
    ),
    (CAPACITY_END, "gauge", "when the capacity is taken away, where somebody knows"),
)

# What `observe export` says beside them, of log and plan. Labels: figure, kind.
EXPORTED = (
    ("fmctl_predicted", "gauge", "a figure of the plan; units are in the name of the figure"),
    ("fmctl_predicted_low", "gauge", "low end of its 80 % interval"),
    ("fmctl_predicted_high", "gauge", "high end of its 80 % interval"),
    ("fmctl_measured", "gauge", "the same figure, measured"),
    ("fmctl_outside", "gauge", "1 where it is measured outside its interval, 0 inside"),
    ("fmctl_planned_steps", "gauge", "steps that the run has"),
    ("fmctl_last_record_timestamp_seconds", "gauge", "time of the last line that was read, by the log's clock"),
    ("fmctl_finish_timestamp_seconds", "gauge", "when the run ends at its pace so far"),
    ("fmctl_records_total", "counter", "records of steps that were read"),
    ("fmctl_saves_total", "counter", "checkpoints that were saved"),
    ("fmctl_restarts_total", "counter", "restarts"),
    ("fmctl_nan_steps_total", "counter", "steps whose loss or gradient norm is not finite"),
    ("fmctl_loss_spikes_total", "counter", "steps whose loss jumped"),
    ("fmctl_alloc_retries_total", "counter", "times that the allocator freed memory and asked again"),
    ("fmctl_errors_total", "counter", "errors in the log, by kind"),
    ("fmctl_log_readable", "gauge", "0 where the log could not be read the last time"),
)

RUN_STEP = _signal("run_step", "steps", RUN, "max", STEP)
RUN_STEP_S = _signal("run_step:seconds", "s", RUN, "max", STEP_SECONDS)
RUN_LOSS = _signal("run_loss", "", RUN, "max", LOSS)
# The largest and not the sum: the program and `observe export` may both count one run's tokens.
RUN_TOKENS = _signal("run_tokens:per_s", "tokens/s", RUN, "max", _counter(TOKENS))
RUN_SAVED = _signal("run_checkpoint:timestamp", "s", RUN, "max", CHECKPOINT_TIME, RUN_START)
RUN_GRADIENT = _signal("run_gradient_norm", "", RUN, "max", GRADIENT_NORM)
RUN_SAVE_S = _signal("run_checkpoint_save:seconds", "s", RUN, "max", CHECKPOINT_SAVE_SECONDS)
RUN_STARTED = _signal("run_start:timestamp", "s", RUN, "min", RUN_START)

HARDWARE_SIGNALS = (
    GPU_BUSY, GPU_TENSOR, GPU_POWER, GPU_POWER_LIMIT, GPU_TEMPERATURE, GPU_CLOCK, GPU_MEMORY, GPU_CLOCK_REASONS,
    GPU_ECC, GPU_REMAP_FAILED, GPU_REMAP_PENDING, NVLINK_SENT, NVLINK_RECOVERIES, EFA_SENT, EFA_SENT_PACKETS,
    EFA_RESENT_PACKETS, EFA_RESENT, EFA_RECEIVED, EFA_DEVICES, EFA_DROPS, EFA_READ_ERRORS, EFA_WRITE_ERRORS,
    SLURM_DOWN, SLURM_DRAINED, SLURM_RUNNING, HOST_IO_WAIT, HOST_MEMORY, HOST_MEMORY_ALL, LUSTRE_FREE, LUSTRE_SIZE,
    LUSTRE_READ, LUSTRE_WRITTEN,
)  # fmt: skip
RUN_SIGNALS = (
    RUN_STEP, RUN_STEP_S, RUN_LOSS, RUN_TOKENS, RUN_SAVED, RUN_GRADIENT, RUN_SAVE_S, RUN_STARTED,
)  # fmt: skip
SIGNALS = HARDWARE_SIGNALS + RUN_SIGNALS

XID_SEEN = "fmctl:gpu_xid:seen"
XID_LAST, XID_COUNT = "DCGM_FI_DEV_XID_ERRORS", "DCGM_EXP_XID_ERRORS_COUNT"
"""The last XID as a value, and since dcgm-exporter 3.3 a count by label xid."""


def xid_expression(sel: str) -> str:
    """XIDs as a label, whichever way they are exported: the last one's number is a value, and becomes one."""
    by_label = f"max by ({GPU}, xid) ({XID_COUNT}{sel} > 0)"
    return f'count_values by ({GPU}) ("xid", {XID_LAST}{sel} > 0) or {by_label}'
