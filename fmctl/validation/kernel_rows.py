"""GEMM and attention sweeps as `Table`s: which rows are used, by written rules, and what is predicted of them.

Rules. A row is used where fmctl has its accelerator, and
- GEMM: it states m, n, k within the range that `perf.ops.kernels.gemm_measured` calls measured (64 rows and more: fewer
  are decoding, not training). fp16 runs at the bf16 rate. fp8 and nvfp4 rows of TensorRT-LLM quantise a bf16 input in
  the timed region; its bytes are added to the model.
- attention: it is causal (backward passes alone are published without a mask only, and used so), in 16 bit, and states
  direction, sequence and head dimension; fp8 keys and values are those of serving. The paper's figures have 16,384
  tokens and 2,048 of width where a row does not say. Modules of TensorRT-LLM hold rotary embedding and the write of
  keys and values as well.
Decoding, grouped GEMMs of accelerators we lack and stream rates are not in these tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from fmctl.catalog import load_instance
from fmctl.domain.hardware import Accelerator
from fmctl.domain.layout import Precision
from fmctl.perf.ops.calibration import PRIOR, Calibration
from fmctl.perf.ops.kernels import (
    ATTENTION_FITS,
    GEMM_FITS,
    PEAK_KEY,
    AttentionFit,
    KernelRates,
    attention_s,
    gemm_measured,
    gemm_s,
    kernel_rates,
    stream_s,
)
from fmctl.validation.bounded import Bounds, Vector
from fmctl.validation.tables import Table

Row = Mapping[str, str]
ON: Mapping[str, str] = {
    "A100 SXM": "p4de.24xlarge",
    "H100 SXM": "p5.48xlarge",
    "H200 SXM": "p5en.48xlarge",
    "B200 SXM": "p6-b200.48xlarge",
    "B300 SXM": "p6-b300.48xlarge",
    "GB200": "u-p6e-gb200x72",
}
PRECISIONS: Mapping[str, Precision] = {
    "bf16": Precision.BF16,
    "fp16": Precision.BF16,
    "fp8": Precision.FP8,
    "fp8_block": Precision.MXFP8,
    "nvfp4": Precision.NVFP4,
}
# Tables are measured in short bursts: the sustained factors are those of whole training steps, and come out.
BURST: Calibration = replace(
    PRIOR,
    name="burst",
    sustained_ampere=1.0,
    sustained_hopper=1.0,
    sustained_hopper_low=1.0,
    sustained_blackwell=1.0,
    sustained_blackwell_low=1.0,
    sustained_attention=1.0,
)
# share of peak, fixed s, k0, mn0, share of HBM bandwidth: (low, high, prior, logarithmic).
GEMM_BOUNDS = Bounds.of(
    (0.3, 1.0, 0.70, False), (1e-6, 30e-6, 5e-6, True), (1.0, 2000.0, 256.0, True), (1.0, 300.0, 64.0, True),
    (0.3, 1.0, 0.75, False),
)  # fmt: skip
# The fields of AttentionFit in order; dim64 and dim256 keep their priors where a sweep has 128 alone.
ATTENTION_BOUNDS = Bounds.of(
    (0.1, 1.0, 0.55, False), (0.1, 1.0, 0.5, False), (50.0, 4000.0, 500.0, True), (50.0, 4000.0, 700.0, True),
    (0.5, 1.2, 0.85, False), (0.5, 1.2, 0.85, False), (0.5, 1.2, 1.0, False),
)  # fmt: skip
# The kernel family of a library by architecture, as perf.ops.kernels has it; None: serving kernels that stand behind no
# family. On Hopper those of TensorRT-LLM are of the class of cuDNN, which training uses.
FAMILIES: Mapping[tuple[str, str], str | None] = {
    ("FlashAttention-2", "ampere"): "fa2",
    ("FlashAttention-2", "hopper"): "fa2",
    ("FlashAttention-3", "hopper"): "fa3",
    ("cuDNN", "hopper"): "cudnn",
    ("TensorRT-LLM", "hopper"): "cudnn",
    ("TensorRT-LLM", "ampere"): None,
    ("TensorRT-LLM", "blackwell"): "cudnn",
}
PASSES: Mapping[str, float] = {"fwd": 1.0, "module": 1.0, "bwd": 2.5, "fwd+bwd": 3.5}
FIGURE_TOKENS, FIGURE_WIDTH = 16384.0, 2048.0


@cache
def _accelerator(gpu: str) -> Accelerator:
    return load_instance(ON[gpu]).accelerator


def _number(row: Row, *names: str) -> float:
    """The first of the columns that is filled; 0 where none is."""
    return next((float(row[name]) for name in names if row.get(name)), 0.0)


def _library(row: Row) -> str:
    name = row.get("library") or row.get("kernel") or "not stated"
    return "TensorRT-LLM" if name.lower().startswith(("trtllm", "tensorrt")) else name


def gemm_tables(rows: Sequence[Row]) -> list[Table]:
    """The GEMM rows as one table per accelerator, precision and source."""
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        named = row.get("kind", "gemm") == "gemm" and row.get("gpu") in ON and row.get("dtype") in PRECISIONS
        if named and _in_range(row):
            groups[row["gpu"], row["dtype"], _library(row), row["source"]].append(row)
    return [_gemm_table(*key, found) for key, found in sorted(groups.items())]


def _in_range(row: Row) -> bool:
    m, n, k = (np.array([_number(row, name)]) for name in ("m", "n", "k"))
    rates = kernel_rates(_accelerator(row["gpu"]), "best", BURST)
    return bool(gemm_measured(rates, np.array([int(Precision.BF16)]), m, n, k)[0])


def _gemm_table(gpu: str, dtype: str, library: str, source: str, rows: Sequence[Row]) -> Table:
    accelerator, precision = _accelerator(gpu), PRECISIONS[dtype]
    m, n, k = (np.array([_number(row, name) for row in rows]) for name in ("m", "n", "k"))
    flop = 2.0 * m * n * k
    measured = [
        _number(row, "time_us") * 1e-6 or f / (_number(row, "tflops") * 1e12) for row, f in zip(rows, flop, strict=True)
    ]
    rates, codes = kernel_rates(accelerator, "best", BURST), np.full(len(rows), int(precision))
    quantised = library == "TensorRT-LLM" and precision != Precision.BF16

    def model(constants: Vector) -> Vector:
        with_these = gemm_rates(rates, accelerator, precision, constants)
        time = gemm_s(with_these, codes, m, n, k, np.ones_like(m), 2.0)
        if quantised:
            time = time + stream_s(rates, m * k * (2.0 + rates.operand_bytes[codes]), 0.0)
        return time

    fits = GEMM_FITS.get(accelerator.kernel_table, {})
    return Table(
        kind="GEMM",
        on=gpu,
        of=precision.label,
        source=f"{library} {source}",
        constants=f"{gpu} {precision.label}",
        family=f"{accelerator.architecture} {precision.label}",
        shapes=tuple(f"{row['n']}x{row['k']}" for row in rows),
        measured_s=np.array(measured),
        model=model,
        bounds=GEMM_BOUNDS,
        shipped=np.array(fits[precision]) if precision in fits else None,
    )


def gemm_rates(
    rates: KernelRates, accelerator: Accelerator, precision: Precision, constants: Sequence[float] | Vector
) -> KernelRates:
    """`rates` with the constants of one precision (a perf.ops.kernels.GemmFit) replaced."""
    share, fixed, k0, mn0, hbm = constants
    peak = accelerator.peak_flop_per_s.get(PEAK_KEY[precision], accelerator.peak_flop_per_s["bf16"])
    every = np.ones(len(Precision))
    return replace(
        rates,
        rate_flop_per_s=every * share * peak,
        fixed_s=every * fixed,
        k0=every * k0,
        mn0=every * mn0,
        gemm_hbm_bytes_per_s=every * hbm * accelerator.hbm_bytes_per_s,
    )


def attention_tables(rows: Sequence[Row]) -> list[Table]:
    """The attention rows as one table per accelerator, kernel library and direction; the directions share constants."""
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("kind", "attention").startswith("attention") and _is_training(row):
            groups[row["gpu"], _library(row), _direction(row), row["source"]].append(row)
    return [_attention_table(*key, found) for key, found in sorted(groups.items())]


def _direction(row: Row) -> str:
    return "module" if row.get("kind") == "attention_prefill" else row.get("direction", "")


def _is_training(row: Row) -> bool:
    sixteen = row.get("dtype", "") in ("", "fp16", "bf16", "bfloat16/kv bfloat16")
    causal = _is_causal(row) or _direction(row) == "bwd"
    stated = _number(row, "seq", "seq_q") > 0.0 and _number(row, "head_dim") > 0.0
    return sixteen and causal and stated and row.get("gpu") in ON and _direction(row) in PASSES


def _is_causal(row: Row) -> bool:
    return row.get("causal", "").lower() in ("yes", "true")


def _dimensions(row: Row) -> tuple[float, float, float, float, float]:
    """(batch, heads, key/value heads, sequence, head dimension)."""
    seq, dim = _number(row, "seq", "seq_q"), _number(row, "head_dim")
    heads = _number(row, "heads") or FIGURE_WIDTH / dim
    return _number(row, "batch") or FIGURE_TOKENS / seq, heads, _number(row, "kv_heads") or heads, seq, dim


def _attention_table(gpu: str, library: str, direction: str, source: str, rows: Sequence[Row]) -> Table:
    accelerator = _accelerator(gpu)
    b, a, g, s, d = (np.array(column) for column in zip(*(_dimensions(row) for row in rows), strict=True))
    full = np.array([1.0 if _is_causal(row) else 2.0 for row in rows])
    whole = PASSES[direction] * full * 2.0 * b * a * s * s * d
    measured = [
        _number(row, "time_us") * 1e-6 or f / (_number(row, "tflops") * 1e12)
        for row, f in zip(rows, whole, strict=True)
    ]
    rates = kernel_rates(accelerator, "best", BURST)
    timed = _attention_model(rates, direction, full, (b, a, g, s, d))
    architecture = accelerator.architecture
    family = FAMILIES.get((library, architecture))
    fit = ATTENTION_FITS[architecture][family] if family else None
    return Table(
        kind="attention",
        on=gpu,
        of=f"{library} {direction}",
        source=f"{library} {source}",
        constants=f"{gpu} {library}",
        family=f"{architecture} attention",
        shapes=tuple("x".join(f"{x:.0f}" for x in _dimensions(row)) for row in rows),
        measured_s=np.array(measured),
        model=lambda constants: timed(attention_rates(rates, accelerator, AttentionFit(*constants))),
        bounds=ATTENTION_BOUNDS,
        shipped=None if fit is None else np.array([getattr(fit, name) for name in AttentionFit.__slots__]),
    )


def _attention_model(
    rates: KernelRates, direction: str, full: Vector, dimensions: tuple[Vector, ...]
) -> Callable[[KernelRates], Vector]:
    """Rates -> seconds of every row of one direction. `full`: 2 without a mask, when a query sees twice the keys."""
    b, a, g, s, d = dimensions
    flop, moved = full * 2.0 * b * a * s * s * d, 2.0 * b * s * d * (2.0 * a + 2.0 * g)
    rotary = stream_s(rates, 2.0 * b * s * d * (2.0 * a + 4.0 * g), 4.0)  # q and k both ways, keys and values once more

    def one(with_these: KernelRates, backward: bool) -> Vector:
        time = np.empty_like(flop)
        for dim in np.unique(d):
            at = d == dim
            times, moves = (2.5, 2.0) if backward else (1.0, 1.0)
            time[at] = attention_s(
                with_these, times * flop[at], moves * moved[at], (full * s)[at], float(dim), backward
            )
        return time

    def model(with_these: KernelRates) -> Vector:
        time = np.zeros_like(flop)
        if direction != "bwd":
            time = time + one(with_these, False)
        if "bwd" in direction:
            time = time + one(with_these, True)
        return time + rotary if direction == "module" else time

    return model


def attention_rates(rates: KernelRates, accelerator: Accelerator, fit: AttentionFit) -> KernelRates:
    """`rates` with the constants of a kernel family replaced."""
    peak = accelerator.peak_flop_per_s["bf16"]
    return replace(
        rates,
        attention_forward_flop_per_s=fit.forward * peak,
        attention_backward_flop_per_s=fit.backward * peak,
        attention_forward_half_seq=fit.forward_half,
        attention_backward_half_seq=fit.backward_half,
        attention_dim64=fit.dim64,
        attention_backward_dim64=fit.backward_dim64,
        attention_dim256=fit.dim256,
    )
