"""What a large log costs: read once, then what was added. Goals: 5 GB under 60 s, 1 s for more, flat memory.

The log is that of a job with eight ranks that write step lines, among the chatter of NCCL that makes logs large: one
line in twenty is a step, two million in all. `--dense` makes every line a step, as no job writes it.

    python tests/budget/follow.py [--size 5e9] [--dense] [--strict]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from fmctl.domain.logged import Job
from fmctl.progress.follow import Follower
from fmctl.progress.formats import Parser
from fmctl.progress.summary import Summary

GOAL_S, ADDED_S, MEMORY_BYTES = 60.0, 1.0, 64e6
_MEGATRON = (
    " [2026-11-20 10:{minute:02d}:17] iteration {step:8d}/ 9000000 | consumed samples: {step:12d} | elapsed time per "
    "iteration (ms): 5444.9 | throughput per GPU (TFLOP/s/GPU): 439.8 | learning rate: 8.600000E-06 | global batch "
    "size:   512 | lm loss: 1.825991E+00 | loss scale: 1.0 | grad norm: 1.426 | number of skipped iterations:   0 |"
)
_TITAN = (
    "[rank{rank}]:[titan] 2026-11-20 10:{minute:02d}:17,508 - root - INFO - step: {step}  loss:  2.62585  grad_norm:  "
    "0.6250  memory: 66.91GiB(84.51%)  tps: 10,050  tflops: 514.71  mfu: 52.00%"
)
_NOISE = (
    "ip-10-1-{rank}-17:1{rank}417:1{rank}998 [{rank}] NCCL INFO Channel {minute:02d}/0 : {rank}[{rank}] -> {minute}[3] "
    "[send] via NET/AWS Libfabric/{rank}/GDRDMA/Shared"
)


def block(first: int, dense: bool) -> bytes:
    """About a MiB of lines whose steps go on from `first`."""
    lines = []
    for i in range(6000):
        values = {"rank": i // 20 % 8, "minute": i % 60, "step": first + i // 160}
        if dense or i % 20 == 0:
            lines.append((_MEGATRON if i % 160 == 0 else _TITAN).format(**values))
        else:
            lines.append(_NOISE.format(**values))
    lines.append(f"  successfully saved checkpoint from iteration {first:7d} to /fsx/run")
    return ("\n".join(lines) + "\n").encode()


def write(path: Path, size: float, dense: bool) -> None:
    """A log of that size; blocks repeat after sixty, for writing them would take longer than reading."""
    blocks = [block(first * 75, dense) for first in range(60)]
    written = at = 0
    with path.open("wb") as stream:
        while written < size:
            written += stream.write(blocks[at % 60])
            at += 1


def measured(path: Path, added: bytes) -> tuple[float, float, float, int]:
    """(wall s to read all, the same in processor time, s to read what is added, records) of a log."""
    job = Job(gpus=8, seq_len=8192, tokens_per_step=2**22)
    follower, summary = Follower(path, Parser(job)), Summary(job)
    start, busy = time.perf_counter(), time.process_time()
    summary.add_all(follower.read())
    whole_s, busy_s = time.perf_counter() - start, time.process_time() - busy
    with path.open("ab") as stream:
        stream.write(added)
    start = time.perf_counter()
    summary.add_all(follower.read())
    return whole_s, busy_s, time.perf_counter() - start, summary.progress().records


def peak_bytes() -> float:
    """Most memory of this process so far."""
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> int:
    """Make the log, read it, print seconds and memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=float, default=5e9)
    parser.add_argument("--dense", action="store_true", help="every line is a step")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a goal is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.log", Path(folder) / "large.log"
        added = block(10**6, options.dense)
        write(small, 3e8, options.dense)
        measured(small, added)
        before = peak_bytes()
        small.unlink()
        write(large, options.size, options.dense)
        size = large.stat().st_size
        whole_s, busy_s, added_s, records = measured(large, added)
        grown = peak_bytes() - before
    print(f"{size / 1e9:.2f} GB, {records:,} records: {whole_s:.1f} s, {busy_s:.1f} s of processor time")
    print(f"{len(added) / 1e6:.1f} MB added: {added_s:.3f} s")
    print(f"peak memory {peak_bytes() / 1e6:.0f} MB, {grown / 1e6:.0f} MB beyond that of a log of 0.3 GB")
    met = whole_s * 5e9 / size < GOAL_S and added_s < ADDED_S and grown < MEMORY_BYTES
    return 1 if options.strict and not met else 0


if __name__ == "__main__":
    raise SystemExit(main())
