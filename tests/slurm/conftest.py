"""A real Slurm of eight nodes with eight GPUs each, on this machine: its own munge key, ports and folder.

The GPUs are device nodes like /dev/null.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NODES, GPUS = 8, 8
PARTITION = "gpu"
_CONFIG = """\
ClusterName=fmctl
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={base}/munge.socket
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool.%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.%n.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=6
SlurmctldTimeout=10
InactiveLimit=0
KillWait=3
MinJobAge=600
JobRequeue=1
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
NodeName=DEFAULT CPUs=192 Sockets=2 CoresPerSocket=48 ThreadsPerCore=2 RealMemory=2000000 Gres=gpu:{gpus} State=UNKNOWN
{nodes}
PartitionName={partition} Nodes=gpu-st-p5-[1-{count}] Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Cluster:
    """The running Slurm: where it lies, and how to ask or hurt it."""

    base: Path
    daemons: dict[str, subprocess.Popen[bytes]]

    def __call__(self, *words: str) -> str:
        """Standard output of a Slurm command."""
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=30).stdout

    def kill(self, node: int) -> None:
        """A node is gone, as far as Slurm sees; what ran there goes with `reap`, once Slurm has noticed."""
        daemon = self.daemons.pop(f"slurmd{node}")
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()

    def reap(self, job_id: int) -> None:
        """End what a lost node still runs of a job: on a real one it died with the machine."""
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                mine = f"SLURM_JOB_ID={job_id}\0".encode() in entry.read_bytes()
            except OSError:
                continue
            if mine and int(entry.parent.name) != os.getpid():
                os.kill(int(entry.parent.name), signal.SIGKILL)

    def start_node(self, node: int) -> None:
        """A node comes up."""
        name = f"gpu-st-p5-{node}"
        (self.base / f"spool.{name}").mkdir(exist_ok=True)
        self.daemons[f"slurmd{node}"] = _daemon(["slurmd", "-D", "-N", name, "-f", str(self.base / "slurm.conf")])

    def resume(self, node: int) -> None:
        """A node that came up takes jobs again; Slurm may have seen to that by itself, and then refuses to be told."""
        name = f"nodename=gpu-st-p5-{node}"

        def back() -> bool:
            subprocess.run(["scontrol", "update", name, "state=resume"], capture_output=True, timeout=30, check=False)
            return "State=IDLE " in self("scontrol", "--oneliner", "show", "node", f"gpu-st-p5-{node}")

        self.wait(back)

    def wait(self, look: Any, seconds: float = 40.0) -> Any:
        """What `look` gives as soon as it is true."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = look()
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"not within {seconds:g} s; squeue: {self('squeue', '--states=all')}")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    base = Path(tmp_path_factory.mktemp("slurm"))
    for parent in (base, *base.parents):  # munged refuses a socket below a folder that others cannot pass
        if parent.owner() == "root" and str(parent).startswith(str(tmp_path_factory.getbasetemp().parent.parent)):
            parent.chmod(parent.stat().st_mode | 0o055)
    base.chmod(0o755)
    cluster = Cluster(base, {})
    was = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(base / "slurm.conf")
    try:
        _write(base)
        cluster.daemons["munged"] = _daemon(_munged(base))
        cluster.wait((base / "munge.socket").exists, 10)
        cluster.daemons["slurmctld"] = _daemon(["slurmctld", "-D", "-c", "-f", str(base / "slurm.conf")])
        for node in range(1, NODES + 1):
            cluster.start_node(node)
        cluster.wait(lambda: _idle() == NODES, 30)
        yield cluster
    finally:
        for daemon in reversed(list(cluster.daemons.values())):
            daemon.terminate()
        for daemon in cluster.daemons.values():
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        if was is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = was


def _write(base: Path) -> None:
    ports = _free_ports(NODES + 1)
    host = socket.gethostname().split(".")[0]
    lines = [
        f"NodeName=gpu-st-p5-{n} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[n]}" for n in range(1, NODES + 1)
    ]
    text = _CONFIG.format(host=host, port=ports[0], base=base, gpus=GPUS, nodes="\n".join(lines), partition=PARTITION,
                          count=NODES)  # fmt: skip
    (base / "slurm.conf").write_text(text)
    (base / "state").mkdir()
    devices = base / "dev"
    devices.mkdir()
    for gpu in range(GPUS):  # a count alone registers no GPU with Slurm 22.05
        os.mknod(devices / f"nvidia{gpu}", 0o20666, os.makedev(1, 3))
    (base / "gres.conf").write_text(f"Name=gpu File={devices}/nvidia[0-{GPUS - 1}]\n")
    (base / "cgroup.conf").write_text("CgroupAutomount=no\n")


def _munged(base: Path) -> list[str]:
    key = base / "munge.key"
    key.write_bytes(b"the key of a test and of nothing else, 32 bytes and more")
    key.chmod(0o400)
    files = {name: f"{base}/munged.{name}" for name in ("pid", "log", "seed")}
    named = [f"--{name}-file={path}" for name, path in files.items()]
    return ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={base}/munge.socket", *named]


def _daemon(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)  # fmt: skip


def _idle() -> int:
    found = subprocess.run(["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"], capture_output=True, text=True, check=False)
    return len(found.stdout.split())


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
