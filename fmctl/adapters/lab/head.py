"""A head node for the lab: one job that trains nothing, told as Slurm and Megatron tell it, on the lab's clock.

The lab boots no machines, so nothing of a run is real in it. This says so in the log's first line.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sin

from fmctl.base.errors import OperationFailed

_STARTS_S = 120.0  # from the cluster being ready to the first step
_LINE_EVERY, _SAVE_EVERY = 10, 200  # steps
_SPREAD = 0.012  # of a step's time, up and down
_MOST_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """The job: of a plan's row."""

    name: str
    nodes: int
    step_s: float  # its step
    total_steps: int  # of the whole run
    batch: int  # sequences a step
    tflops: float


class SimulatedHead:
    """`domain.ports.Head` over one job that began with its cluster.

    Args:
        job: what it does.
        began: when the cluster was there.
        now: the lab's time.
    """

    label = "a simulated head node"

    def __init__(self, job: Simulated, began: datetime, now: Callable[[], datetime]) -> None:
        self._job, self._now = job, now
        self._began = began + timedelta(seconds=_STARTS_S)
        self._ended: datetime | None = None
        self._log = bytearray(b"SIMULATED: no training happens here\n")
        self._step = 0

    def run(self, command: Sequence[str], stdin: bytes = b"", timeout_s: float = 60.0) -> str:
        """Standard output, of the commands that fmctl uses. Raises OperationFailed for any other."""
        said = {"squeue": self._squeue, "sinfo": self._sinfo, "scancel": self._scancel, "stat": self._size}
        if command[0] in said:
            return said[command[0]]()
        if command[0] == "bash" and "base64" in command[2]:
            self._write()
            begin = int(command[4]) - 1
            found = bytes(self._log[begin : begin + int(command[5])])
            return base64.b64encode(gzip.compress(found) if "gzip" in command[2] else found).decode()
        raise OperationFailed(f"{command[0]} failed", why="the lab boots no machine", next=None)

    def _steps(self) -> int:
        trained = (min(self._now(), self._ended or self._now()) - self._began).total_seconds()
        return max(0, min(int(trained / self._job.step_s), self._job.total_steps, _MOST_STEPS))

    def _squeue(self) -> str:
        over = self._steps() >= self._job.total_steps
        state = "CANCELLED" if self._ended else "COMPLETED" if over else "RUNNING"
        if self._now() < self._began:
            state = "PENDING"
        why = "BeginTime" if state == "PENDING" else ""
        hosts = f"gpu-dy-fleet-[1-{self._job.nodes}]" if self._job.nodes > 1 else "gpu-dy-fleet-1"
        job = {
            "job_id": 1, "name": self._job.name, "job_state": [state], "state_reason": why,
            "nodes": "" if state == "PENDING" else hosts, "node_count": _set(self._job.nodes), "user_name": "demo",
            "submit_time": _set(self._began - timedelta(seconds=_STARTS_S)), "start_time": _set(self._began),
            "end_time": _set(self._ended or self._now()), "standard_output": "/fsx/fmctl/slurm-%j.out",
            "current_working_directory": "/fsx/fmctl",
        }  # fmt: skip
        return json.dumps({"jobs": [job]})

    def _sinfo(self) -> str:
        state = "IDLE" if self._ended or self._now() < self._began else "ALLOCATED"
        nodes = [{"name": f"gpu-dy-fleet-{i}", "state": [state]} for i in range(1, self._job.nodes + 1)]
        return json.dumps({"nodes": nodes})

    def _scancel(self) -> str:
        self._ended = self._ended or self._now()
        return ""

    def _size(self) -> str:
        self._write()
        return f"{len(self._log)}\n"

    def _write(self) -> None:
        """What the job has logged since, as Megatron writes it."""
        job, until = self._job, self._steps()
        while self._step + _LINE_EVERY <= until:
            self._step += _LINE_EVERY
            step = self._step
            at = self._began + timedelta(seconds=step * job.step_s)
            took = job.step_s * (1.0 + _SPREAD * (sin(step * 0.37) + sin(step * 0.113)))
            line = (
                f" [{at:%Y-%m-%d %H:%M:%S}] iteration {step:8d}/{job.total_steps:8d} | consumed samples: "
                f"{step * job.batch:12d} | elapsed time per iteration (ms): {took * 1e3:.1f} | throughput per GPU "
                f"(TFLOP/s/GPU): {job.tflops * job.step_s / took:.1f} | learning rate: 3.000000E-04 | global batch "
                f"size: {job.batch:5d} | lm loss: {2.0 + 8.0 / (1.0 + step / 50):.6E} | loss scale: 1.0 | grad norm: "
                "1.000 | number of skipped iterations:   0 | number of nan iterations:   0 |\n"
            )
            self._log += line.encode()
            if step % _SAVE_EVERY == 0:
                self._log += f"  successfully saved checkpoint from iteration {step:7d} to /fsx/fmctl\n".encode()


def _set(value: float | datetime) -> dict[str, object]:
    number = int(value.timestamp()) if isinstance(value, datetime) else int(value)
    return {"set": True, "infinite": False, "number": number}
