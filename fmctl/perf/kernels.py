"""Achieved rates of GEMM, attention and memory-bound kernels by shape, precision and accelerator.

Each (accelerator, precision) has five constants fitted to a measured GEMM sweep (tokens 64 to 32,768; 12 weight shapes
from 2048 x 2048 to 16384 x 16384): the sustained share of peak, the fixed time of a call (which for fp8 and nvfp4
includes quantising the input), two shape constants, and the share of HBM bandwidth when the call is bandwidth-bound.
The median error on the sweep is 3-8 %. Where an accelerator has no sweep for a precision a roofline stands in and the
result says so (`measured` false).

Source: GEMM sweeps of ai-dynamo/aiconfigurator (TensorRT-LLM 1.3.0rc20; A100: 1.0.0), attention sweeps of the same and
of Dao-AILab/flash-attention (FlashAttention-2 and -3, cuDNN on H100 and A100); stream rates of
Azure/AI-benchmarking-guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fmctl.domain.hardware import Accelerator
from fmctl.domain.layout import Precision
from fmctl.domain.result import FloatArray
from fmctl.perf.calibration import Calibration

# (share of peak, fixed s, k0, mn0, share of HBM bandwidth): fit of `gemm_s` to the sweep, log error, soft-L1 loss.
GemmFit = tuple[float, float, float, float, float]
_A100: GemmFit = (0.916, 6.2e-6, 516.0, 69.0, 0.872)
_H100_BF16: GemmFit = (0.791, 3.5e-6, 1.0, 1.0, 0.840)
_H100_FP8: GemmFit = (0.647, 13.0e-6, 508.0, 1.0, 0.792)
_H100_FP8_BLOCK: GemmFit = (0.591, 5.3e-6, 577.0, 26.0, 0.794)
_B200_BF16: GemmFit = (0.686, 2.9e-6, 1.0, 22.0, 0.727)
_B200_FP8: GemmFit = (0.596, 15.9e-6, 500.0, 56.0, 0.707)
_B200_FP8_BLOCK: GemmFit = (0.607, 7.2e-6, 119.0, 1.0, 0.666)
_B200_NVFP4: GemmFit = (0.418, 10.3e-6, 436.0, 1.0, 0.399)
GEMM_FITS: Mapping[str, Mapping[Precision, GemmFit]] = {
    "a100": {Precision.BF16: _A100},
    "h100": {Precision.BF16: _H100_BF16, Precision.FP8: _H100_FP8, Precision.MXFP8: _H100_FP8_BLOCK},
    "h200": {
        Precision.BF16: (0.790, 3.8e-6, 1.0, 1.0, 0.833),
        Precision.FP8: (0.661, 13.0e-6, 469.0, 1.0, 0.775),
        Precision.MXFP8: (0.591, 5.5e-6, 570.0, 4.0, 0.738),
    },
    "b200": {
        Precision.BF16: _B200_BF16,
        Precision.FP8: _B200_FP8,
        Precision.MXFP8: _B200_FP8_BLOCK,
        Precision.NVFP4: _B200_NVFP4,
    },
    "b300": {
        Precision.BF16: (0.719, 2.4e-6, 1.0, 11.0, 0.679),
        Precision.FP8: (0.629, 15.2e-6, 473.0, 72.0, 0.694),
        Precision.MXFP8: (0.671, 6.6e-6, 146.0, 34.0, 0.647),
        Precision.NVFP4: (0.370, 10.7e-6, 1487.0, 59.0, 0.397),
    },
    "gb200": {
        Precision.BF16: (0.675, 2.7e-6, 1.0, 47.0, 0.758),
        Precision.FP8: (0.568, 15.5e-6, 592.0, 88.0, 0.804),
        Precision.MXFP8: (0.593, 6.9e-6, 170.0, 17.0, 0.678),
        Precision.NVFP4: (0.415, 9.8e-6, 540.0, 22.0, 0.416),
    },
}
_ROOFLINE: GemmFit = (0.70, 5.0e-6, 256.0, 64.0, 0.75)
# Peak of a precision, and bytes per element of its operands. NVFP4 counts its block scales (1 byte per 16 values).
PEAK_KEY: Mapping[Precision, str] = {
    Precision.BF16: "bf16",
    Precision.FP8: "fp8",
    Precision.MXFP8: "fp8",
    Precision.NVFP4: "fp4",
}
OPERAND_BYTES: Mapping[Precision, float] = {
    Precision.BF16: 2.0,
    Precision.FP8: 1.0,
    Precision.MXFP8: 1.03125,
    Precision.NVFP4: 0.5625,
}
# Range of the sweep: tokens, and the smaller and larger weight dimension.
SWEEP_TOKENS = (64.0, 32768.0)
SWEEP_WEIGHT = (512.0, 53248.0)
# Rows added by tile padding per expert in a grouped GEMM: half of a 128-row tile, on average.
GROUP_PADDING_ROWS = 64.0

# Attention: (forward share of bf16 peak, backward share, sequence at which half of the peak rate is lost).
AttentionFit = tuple[float, float, float]
ATTENTION_FITS: Mapping[str, Mapping[str, AttentionFit]] = {
    "ampere": {"best": (0.62, 0.59, 400.0), "fa2": (0.62, 0.59, 400.0)},
    "hopper": {
        "best": (0.62, 0.52, 500.0),
        "fa3": (0.64, 0.52, 550.0),
        "cudnn": (0.57, 0.50, 400.0),
        "fa2": (0.34, 0.33, 350.0),
    },
    "blackwell": {"best": (0.55, 0.44, 860.0), "cudnn": (0.55, 0.44, 860.0), "fa2": (0.30, 0.27, 860.0)},
}
# head_dim 64 runs at this share of the head_dim 128 rate; 256 at about 1 (FlashAttention-2/-3 and cuDNN sweeps).
HEAD_DIM_64_SHARE = 0.84


@dataclass(frozen=True, slots=True)
class KernelRates:
    """Rates of one accelerator, indexed by precision code where they depend on it (arrays of shape [4])."""

    rate_flop_per_s: FloatArray
    fixed_s: FloatArray
    k0: FloatArray
    mn0: FloatArray
    gemm_hbm_bytes_per_s: FloatArray
    operand_bytes: FloatArray
    measured: FloatArray
    supported: FloatArray
    attention_forward_flop_per_s: float
    attention_backward_flop_per_s: float
    attention_half_seq: float
    hbm_bytes_per_s: float
    bf16_peak_flop_per_s: float


def kernel_rates(accelerator: Accelerator, attention_kernel: str, calibration: Calibration) -> KernelRates:
    """Rates of `accelerator` under sustained load, from its sweep, or a roofline where there is none.

    `attention_kernel` is a family of ATTENTION_FITS; an unknown one falls back on the best of the architecture.
    """
    fits = GEMM_FITS.get(accelerator.kernel_table, {})
    sustained = calibration.sustained_gemm(accelerator.architecture)
    rows = [fits.get(p, _ROOFLINE) for p in Precision]
    # A precision without its own units (fp8 on A100) is not supported; it is given the bf16 peak and never chosen.
    peaks = [accelerator.peak_flop_per_s.get(PEAK_KEY[p], accelerator.peak_flop_per_s["bf16"]) for p in Precision]
    families = ATTENTION_FITS[accelerator.architecture]
    forward, backward, half_seq = families.get(attention_kernel, families["best"])
    bf16 = accelerator.peak_flop_per_s["bf16"]
    return KernelRates(
        rate_flop_per_s=np.array([r[0] * p * sustained for r, p in zip(rows, peaks, strict=True)]),
        fixed_s=np.array([r[1] for r in rows]),
        k0=np.array([r[2] for r in rows]),
        mn0=np.array([r[3] for r in rows]),
        gemm_hbm_bytes_per_s=np.array([r[4] * accelerator.hbm_bytes_per_s for r in rows]),
        operand_bytes=np.array([OPERAND_BYTES[p] for p in Precision]),
        measured=np.array([1.0 if p in fits else 0.0 for p in Precision]),
        supported=np.array([1.0 if PEAK_KEY[p] in accelerator.peak_flop_per_s else 0.0 for p in Precision]),
        attention_forward_flop_per_s=forward * bf16 * calibration.sustained_attention,
        attention_backward_flop_per_s=backward * bf16 * calibration.sustained_attention,
        attention_half_seq=half_seq,
        hbm_bytes_per_s=accelerator.hbm_bytes_per_s * calibration.hbm_fraction,
        bf16_peak_flop_per_s=bf16,
    )


def gemm_s(
    rates: KernelRates,
    precision: FloatArray,
    m: FloatArray,
    n: FloatArray,
    k: FloatArray,
    groups: FloatArray,
    output_bytes: FloatArray,
) -> FloatArray:
    """Time of `groups` products [m, k] x [k, n] in one launch, s.

    t = t0 + (c^4 + b^4)^(1/4); compute c = 2 g m n k (1 + k0/k)(1 + mn0/m)(1 + mn0/n) / rate, bandwidth
    b = g (m k + k n) operand bytes + g m n output bytes over the achieved HBM rate. With more than one group each
    group's rows are padded by half a tile.

    precision: codes, shape [U]; m, n, k, groups, output_bytes: shapes broadcastable to [G, U]; a dimension of 0 gives
    0. Source: fit to measured sweeps (module docstring). Valid: m 64-32,768, n and k 512-53,248.
    """
    rows = np.where(groups > 1.0, m + GROUP_PADDING_ROWS, m)
    safe_m, safe_n, safe_k = np.maximum(rows, 1.0), np.maximum(n, 1.0), np.maximum(k, 1.0)
    mn0 = rates.mn0[precision]
    flop = 2.0 * groups * safe_m * safe_n * (safe_k + rates.k0[precision])
    compute = flop * ((1.0 + mn0 / safe_m) * (1.0 + mn0 / safe_n)) / rates.rate_flop_per_s[precision]
    moved = groups * ((m * k + k * n) * rates.operand_bytes[precision] + m * n * output_bytes)
    bandwidth = moved / rates.gemm_hbm_bytes_per_s[precision]
    c2, b2 = compute * compute, bandwidth * bandwidth
    # Square roots instead of a power: exact in IEEE arithmetic, so one row equals the same row in a batch.
    blended = np.sqrt(np.sqrt(c2 * c2 + b2 * b2))
    present: FloatArray = np.where(m * n * k > 0.0, rates.fixed_s[precision] + blended, 0.0)
    return present


def gemm_measured(rates: KernelRates, precision: FloatArray, m: FloatArray, n: FloatArray, k: FloatArray) -> FloatArray:
    """1 where the shape lies inside the measured sweep of the accelerator and precision, else 0. Shapes as `gemm_s`."""
    inside = (m >= SWEEP_TOKENS[0]) & (m <= 2.0 * SWEEP_TOKENS[1])
    inside &= (np.minimum(n, k) >= SWEEP_WEIGHT[0]) & (np.maximum(n, k) <= SWEEP_WEIGHT[1])
    return inside * rates.measured[precision]


def attention_s(
    rates: KernelRates, flop: FloatArray, moved_bytes: FloatArray, seq: FloatArray, head_dim: float, backward: bool
) -> FloatArray:
    """Time of a fused softmax-attention kernel, s: t0 + flop (1 + s0 / seq) / rate + bytes / HBM rate.

    flop: shape [U], causal half only; backward counts 2.5 x forward. moved_bytes: queries, keys, values and output
    once. seq: query length. Source: fit to attention sweeps (module docstring). Valid: seq 512-32,768.
    """
    rate = rates.attention_backward_flop_per_s if backward else rates.attention_forward_flop_per_s
    share = HEAD_DIM_64_SHARE if head_dim <= 64 else 1.0
    compute = flop * (1.0 + rates.attention_half_seq / np.maximum(seq, 1.0)) / (rate * share)
    time: FloatArray = np.where(flop > 0.0, 20e-6 + compute + moved_bytes / rates.hbm_bytes_per_s, 0.0)
    return time


def stream_s(rates: KernelRates, moved_bytes: FloatArray, launches: float) -> FloatArray:
    """Time of memory-bound kernels that move `moved_bytes` in `launches` launches, s: bytes / HBM rate + 2.5 us each.

    2.5 us is the start-up of a small kernel on the device side. Source: HBM stream rates (module docstring).
    """
    time: FloatArray = moved_bytes / rates.hbm_bytes_per_s + 2.5e-6 * launches
    return time
