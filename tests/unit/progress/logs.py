"""Lines in the formats of each framework, and a row of a plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmctl.domain.logged import Item, Job, Record
from fmctl.progress.formats import Names, Parser

JOB = Job(gpus=64, seq_len=8192, tokens_per_step=512 * 8192.0, total_steps=1000)


def clock(seconds: float) -> str:
    """2026-11-20 HH:MM:SS, that many seconds after midnight."""
    whole = int(seconds)
    return f"2026-11-{20 + whole // 86400:02d} {whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def megatron(step: int, at: float = 0.0, step_s: float = 4.0, loss: str = "2.5E+00", norm: str = "1.426") -> str:
    return (
        f" [{clock(at)}] iteration {step:8d}/    1000 | consumed samples: {step * 512:12d} | elapsed time per "
        f"iteration (ms): {step_s * 1e3:.1f} | throughput per GPU (TFLOP/s/GPU): 439.8 | learning rate: 8.600000E-06 | "
        f"global batch size:   512 | lm loss: {loss} | loss scale: 1.0 | grad norm: {norm} | "
        "number of skipped iterations:   0 | number of nan iterations:   0 |"
    )


def titan(step: int, at: float = 0.0, rate: int = 16384, rank: int | None = None) -> str:
    prefix = "" if rank is None else f"[rank{rank}]:"
    milli = round(at % 1 * 1e3)
    return (
        f"{prefix}[titan] {clock(at)},{milli:03d} - root - INFO - step: {step:2d}  loss:  7.62585  grad_norm: 26.6250  "
        f"memory: 66.91GiB(84.51%)  tps: {rate:,}  tflops: 314.71  mfu: 31.99%"
    )


def nanotron(step: int) -> str:
    return (
        f"10/17/2025 16:31:56 [INFO|DP=0|PP=0|TP=0|ip-26-0-160-225]: iteration: {step} / 378950 | "
        "consumed_tokens: 85.8G | elapsed_time_per_iteration_ms: 11.5K | tokens_per_sec: 22.8K | "
        "tokens_per_sec_per_gpu: 11.4K | global_batch_size: 64 | lm_loss: 2.38 | lr: 1e-05 | "
        "model_tflops_per_gpu: 38.3 | hardware_tflops_per_gpu: 38.3 | grad_norm: 1.25 | "
        "cuda_memory_allocated: 8.86G | cuda_max_memory_reserved: 34.1G"
    )


def deepspeed(step: int) -> str:
    return (
        f"[2023-11-07 01:55:23,714] [INFO] [timer.py:260:stop] epoch=0/micro_step={4 * step}/global_step={step}, "
        "RunningAvgSamplesPerSec=25.025771473496132, CurrSamplesPerSec=128.0, MemAllocated=4.32GB, "
        "MaxMemAllocated=38.5GB"
    )


def records(items: list[Item]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def plan_row() -> dict[str, Any]:
    """The first row of the golden plan, with a step's figures that fit each other and a whole run."""
    golden = Path(__file__).parents[2] / "golden" / "plan.json"
    row: dict[str, Any] = json.loads(golden.read_text(encoding="utf-8"))["result"]["rows"][0]
    row["time"] |= {"step_s": 4.0, "step_low_s": 3.5, "step_high_s": 4.6, "ep_exposed_s": 0.4}
    row["run"]["tokens_per_s"] = row["workload"]["tokens_per_step"] / 4.0
    row["workload"]["tokens"] = 1000 * row["workload"]["tokens_per_step"]
    row["flop"] |= {"model_flop": 4.0e18, "mfu": 0.4}
    row["memory"] |= {"reserved_bytes": 64e9, "allocated_bytes": 60e9, "device_bytes": 80e9}
    row["energy"]["power_w"] = 60e3
    row["cost"]["usd_per_h"] = 360.0
    row["whole_run"] = {
        "wall_p10_s": 4000.0, "wall_p50_s": 4300.0, "wall_p90_s": 5000.0, "save_stall_s": 10.0, "goodput": 0.95,
        "goodput_low": 0.85, "goodput_high": 0.98, "total_usd": 430.0, "total_p90_usd": 500.0,
        "interruptions": 0.1, "interruptions_high": 0.3,
    }  # fmt: skip
    return row


def parse_lines(lines: Sequence[str], job: Job | None = None, names: Names | None = None) -> list[Item]:
    """Items of some lines, for short logs."""
    return Parser(job, names).block("\n".join(lines).encode("utf-8", "replace"))
