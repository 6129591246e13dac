"""Achieved rates of GEMM, attention and memory-bound kernels by shape, precision and accelerator.

Each (accelerator, precision) has five constants fitted to a measured GEMM sweep (tokens 64 to 32,768; 12 weight shapes
from 2048 x 2048 to 16384 x 16384): the share of peak in short bursts, the fixed time of a call, two shape constants,
and the share of HBM bandwidth when the call is bandwidth-bound. The sweeps of fp8 and nvfp4 quantise a bf16 input in
the timed region; its bytes were taken out in the fit (which halves the residual) because perf.train.passes counts casts
by itself. The median error on the sweep is 3-7 %. Where an accelerator has no sweep for a precision a roofline stands
in and the result says so (`measured` false).

Source: GEMM sweeps of ai-dynamo/aiconfigurator (TensorRT-LLM 1.3.0rc20; A100: 1.0.0), attention sweeps of the same and
of Dao-AILab/flash-attention (FlashAttention-2 and -3, cuDNN on H100 and A100); stream rates of
Azure/AI-benchmarking-guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fmctl.domain.hardware import Accelerator
from fmctl.domain.layout import IntArray, Precision
from fmctl.domain.result import FloatArray
from fmctl.perf.ops.calibration import Calibration

# (share of peak, fixed s, k0, mn0, share of HBM bandwidth): fit of `gemm_s` to the sweep, log error, soft-L1 loss.
GemmFit = tuple[float, float, float, float, float]
_A100: GemmFit = (0.916, 6.2e-6, 516.0, 69.0, 0.872)
_H100_BF16: GemmFit = (0.791, 3.5e-6, 1.0, 1.0, 0.840)
_H100_FP8: GemmFit = (0.693, 12.5e-6, 364.0, 1.0, 0.797)
_H100_FP8_BLOCK: GemmFit = (0.635, 5.0e-6, 457.0, 28.0, 0.823)
_B200_BF16: GemmFit = (0.686, 2.9e-6, 1.0, 22.0, 0.727)
_B200_FP8: GemmFit = (0.630, 15.6e-6, 327.0, 60.0, 0.704)
_B200_FP8_BLOCK: GemmFit = (0.651, 6.9e-6, 1.0, 1.0, 0.687)
_B200_NVFP4: GemmFit = (0.458, 9.9e-6, 376.0, 1.0, 0.443)
GEMM_FITS: Mapping[str, Mapping[Precision, GemmFit]] = {
    "a100": {Precision.BF16: _A100},
    "h100": {Precision.BF16: _H100_BF16, Precision.FP8: _H100_FP8, Precision.MXFP8: _H100_FP8_BLOCK},
    "h200": {
        Precision.BF16: (0.790, 3.8e-6, 1.0, 1.0, 0.833),
        Precision.FP8: (0.695, 12.7e-6, 364.0, 1.0, 0.777),
        Precision.MXFP8: (0.621, 5.3e-6, 493.0, 5.0, 0.764),
    },
    "b200": {
        Precision.BF16: _B200_BF16,
        Precision.FP8: _B200_FP8,
        Precision.MXFP8: _B200_FP8_BLOCK,
        Precision.NVFP4: _B200_NVFP4,
    },
    "b300": {
        Precision.BF16: (0.719, 2.4e-6, 1.0, 11.0, 0.679),
        Precision.FP8: (0.669, 15.0e-6, 304.0, 75.0, 0.687),
        Precision.MXFP8: (0.723, 6.4e-6, 1.0, 31.0, 0.663),
        Precision.NVFP4: (0.414, 10.5e-6, 1426.0, 64.0, 0.442),
    },
    "gb200": {
        Precision.BF16: (0.675, 2.7e-6, 1.0, 47.0, 0.758),
        Precision.FP8: (0.606, 15.3e-6, 423.0, 100.0, 0.808),
        Precision.MXFP8: (0.639, 6.6e-6, 46.0, 17.0, 0.699),
        Precision.NVFP4: (0.452, 9.4e-6, 435.0, 23.0, 0.460),
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
SWEEP_WEIGHT = (2048.0, 16384.0)
# A shape within this factor of the sweep's range still counts as interpolated from it.
SWEEP_REACH = 2.0
# Rows added by tile padding per expert in a grouped GEMM: half of a 128-row tile, on average.
GROUP_PADDING_ROWS = 64.0

# Start-up of a small kernel on the device side, s.
STREAM_LAUNCH_S = 2.5e-6
# Time of an attention call beyond its compute and traffic, s (short sequences of the sweeps).
ATTENTION_FIXED_S = 10e-6


@dataclass(slots=True, eq=False, repr=False)
class AttentionFit:
    """Constants of one fused-attention kernel family on one architecture, for `attention_s`; causal masks."""

    forward: float  # share of the bf16 peak at head_dim 128 and long sequences
    backward: float
    forward_half: float  # tokens at which half of that rate is lost
    backward_half: float
    dim64: float  # rate at head_dim 64 over the rate at 128
    backward_dim64: float
    dim256: float  # at 256, of both passes


# Forward passes and FlashAttention-2 backward: causal sweeps, errors of 1-3 % at the median. FlashAttention-3 and cuDNN
# backward on H100: arXiv 2407.08608 figure 6, which is not causal; a causal mask doubles backward_half (it does so for
# FlashAttention-2, where both are published). A100: only forward + backward together are published.
_FA2_A100 = AttentionFit(0.623, 0.623, 475.0, 475.0, 0.90, 0.90, 0.94)
_FA2_H100 = AttentionFit(0.344, 0.336, 265.0, 598.0, 0.89, 0.865, 0.94)
_FA3_H100 = AttentionFit(0.676, 0.595, 511.0, 793.0, 0.70, 0.846, 1.04)
_CUDNN_H100 = AttentionFit(0.561, 0.543, 224.0, 679.0, 0.69, 0.845, 0.94)
# Forward: TensorRT-LLM sweeps on B200 and GB200. Backward over forward 0.82 and dim64 0.75: what cuDNN and
# FlashAttention-4 show on B200 (Dao-AILab/flash-attention pull requests 2280 and 2605).
_CUDNN_B200 = AttentionFit(0.549, 0.450, 1540.0, 1540.0, 0.75, 0.85, 1.0)
# FlashAttention-2 has no kernels for Blackwell: some 360 TFLOP/s (meta-pytorch/tritonbench pull request 171,
# Dao-AILab/flash-attention issue 1589).
_FA2_B200 = AttentionFit(0.165, 0.150, 265.0, 598.0, 1.0, 0.92, 0.94)
# Before FlashAttention (arXiv 2205.14135) scores went through memory: per score 13 bytes forward (two products, a fused
# masked softmax, dropout with its mask) and 19 backward, the whole square and not its causal half, beside products at
# 0.55 of peak. Source: counting of operands, as time per counted FLOP: 2 / R + 13 / (2 d B), 1.6 / R + 19 / (5 d B).
_UNFUSED_A100 = AttentionFit(0.080, 0.124, 1.0, 1.0, 0.55, 0.57, 1.6)
_UNFUSED_H100 = AttentionFit(0.048, 0.078, 1.0, 1.0, 0.54, 0.56, 1.7)
# sdpa: what PyTorch's scaled_dot_product_attention picks as torchtitan sets it (cuDNN on Blackwell only).
ATTENTION_FITS: Mapping[str, Mapping[str, AttentionFit]] = {
    "ampere": {"best": _FA2_A100, "fa2": _FA2_A100, "sdpa": _FA2_A100, "unfused": _UNFUSED_A100},
    "hopper": {
        "best": _FA3_H100,
        "fa3": _FA3_H100,
        "cudnn": _CUDNN_H100,
        "fa2": _FA2_H100,
        "sdpa": _FA2_H100,
        "unfused": _UNFUSED_H100,
    },
    "blackwell": {"best": _CUDNN_B200, "cudnn": _CUDNN_B200, "fa2": _FA2_B200, "sdpa": _CUDNN_B200},
    "blackwell-ultra": {"best": _CUDNN_B200, "cudnn": _CUDNN_B200, "fa2": _FA2_B200, "sdpa": _CUDNN_B200},
}
# W per bf16 FLOP/s at which each architecture's sustained rate was fitted: A100, H100 and B200 at their rated power.
RATED_W_PER_FLOP_PER_S: Mapping[str, float] = {
    "ampere": 400.0 / 312.0e12,
    "hopper": 700.0 / 989.5e12,
    "blackwell": 1000.0 / 2250.0e12,
    "blackwell-ultra": 1000.0 / 2250.0e12,
}


def sustained_clock(accelerator: Accelerator, exponent: float) -> float:
    """Clock under full load over that of the architecture's reference part: power per FLOP/s to the `exponent`.

    Dynamic power grows with frequency times voltage squared: with the cube of the frequency where voltage follows it
    (exponent 1/3), in proportion where voltage is at its floor (1). Source: CMOS scaling.
    """
    rated = RATED_W_PER_FLOP_PER_S[accelerator.architecture]
    clock: float = (accelerator.power_w / accelerator.peak_flop_per_s["bf16"] / rated) ** exponent
    return clock


@dataclass(slots=True, eq=False, repr=False)
class KernelRates:
    """Rates of one accelerator, indexed by precision code where they depend on it (arrays of shape [4])."""

    rate_flop_per_s: FloatArray
    fixed_s: FloatArray
    k0: FloatArray
    mn0: FloatArray
    gemm_hbm_bytes_per_s: FloatArray
    operand_bytes: FloatArray
    measured: FloatArray
    attention_forward_flop_per_s: float
    attention_backward_flop_per_s: float
    attention_forward_half_seq: float
    attention_backward_half_seq: float
    attention_dim64: float
    attention_backward_dim64: float
    attention_dim256: float
    attention_backward_measured: float
    hbm_bytes_per_s: float
    bf16_peak_flop_per_s: float


def kernel_rates(
    accelerator: Accelerator, attention_kernel: str, calibration: Calibration, attention_share: float = 1.0
) -> KernelRates:
    """Rates of `accelerator` under sustained load, from its sweep, or a roofline where there is none.

    `attention_kernel` is a family of ATTENTION_FITS; an unknown one falls back on the best of the architecture.
    `attention_share` scales its rates (Framework.attention_share).
    """
    fits = GEMM_FITS.get(accelerator.kernel_table, {})
    clock = sustained_clock(accelerator, calibration.power_exponent)
    sustained = [clock * calibration.sustained_gemm(accelerator.architecture, p != Precision.BF16) for p in Precision]
    rows = [fits.get(p, _ROOFLINE) for p in Precision]
    # A precision without its own units (fp8 on A100) is not supported; it is given the bf16 peak and never chosen.
    peaks = [accelerator.peak_flop_per_s.get(PEAK_KEY[p], accelerator.peak_flop_per_s["bf16"]) for p in Precision]
    families = ATTENTION_FITS[accelerator.architecture]
    attention = families.get(attention_kernel, families["best"])
    bf16 = accelerator.peak_flop_per_s["bf16"]
    sustained_core = clock * calibration.sustained_attention * attention_share
    ultra = accelerator.architecture == "blackwell-ultra"
    sustained_core *= calibration.ultra_attention if ultra else 1.0
    return KernelRates(
        rate_flop_per_s=np.array([r[0] * p * held for r, p, held in zip(rows, peaks, sustained, strict=True)]),
        fixed_s=np.array([r[1] for r in rows]),
        k0=np.array([r[2] for r in rows]),
        mn0=np.array([r[3] for r in rows]),
        gemm_hbm_bytes_per_s=np.array([r[4] * accelerator.hbm_bytes_per_s for r in rows]),
        operand_bytes=np.array([OPERAND_BYTES[p] for p in Precision]),
        measured=np.array([1.0 if p in fits else 0.0 for p in Precision]),
        attention_forward_flop_per_s=attention.forward * bf16 * sustained_core,
        attention_backward_flop_per_s=attention.backward * bf16 * sustained_core,
        attention_forward_half_seq=attention.forward_half,
        attention_backward_half_seq=attention.backward_half,
        attention_dim64=attention.dim64,
        attention_backward_dim64=attention.backward_dim64,
        attention_dim256=attention.dim256,
        # No backward sweep was found for Blackwell; its share of peak is scaled from Hopper's.
        attention_backward_measured=0.0 if accelerator.architecture.startswith("blackwell") else 1.0,
        hbm_bytes_per_s=accelerator.hbm_bytes_per_s * calibration.hbm_fraction,
        bf16_peak_flop_per_s=bf16,
    )


def _blend(compute_s: FloatArray, bandwidth_s: FloatArray) -> FloatArray:
    """(c^4 + b^4)^(1/4): the slower of two bounds, rounded where they meet.

    Square roots instead of a power: exact in IEEE arithmetic, so one row equals the same row in a batch.
    """
    c2, b2 = compute_s * compute_s, bandwidth_s * bandwidth_s
    blended: FloatArray = np.sqrt(np.sqrt(c2 * c2 + b2 * b2))
    return blended


def gemm_s(
    rates: KernelRates,
    precision: IntArray,
    m: FloatArray,
    n: FloatArray,
    k: FloatArray,
    groups: FloatArray,
    output_bytes: float,
) -> FloatArray:
    """Time of `groups` products [m, k] x [k, n] in one launch, s.

    t = t0 + (c^4 + b^4)^(1/4); compute c = 2 g m n k (1 + k0/k)(1 + mn0/m)(1 + mn0/n) / rate, bandwidth
    b = g (m k + k n) operand bytes + g m n output bytes over the achieved HBM rate. With more than one group each
    group's rows are padded by half a tile.

    precision: codes, shape [U]; m, n, k, groups: shapes broadcastable to [G, U]; a dimension of 0 gives 0.
    Source: fit to measured sweeps (module docstring). Valid: m 64-32,768, n and k 2,048-16,384.
    """
    rows = np.where(groups > 1, m + GROUP_PADDING_ROWS, m)
    safe_m, safe_n, safe_k = np.maximum(rows, 1.0), np.maximum(n, 1.0), np.maximum(k, 1.0)
    mn0 = rates.mn0[precision]
    flop = 2.0 * groups * safe_m * safe_n * (safe_k + rates.k0[precision])
    compute = flop * ((1.0 + mn0 / safe_m) * (1.0 + mn0 / safe_n)) / rates.rate_flop_per_s[precision]
    moved = groups * ((m * k + k * n) * rates.operand_bytes[precision] + m * n * output_bytes)
    bandwidth = moved / rates.gemm_hbm_bytes_per_s[precision]
    present: FloatArray = np.where(m * n * k > 0.0, rates.fixed_s[precision] + _blend(compute, bandwidth), 0.0)
    return present


def gemm_measured(rates: KernelRates, precision: IntArray, m: FloatArray, n: FloatArray, k: FloatArray) -> FloatArray:
    """1 where the shape is within SWEEP_REACH of the measured sweep of this precision, else 0. Shapes as `gemm_s`."""
    low, high = SWEEP_WEIGHT[0] / SWEEP_REACH, SWEEP_WEIGHT[1] * SWEEP_REACH
    inside = (m >= SWEEP_TOKENS[0]) & (m <= SWEEP_TOKENS[1] * SWEEP_REACH)
    inside &= (np.minimum(n, k) >= low) & (np.maximum(n, k) <= high)
    return inside * rates.measured[precision]


def attention_s(
    rates: KernelRates, flop: FloatArray, moved_bytes: FloatArray, seq: FloatArray, head_dim: float, backward: bool
) -> FloatArray:
    """Time of a fused softmax-attention kernel, s: t0 + (c^4 + b^4)^(1/4).

    Compute c = flop (1 + s0 / seq) / (rate x share of the head_dim), bandwidth b = bytes / HBM rate.
    flop: shape [U], causal half only; backward counts 2.5 x forward. moved_bytes: queries, keys, values and output
    once. seq: query length. Source: fit to attention sweeps (module docstring). Valid: seq 512-32,768.
    """
    rate = rates.attention_backward_flop_per_s if backward else rates.attention_forward_flop_per_s
    half = rates.attention_backward_half_seq if backward else rates.attention_forward_half_seq
    small = rates.attention_backward_dim64 if backward else rates.attention_dim64
    share = small if head_dim <= 64 else rates.attention_dim256 if head_dim >= 256 else 1.0
    compute = flop * (1.0 + half / np.maximum(seq, 1.0)) / (rate * share)
    bandwidth = moved_bytes / rates.hbm_bytes_per_s
    time: FloatArray = np.where(flop > 0.0, ATTENTION_FIXED_S + _blend(compute, bandwidth), 0.0)
    return time


def stream_s(rates: KernelRates, moved_bytes: FloatArray, launches: float) -> FloatArray:
    """Time of memory-bound kernels that move `moved_bytes` in `launches` launches, s: bytes / HBM rate + 2.5 us each.

    Source: HBM stream rates (module docstring).
    """
    time: FloatArray = moved_bytes / rates.hbm_bytes_per_s + STREAM_LAUNCH_S * launches
    return time
