"""The training step in plain Python, part one: kernels and collectives of one layout, numbers and no arrays.

An independent reading of the equations that the docstrings of `fmctl.perf` give, without a call into the model.
Constants alone are its own, which `test_constants.py` states by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, sqrt

from fmctl.domain.framework import Framework
from fmctl.domain.hardware import Instance
from fmctl.domain.layout import Dispatcher, Layout
from fmctl.domain.model import ModelArch
from fmctl.perf.ops.collectives import _NVLINK, NETWORKS
from fmctl.perf.ops.kernels import _ROOFLINE, ATTENTION_FITS, GEMM_FITS, OPERAND_BYTES, PEAK_KEY, RATED_W_PER_FLOP_PER_S


@dataclass
class Device:
    """One layout of one model on one type of instance: what its kernels and messages take."""

    arch: ModelArch
    seq: int
    batch: int
    on: Instance
    fw: Framework
    layout: Layout

    def __post_init__(self) -> None:
        x, l = self.on.accelerator, self.layout  # noqa: E741
        self.clock = (x.power_w / x.peak_flop_per_s["bf16"] / RATED_W_PER_FLOP_PER_S[x.architecture]) ** 0.497
        self.hbm = 0.88 * x.hbm_bytes_per_s
        self.operand = OPERAND_BYTES[l.precision]  # type: ignore[index]
        self.domain = self.on.fabric.domain_gpus
        self.net, self.net_rate = NETWORKS[self.on.fabric.kind], self.on.fabric.network.bytes_per_s
        self.nv_rate = max(self.on.fabric.nvlink.bytes_per_s, 1.0)
        name = "nvlink3" if self.nv_rate < 400e9 else "nvlink4" if self.nv_rate < 800e9 else "nvlink5"
        self.ring_fit, self.swap_fit = _NVLINK[name]
        self.tokens = l.micro_batch * self.seq / l.cp
        self.region = self.tokens / l.tp if l.sequence_parallel else self.tokens
        self.gpus = l.tp * l.pp * l.cp * l.dp
        self.count = self.batch / (l.dp * l.micro_batch)
        self.heads = 1 + self.arch.mtp_layers

    # --- kernels ------------------------------------------------------------------------------------------------------

    def gemm(self, m: float, n: float, k: float, groups: float, output: float, precision: int | None = None) -> float:
        """2 g m n k over the rate, or the bytes over HBM, whichever is slower; half a tile of padding per group."""
        x, code = self.on.accelerator, self.layout.precision if precision is None else precision
        if m * n * k == 0.0:
            return 0.0
        share, fixed, k0, mn0, hbm = GEMM_FITS.get(x.kernel_table, {}).get(code, _ROOFLINE)  # type: ignore[call-overload]
        held = {
            "ampere": (0.918, 0.918),
            "hopper": (0.889, 1.06),
            "blackwell": (0.663, 0.996),
            "blackwell-ultra": (0.663, 0.996),
        }[x.architecture][code != 0]
        peak = x.peak_flop_per_s.get(PEAK_KEY[code], x.peak_flop_per_s["bf16"])  # type: ignore[index]
        rows = max(m + 64.0 if groups > 1.0 else m, 1.0)
        flop = 2.0 * groups * rows * max(n, 1.0) * (max(k, 1.0) + k0)
        compute = flop * (1.0 + mn0 / rows) * (1.0 + mn0 / max(n, 1.0)) / (share * peak * self.clock * held)
        operand = OPERAND_BYTES[code]  # type: ignore[index]
        moved = groups * ((m * k + k * n) * operand + m * n * output)
        return fixed + (compute**4 + (moved / (hbm * x.hbm_bytes_per_s)) ** 4) ** 0.25

    def inside_sweep(self, m: float, n: float, k: float) -> bool:
        """Tokens from 64 to twice 32,768; weights from half of 2,048 to twice 16,384; and the precision was swept."""
        swept = self.layout.precision in GEMM_FITS.get(self.on.accelerator.kernel_table, {})
        return swept and 64.0 <= m <= 65_536.0 and min(n, k) >= 1024.0 and max(n, k) <= 32_768.0

    def core(self, flop: float, moved: float, queries: float, head_dim: int, backward: bool) -> float:
        """Fused attention: FLOPs at the rate of the family, worse for short sequences and other heads than 128."""
        x = self.on.accelerator
        families = ATTENTION_FITS[x.architecture]
        fit = families.get(self.fw.attention_kernel, families["best"])
        share, half = (fit.backward, fit.backward_half) if backward else (fit.forward, fit.forward_half)
        small = fit.backward_dim64 if backward else fit.dim64
        of_head = small if head_dim <= 64 else fit.dim256 if head_dim >= 256 else 1.0
        held = self.clock * 0.934 * self.fw.attention_share * (1.34 if x.architecture == "blackwell-ultra" else 1.0)
        compute = flop * (1.0 + half / max(queries, 1.0)) / (share * x.peak_flop_per_s["bf16"] * held * of_head)
        return 1e-5 + (compute**4 + (moved / self.hbm) ** 4) ** 0.25

    def stream(self, moved: float, launches: int) -> float:
        return moved / self.hbm + 2.5e-6 * launches

    # --- collectives --------------------------------------------------------------------------------------------------

    def local(self, ranks: float, stride: float) -> float:
        return max(min(ranks, floor(self.domain / stride)), 1.0)

    def nvlink(self, fit: tuple[float, ...], wire: float, ranks: float, passes: int = 1) -> float:
        first, each, share, ramp = fit
        if ranks <= 1.0:
            return 0.0
        sent = passes * wire
        return first + passes * each * (ranks - 1) + sent / (share * self.nv_rate) + sqrt(ramp * sent) / self.nv_rate

    def ring(self, total: float, ranks: float, local: float, passes: int = 1) -> float:
        """A gather (one pass) or an all-reduce (two) of so many bytes: the slower of the two levels."""
        inside, domains = self.nvlink(self.ring_fit, total * (local - 1) / local, local, passes), ranks / local
        if domains <= 1.0:
            return inside
        wire = passes * total * (domains - 1) / domains / local
        latency = passes * (self.net.base_s + self.net.node_s * (domains - 1))
        ramp = sqrt(self.net.ramp_bytes * wire) / self.net_rate
        return max(inside, latency + wire / (self.net.ring_share * self.net_rate) + ramp)

    def swap(self, sent: float, ranks: float, local: float) -> float:
        """An all-to-all in which each rank sends so much."""
        inside = self.nvlink(self.swap_fit, sent * (local - 1) / ranks, local)
        if ranks <= local:
            return inside
        wire = sent * (ranks - local) / ranks / (self.net.all_to_all_share * self.net_rate)
        return max(inside, self.net.base_s + self.net.peer_s * (ranks - local) + wire)

    def fused(self, tokens: float, width: float, copies: int, ranks: float, local: float) -> float:
        """Each token once to every domain that it goes to; on old EFA they are posted one by one."""
        domains = ranks / local
        inside = self.nvlink(self.swap_fit, tokens * width * copies * (local - 1) / local, local)
        wire = tokens * width * min(copies, domains) * (domains - 1) / domains
        outside = self.net.base_s + wire / (0.9 * self.net.all_to_all_share * self.net_rate)
        times = max(inside, outside) if domains > 1.0 else inside
        remote = (domains - 1) * (1.0 - (1.0 - 1.0 / domains) ** copies)
        posted = 1.5 * remote if self.layout.dispatcher == Dispatcher.PROXY else max(remote - 1.0, 0.0)
        old = self.on.fabric.kind in ("efa-v1", "efa-v2")
        return max(times, 1.47e-6 * tokens * posted if old else 0.0)

    def send(self, message: float, inside: bool) -> float:
        if inside:
            return self.ring_fit[0] + message / (self.ring_fit[2] * self.nv_rate)
        return self.net.send_s + message / (self.net.send_share * self.net_rate)
