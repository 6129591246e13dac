"""How a value is said: by the unit at the end of its name. The one place for wording that two front ends share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import expm1
from typing import TYPE_CHECKING, Literal, TypeAlias

from fmctl.base.units import (
    UNKNOWN,
    format_bytes,
    format_count,
    format_percent,
    format_seconds,
    format_usd,
    format_watts_hours,
    significant,
)

if TYPE_CHECKING:
    from fmctl.domain.rows.results import Cost, EstimateRow
    from fmctl.domain.rows.terms import LayoutRow

FIT_WORDS: Mapping[str, str] = {
    "ok": "fits",
    "tight": "fits, but little memory is left",
    "OOM": "does not fit: out of memory",
}
_COUNTS = ("tokens", "total_params", "active_params", "tokens_per_step", "iops_max")
_FRACTIONS = ("mfu", "hfu", "measured_fraction", "share", "relative")


_SI = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def si(value: float, unit: str) -> str:
    """`3.35 TB/s`, `990 TFLOP/s`: decimal prefixes, as rates and powers have them."""
    step, prefix = next(((s, p) for s, p in _SI if abs(value) >= s * 0.9995), _SI[-1])
    return f"{significant(value / step)} {prefix}{unit}"


_SUFFIXES: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("tokens_per_s_per_gpu", lambda v: f"{format_count(v)}/s"),
    ("tokens_per_s", lambda v: f"{format_count(v)}/s"),
    ("wh_per_million_tokens", format_watts_hours),
    ("usd_per_billion_tokens", format_usd),
    ("usd_per_h", lambda v: f"{format_usd(v)}/h"),
    ("_bits_per_s", lambda v: si(v, "b/s")),
    ("_bytes_per_s", lambda v: si(v, "B/s")),
    ("_flop_per_s", lambda v: si(v, "FLOP/s")),
    ("_flop", lambda v: si(v, "FLOP")),
    ("_bytes", format_bytes),
    ("_params", format_count),
    ("usd", format_usd),
    ("_wh", format_watts_hours),
    ("_w", lambda v: si(v, "W")),
    ("_s", format_seconds),
)
_LABELS: Mapping[str, str] = {
    "total_params": "parameters",
    "active_params": "active parameters",
    "n_layers": "layers",
    "n_experts": "experts",
    "max_seq": "longest sequence",
    "hf_id": "Hugging Face",
    "gpus": "GPUs",
    "accelerator": "GPU",
    "memory_bytes": "GPU memory",
    "hbm_bytes_per_s": "HBM bandwidth",
    "domain_gpus": "GPUs per NVLink domain",
    "efa_bits_per_s": "EFA",
    "vcpu": "vCPU",
    "ram_bytes": "host memory",
    "nvme_bytes": "local disks",
    "nvme_disks": "number of local disks",
    "nvlink_bytes_per_s": "NVLink, one way, per GPU",
    "network_bytes_per_s": "EFA, one way, per GPU",
    "ebs_bits_per_s": "EBS",
    "cpu_arch": "CPU architecture",
    "efa_version": "EFA version",
    "efa_interfaces": "EFA interfaces",
    "card0": "network card 0",
    "rdma_write": "RDMA write",
    "mtp_layers": "MTP layers",
    "qk_norm": "QK norm",
}


def label(name: str) -> str:
    """What a field is called in a report: its name without the unit, which the value carries."""
    if name in _LABELS:
        return _LABELS[name]
    bare = name
    for suffix in ("_bytes_per_s", "_bits_per_s", "_flop_per_s", "_bytes", "_flop", "_w", "_s"):
        bare = bare.removesuffix(suffix)
    return bare.replace("_", " ")


def say(name: str, value: object) -> str:
    """`value` for a person, by the unit that `name` ends in: ("step_s", 4.2) is "4.2 s", None is "unknown"."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(v) for v in value)
    if not isinstance(value, int | float):
        return str(value)
    return _number(name, value)


def _number(name: str, value: float) -> str:
    leaf = name.rpartition(".")[2]
    if leaf in _FRACTIONS:
        return format_percent(value)
    if leaf in _COUNTS:
        return format_count(value)
    for suffix, form in _SUFFIXES:
        if leaf.endswith(suffix):
            return form(value)
    return str(int(value)) if float(value).is_integer() else significant(value)


_Degree: TypeAlias = Literal["tp", "pp", "vpp", "cp", "ep", "etp"]
_PARALLEL: Sequence[tuple[_Degree, str]] = (
    ("tp", "TP"),
    ("pp", "PP"),
    ("vpp", "VPP"),
    ("cp", "CP"),
    ("ep", "EP"),
    ("etp", "ETP"),
)


def compact_layout(layout: LayoutRow) -> str:
    """`TP8 PP4 DP32 mb1 Z1 Rs fp8`: only what is not one or none; `LAYOUT_LEGEND` says what the letters mean."""
    parts = [f"{label}{layout[name]}" for name, label in _PARALLEL if layout[name] > 1]
    parts += [f"DP{layout['dp']}", f"mb{layout['micro_batch']}"]
    if layout["sharding"] != "none":
        parts.append("Z" + layout["sharding"][-1])
    if layout["recompute"] != "none":
        parts.append("R" + layout["recompute"][0] + (str(layout["recompute_layers"] or "")))
    if layout["precision"] != "bf16":
        parts.append(layout["precision"])
    return " ".join(parts)


LAYOUT_LEGEND = "mb micro batch, Z ZeRO stage (3 is FSDP), Rs/Rf selective/full recompute; dimensions of 1 are left out"


def short_instance(text: str) -> str:
    """`p5.48xlarge x8` as `p5 x8`: the size that nearly all of them have is left out on narrow screens."""
    return text.replace(".48xlarge", "").replace("instance x nodes", "on")


def short_layout(text: str) -> str:
    """A layout without its micro batch where that is one sequence."""
    return text.replace(" mb1", "")


def brief_usd(amount_usd: float | None) -> str:
    """`$2.34k`: three digits for a column; below a thousand as `say` has it."""
    if amount_usd is None or abs(amount_usd) < 1000:
        return format_usd(amount_usd)
    return f"${significant(amount_usd / 1000)}k" if amount_usd < 9_999.5 else format_usd(amount_usd)


def plural(count: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def paid_by(cost: Cost) -> str:
    """`on-demand in us-east-1 of 2026-07-20`, or that no price of it is known."""
    said = f"{cost['price_option']} in {cost['price_region']}"
    return f"{said} (price not known)" if cost["usd_per_h"] is None else f"{said} of {cost['price_date']}"


def half_width(result: EstimateRow) -> str:
    """The step time's 80 % interval as `9%` (more or less), empty where it is not known."""
    times = result["time"]
    high, middle = times.get("step_high_s"), times.get("step_s")
    return f"{high / middle - 1:.0%}" if high and middle else ""


def closeness(result: EstimateRow) -> str:
    """How close two predictions must be for the model not to tell them apart: one short line."""
    resolved = expm1(result.get("resolution") or 0.0)
    return f"under {resolved:.0%} apart; between types, under ±"


def money(result: EstimateRow) -> tuple[str, str]:
    """(what it costs, per what): the whole run where its tokens are known, else 10⁹ tokens."""
    cost = result["cost"]
    if result["run"]["run_s"] is not None:
        whole = result.get("whole_run")
        return say("run_usd", whole["comparable_usd"] if whole else cost["run_usd"]), "the run"
    return say("usd_per_billion_tokens", cost["usd_per_billion_tokens"]), "10⁹ tokens"
