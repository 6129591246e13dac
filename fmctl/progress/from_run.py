"""A run that was followed, with its plan's row, as one row of a measured-runs file: what `fmctl calibrate` learns from.

The columns are those of the shipped runs; an empty cell says nothing. The throughput is the run's median step, so that
restarts and saves, which the step model does not hold, are left out.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING

from fmctl.base.errors import UsageError
from fmctl.base.printing import csv_cell
from fmctl.domain.hardware import Instance
from fmctl.domain.model import ModelArch
from fmctl.frameworks.registry import log_of
from fmctl.progress.state import Progress

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.domain.rows.terms import LayoutRow

COLUMNS = (
    "id", "source_repo_or_paper", "source_path_or_table", "framework", "gpu", "gpu_memory_gb", "system",
    "inter_node_network", "n_gpus", "gpus_per_node", "model", "n_params_b", "n_layers", "hidden", "ffn", "n_heads",
    "n_kv_heads", "vocab", "head_dim", "n_experts", "topk", "expert_ffn", "n_shared_experts", "attention_kind",
    "seq_len", "global_batch", "micro_batch", "tp", "pp", "vpp", "cp", "ep", "etp", "dp", "sharding", "seq_parallel",
    "recompute", "precision", "overlap_flags", "step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu",
    "flops_convention", "peak_mem_gb", "oom", "source_family", "notes",
)  # fmt: skip
# Fewer steps than these say more of compilation and caches than of the layout. assumed.
FEWEST_RECORDS = 20
_GIB = 2.0**30
_AS_THEY_ARE = ("micro_batch", "tp", "pp", "vpp", "cp", "ep", "etp", "dp", "recompute", "precision")
_EXCHANGES = {"all-gather": "cp by all-gather", "all-to-all": "cp by all-to-all"}
_DISPATCHERS = {"all-to-all": "alltoall", "fused": "deepep", "proxy": "uccl"}


def measured_row(
    row: EstimateRow,
    progress: Progress,
    instance: Instance,
    name: str,
    arch: ModelArch | None = None,
) -> dict[str, str]:
    """One row, by column.

    Args:
        row: the plan's row that was run.
        progress: the run.
        instance: the row's instance type.
        name: the run's name: its id, and the cluster or log it came from.
        arch: the model, where it is no preset that every copy of fmctl knows.

    Raises:
        UsageError: the run is too short, or its log has no step times.
    """
    rate = _rate(row, progress)
    work, layout, memory = row["workload"], row["layout"], progress.memory_bytes
    log = log_of(row["framework"])
    found: dict[str, object] = {
        "id": name,
        "source_repo_or_paper": "own run",
        "source_path_or_table": name,
        "framework": log.measured_as.get(row["framework"], row["framework"]),
        "gpu": instance.accelerator.name,
        "system": f"AWS {row['instance']}",
        "inter_node_network": "EFA",
        "n_gpus": row["gpus"],
        "gpus_per_node": instance.gpus // max(instance.member_count, 1),
        "model": row["model"],
        **(_dimensions(arch) if arch is not None else {}),
        "seq_len": work["seq_len"],
        "global_batch": work["global_batch"],
        **{name: value for name, value in layout.items() if name in _AS_THEY_ARE},
        "sharding": _sharding(layout),
        "seq_parallel": int(layout["sequence_parallel"]),
        "overlap_flags": _flags(layout, row["framework"], arch),
        "step_time_s": f"{progress.step_s:.6g}",
        "tokens_per_s_per_gpu": f"{rate:.6g}",
        "peak_mem_gb": "" if memory is None else f"{memory / _GIB:.6g}",
        "source_family": "own runs",
        "notes": _notes(row, progress),
    }
    return {column: str(found.get(column, "")) for column in COLUMNS}


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """A measured-runs file."""
    stream = StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _rate(row: EstimateRow, p: Progress) -> float:
    """Tokens per second and GPU: tokens of a step / median step / GPUs."""
    if p.step_s is None or not isfinite(p.step_s):
        raise UsageError("the run cannot be learned from", why="its log states no step times")
    if p.records < FEWEST_RECORDS:
        why = f"it has {p.records} records, fewer than {FEWEST_RECORDS}"
        raise UsageError("the run cannot be learned from", why=why, next="wait for more steps")
    return float(row["workload"]["tokens_per_step"] / p.step_s / row["gpus"])


def _dimensions(arch: ModelArch) -> dict[str, object]:
    """Dimensions of a model of one kind of layer; of others the name has to do."""
    kind = arch.kinds[0]
    mixer, forward = kind.mixer, kind.feed_forward
    if len(arch.kinds) > 1 or mixer is None or forward is None:
        return {"n_layers": arch.n_layers, "vocab": arch.vocab}
    shared = forward.shared_ffn // forward.expert_ffn if forward.expert_ffn else 0
    return {
        "n_params_b": f"{arch.official_total / 1e9:.6g}" if arch.official_total else "",
        "n_layers": arch.n_layers, "hidden": arch.hidden, "ffn": forward.ffn or "", "n_heads": mixer.n_heads,
        "n_kv_heads": mixer.n_kv_heads, "vocab": arch.vocab, "head_dim": mixer.head_dim if mixer.type != "mla" else "",
        "n_experts": forward.n_experts or "", "topk": forward.top_k or "", "expert_ffn": forward.expert_ffn or "",
        "n_shared_experts": shared or "", "attention_kind": "mla" if mixer.type == "mla" else "",
    }  # fmt: skip


def _sharding(layout: LayoutRow) -> str:
    """`zero3`, or with copies of the sharded state `zero3 within 8`: ranks that share one copy."""
    copies = layout["dp_replicate"]
    shards = layout["dp"] * layout["cp"] // copies
    return str(layout["sharding"]) if copies == 1 else f"{layout['sharding']} within {shards}"


def _flags(layout: LayoutRow, framework: str, arch: ModelArch | None) -> str:
    """What the columns have no place for, in the words of the rules that read them."""
    flags = [f"cuda_graph={layout['cuda_graph']}", _EXCHANGES.get(layout["cp_comm"], "")]
    if arch is None or arch.is_moe:
        flags.append(_DISPATCHERS.get(layout["dispatcher"], ""))
    flags.append(log_of(framework).flags.get(framework, ""))
    return "; ".join(flag for flag in flags if flag)


def _notes(row: EstimateRow, p: Progress) -> str:
    layout = row["layout"]
    said = [f"median of {p.records} records", f"GiB {log_of(row['framework']).memory}"]
    said += ["zero-bubble"] if layout["schedule"] == "zero-bubble" else []
    said += [f"full recomputation of {layout['recompute_layers']} layers"] if layout["recompute_layers"] else []
    return "; ".join(said)
