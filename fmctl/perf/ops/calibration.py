"""The constants that stand for achieved against nominal, as one dataclass with what they came from.

Kernel and collective constants were fitted to the measured tables named in perf.kernels and perf.collectives. What is
listed here and in perf.frameworks was fitted to published training runs by `fmctl calibrate` (validation.fit: bounded,
shrunk towards physical priors, families weighed alike) and rounded to three digits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Calibration:
    """Achieved fractions and fixed costs that no table gives.

    sustained_ampere, sustained_hopper, sustained_blackwell: GEMM rate of whole training steps over that of short
    benchmark bursts in bf16 (power throttling, clocks); *_low the same in fp8 and below, where training kernels can
    beat the library behind the tables (above 1).
    sustained_attention: the same for attention kernels.
    power_exponent: sustained clock over power per FLOP/s, as an exponent: 1/3 to 1.
    ultra_attention: attention rate of Blackwell Ultra over Blackwell's, whose exponential units are half as fast.
    hbm_fraction: achieved over nominal HBM bandwidth for streaming kernels (0.86-0.92 in stream benchmarks).
    wait_per_doubling: time lost waiting for the slowest rank, per doubling of the GPUs beyond one node, as a fraction.
    efa_exchange_s: fixed cost of one expert all-to-all that crosses EFA, s (host or proxy time, not the wire).
    post_s: time to post one token to a remote domain in a fused dispatch on EFA v1 and v2, s.
    interval_dense, interval_moe: half width of the 80 % interval, relative: the 80 % quantile of the errors on runs
    whose whole source was left out of the fit (validation.fit).
    resolution_dense, resolution_moe: how far two layouts of one model on the same GPUs must be predicted apart for the
    model to tell which is faster, natural log of their ratio: the 80 % quantile of the errors of such ratios on
    measured pairs (validation.resolution).
    interval_extrapolated: added where kernels lie outside the measured tables.
    context_bytes: CUDA context, cuBLAS workspaces and driver per device, bytes.
    communicator_bytes: NCCL buffers per communicator and device, bytes.
    """

    name: str = "published-runs-2026-11"
    date: str = "2026-11-22"
    sustained_ampere: float = 0.918
    sustained_hopper: float = 0.889
    sustained_hopper_low: float = 1.06
    sustained_blackwell: float = 0.663
    sustained_blackwell_low: float = 0.996
    sustained_attention: float = 0.934
    power_exponent: float = 0.497
    ultra_attention: float = 1.34
    hbm_fraction: float = 0.88
    wait_per_doubling: float = 0.00342
    efa_exchange_s: float = 0.00351
    post_s: float = 1.47e-06
    interval_dense: float = 0.14
    interval_moe: float = 0.35
    resolution_dense: float = 0.12
    resolution_moe: float = 0.335
    interval_extrapolated: float = 0.1
    context_bytes: float = 1.6e9
    communicator_bytes: float = 0.35e9
    source: str = "kernel and collective tables; constants fitted to published training runs, sources left out in turn"

    def sustained_gemm(self, architecture: str, low_precision: bool) -> float:
        """Sustained over burst GEMM rate of an accelerator architecture in bf16 or in fp8 and below (dimensionless)."""
        table = {
            "ampere": (self.sustained_ampere, self.sustained_ampere),
            "hopper": (self.sustained_hopper, self.sustained_hopper_low),
            "blackwell": (self.sustained_blackwell, self.sustained_blackwell_low),
            "blackwell-ultra": (self.sustained_blackwell, self.sustained_blackwell_low),
        }
        return table[architecture][low_precision]

    def resolution(self, is_moe: bool) -> float:
        """Natural log of the ratio of two layouts on the same GPUs that the model resolves."""
        return self.resolution_moe if is_moe else self.resolution_dense


PRIOR = Calibration()
