"""What completion lists beside fixed choices: kinds of names that `fmctl __complete` knows, and the fields of a row.

Spelled out here because completion may not wait for numpy; a test holds the fields against the documents.
"""

from __future__ import annotations

from collections.abc import Mapping

DYNAMIC: Mapping[str, str] = {
    "model": "models",
    "instances": "instances",
    "instance": "instances",
    "fields": "fields",
    "a": "plans",
    "b": "plans",
    "subject": "subjects",
    "plan_name": "plans",
    "run_name": "runs",
    "from_run": "runs",
    "site": "files",
    "folder": "files",
    "setting": "settings",
    "calibration": "calibrations",
    "data": "files",
    "config_file": "files",
    "out": "files",
}
KINDS = (
    "models",
    "instances",
    "plans",
    "runs",
    "subjects",
    "fields",
    "formats",
    "frameworks",
    "settings",
    "calibrations",
)

FIELDS: tuple[str, ...] = (
    "rank", "pareto", "told_apart", "model", "framework", "instance", "nodes", "gpus", "fits",
    "tp", "pp", "vpp", "cp", "ep", "etp", "dp", "dp_replicate", "micro_batch", "sequence_parallel", "sharding",
    "recompute", "recompute_layers", "precision", "schedule", "cp_comm", "dispatcher", "cuda_graph",
    "seq_len", "global_batch", "tokens_per_step", "tokens", "optimizer",
    "step_s",
    "gemm_s", "attention_s", "memory_bound_s", "recompute_s", "launch_s", "logits_s", "tp_exposed_s", "cp_exposed_s",
    "ep_exposed_s", "pp_exposed_s", "bubble_s", "dp_exposed_s", "optimizer_s", "overhead_s", "straggler_s",
    "step_low_s", "step_high_s",
    "tp_total_s", "cp_total_s", "ep_total_s", "pp_total_s", "dp_total_s", "nvlink_s", "network_s",
    "weights_bytes", "gradients_bytes", "optimizer_bytes", "activations_bytes", "logits_bytes", "buffers_bytes",
    "allocated_bytes", "reserved_bytes", "runtime_bytes", "used_bytes", "margin_bytes", "device_bytes",
    "model_flop", "hardware_flop", "mfu", "hfu", "tokens_per_s", "tokens_per_s_per_gpu", "run_s", "run_low_s",
    "run_high_s", "checkpoint_bytes", "checkpoint_save_s", "power_w", "wh_per_million_tokens", "run_wh",
    "usd_per_h", "usd_per_billion_tokens", "run_usd", "price_usd_per_h", "price_region", "price_option", "price_date",
    "measured_fraction", "resolution",
    "start", "finish_p10", "finish_p50", "finish_p90", "wall_p10_s", "wall_p50_s", "wall_p90_s", "work_s", "goodput",
    "goodput_low", "goodput_high", "interruptions", "interruptions_low", "interruptions_high", "mtbf_s", "recovery_s",
    "lost_work_s", "spares", "best_spares", "saved_bytes", "save_interval_s", "save_stall_s", "save_drain_s", "load_s",
    "young_interval_s", "file_system", "file_system_tib", "file_system_efa", "file_system_usd_per_month", "local_disks",
    "not_compared", "kwh", "kwh_low", "kwh_high", "tco2e", "tco2e_low", "tco2e_high", "tco2e_marginal", "water_l",
    "pue_assumed", "total_usd", "comparable_usd", "total_p90_usd", "known_usd", "idle_usd", "reading_limit",
    "reading_share",
)  # fmt: skip
