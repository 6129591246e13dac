"""The constants that stand for achieved against nominal, as one dataclass with what they came from.

Kernel and collective constants were fitted to the measured tables named in perf.ops.kernels and perf.ops.collectives.
What is listed here and in the profiles of frameworks was fitted to published training runs by `fmctl calibrate`
(validation.fit: bounded, shrunk towards physical priors, families weighed alike) and rounded to three digits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Calibration:
    """Achieved fractions and fixed costs that no table gives."""

    name: str = "published-runs-2026-11"
    date: str = "2026-11-22"
    # GEMM rate of whole training steps over that of short benchmark bursts in bf16 (power throttling, clocks); *_low:
    # in fp8 and below, where training kernels can beat the library behind the tables (above 1).
    sustained_ampere: float = 0.918
    sustained_hopper: float = 0.889
    sustained_hopper_low: float = 1.06
    sustained_blackwell: float = 0.663
    sustained_blackwell_low: float = 0.996
    sustained_attention: float = 0.934  # the same of attention kernels
    power_exponent: float = 0.497  # sustained clock over power per FLOP/s, as an exponent, [1/3, 1]
    ultra_attention: float = 1.34  # attention rate over Blackwell's: Ultra has exponential units half as fast
    hbm_fraction: float = 0.88  # achieved over nominal HBM bandwidth of streaming kernels (0.86-0.92 in benchmarks)
    wait_per_doubling: float = 0.00342  # share lost to the slowest rank per doubling of the GPUs beyond one node
    efa_exchange_s: float = 0.00351  # fixed cost of an expert all-to-all across EFA, s: host or proxy, not the wire
    post_s: float = 1.47e-06  # to post one token to a remote domain in a fused dispatch on EFA v1 and v2, s
    # Half width of the 80 % interval, relative: the 80 % quantile of the errors on runs whose whole source was left out
    # of the fit (validation.fit).
    interval_dense: float = 0.14
    interval_moe: float = 0.35
    # How far two layouts of one model on the same GPUs must be predicted apart for the model to tell which is faster,
    # natural log of their ratio: the 80 % quantile of the errors of such ratios on measured pairs (see
    # validation.resolution).
    resolution_dense: float = 0.12
    resolution_moe: float = 0.335
    interval_extrapolated: float = 0.1  # added to the half width where kernels lie outside the measured tables
    context_bytes: float = 1.6e9  # CUDA context, cuBLAS workspaces and driver, per device
    communicator_bytes: float = 0.35e9  # NCCL buffers, per communicator and device
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
