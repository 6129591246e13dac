"""Kill fmctl, for real, in launches, extensions, submissions, teardowns and `--all`, in the lab with ParallelCluster.

    python tests/budget/kills.py --python ENV/bin/python [--kills 200] [--seed 1]

Processes get SIGKILL at a moment drawn by seed; the same command follows until it comes to its end. Every second time
another operator does something meanwhile, with the same store or their own. After each case the lab is asked:
nothing may be orphaned (a stack without an end, an end, role or instance without a stack), doubled, moved or lost.
Prints one line a case and a table of kills by command; exits 1 where anything was not as it should be.

Slurm on the head node is a fake: commands on PATH that keep jobs in a file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

INSTANCE, REGION = "p5.48xlarge", "us-east-1"
LONGEST_S, SPEED = 240.0, 300.0
# How long each command takes from its start to its end, s: kills are drawn within; measured by the first of each.
USUAL_S = {"launch": 20.0, "extend": 4.0, "submit": 3.0, "teardown": 15.0, "all": 20.0}
CASES = ("launch", "extend", "submit", "teardown", "all")
FAKE_SLURM = r"""#!/usr/bin/env python3
# A fake of Slurm: jobs are lines of a file.
import fcntl, json, os, sys, time
path = os.environ["FAKE_JOBS"]
name = os.path.basename(sys.argv[0])
with open(path, "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    jobs = [json.loads(line) for line in file]
    if name == "sbatch":
        comment = next((word[10:] for word in sys.argv if word.startswith("--comment=")), "")
        folder = next((word[8:] for word in sys.argv if word.startswith("--chdir=")), "/tmp")
        job = {"job_id": len(jobs) + 1, "comment": comment, "current_working_directory": folder, "name": "job"}
        time.sleep(0.3)
        file.write(json.dumps(job) + "\n")
        file.flush()
        print(job["job_id"])
    elif name == "squeue":
        number = lambda n: {"set": True, "infinite": False, "number": n}
        full = [{**job, "job_state": ["PENDING"], "state_reason": "Resources", "user_name": "ada", "nodes": "",
                 "node_count": number(2), "restart_cnt": 0, "submit_time": number(1795000000),
                 "start_time": number(0), "end_time": number(0), "standard_output": "/tmp/x", "partition": "q"}
                for job in jobs]
        print(json.dumps({"jobs": full, "errors": [], "warnings": []}))
    else:
        print(json.dumps({"jobs": [], "nodes": [], "errors": [], "warnings": []}))
"""


@dataclass
class Operator:
    """One person on one machine: a store, and the lab's account."""

    name: str
    store: Path
    env: dict[str, str]
    site: str
    folder: Path

    def words(self, command: str, cluster: str) -> list[str]:
        """The command line of a command on a cluster."""
        where = ["--site", self.site, "--cluster-name", cluster]
        return {
            "launch": ["launch", "plan", *where, "--yes", "--max-hours", "90", "--static", "--accept", "price"],
            "extend": ["extend", cluster, "5", "--yes"],
            "submit": ["submit", "plan", *where, "--head", "local", "--folder", str(self.folder / cluster)],
            "teardown": ["teardown", cluster, "--yes"],
            "all": ["teardown", "--all", "--yes"],
            "status": ["status"],
        }[command]

    def start(self, command: str, cluster: str) -> subprocess.Popen[str]:
        """The command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "fmctl", *self.words(command, cluster)], env=self.env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, cwd=ROOT,
        )  # fmt: skip

    def run(self, command: str, cluster: str) -> tuple[int, str]:
        """(exit code, what was said) of a command left to itself."""
        with self.start(command, cluster) as process:
            out, err = process.communicate(timeout=LONGEST_S)
            return process.returncode, out + err


@dataclass
class Harness:
    """The lab, its operators, and what was counted."""

    python: str
    place: Path
    draw: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    usual: dict[str, float] = field(default_factory=lambda: dict(USUAL_S))
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the lab, plan once."""
        from fmctl.adapters.lab import process
        from fmctl.adapters.lab.client import Lab

        self.running = process.start(speed=SPEED, folder=self.place / "lab")
        self.lab = Lab(self.running.endpoint)
        self.lab.advance(3600)
        self.fakes = self.place / "bin"
        self.fakes.mkdir()
        for name in ("sbatch", "squeue", "sinfo", "scontrol", "scancel", "sacct"):
            path = self.fakes / name
            path.write_text(FAKE_SLURM)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def operator(self, name: str, store: Path | None = None) -> Operator:
        """A person with a store of their own, unless one is named; each has the same saved plan."""
        import yaml

        folder = self.place / name
        folder.mkdir(exist_ok=True)
        jobs = self.place / "jobs"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "FMCTL_"))}
        env = kept | self.running.environment | {
            "FMCTL_PCLUSTER_PYTHON": self.python, "FMCTL_DATA": str(store or folder / "data"), "FAKE_JOBS": str(jobs),
            "PATH": f"{self.fakes}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(folder / "settings"), "USER": name,
            "LOGNAME": name,
        }  # fmt: skip
        site = yaml.safe_load(Path(self.running.site).read_text(encoding="utf-8"))
        subnet = self.running.seed["private_subnets"][self.running.seed["reservations"][INSTANCE]["zone"]]
        path = folder / "site.yaml"
        path.write_text(yaml.safe_dump(site | {"compute_subnet": subnet, "head_subnet": subnet}), encoding="utf-8")
        made = Operator(name, store or folder / "data", env, str(path), folder)
        if not (made.store / "plans" / "plan.json").exists():
            plan = ("plan", "llama-3.1-8b", "--instances", INSTANCE, "--nodes", "2", "--tokens", "1B", "--save", "plan")
            subprocess.run([sys.executable, "-m", "fmctl", *plan], env=env, check=True, capture_output=True, cwd=ROOT)
        return made

    def client(self, service: str) -> Any:
        """A boto3 client of the lab."""
        import boto3

        return boto3.client(
            service, endpoint_url=self.running.endpoint, region_name=REGION, aws_access_key_id="lab",
            aws_secret_access_key="lab",
        )  # fmt: skip

    def killed(self, who: Operator, command: str, cluster: str) -> bool:
        """Start the command and kill it at a drawn moment; False where it was over before."""
        process = who.start(command, cluster)
        wait = self.draw.random() * self.usual[command] * 0.8
        began = time.monotonic()
        try:
            process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self.kills[command] += 1
            return True
        self.usual[command] = max(time.monotonic() - began, 1.0)
        return False

    def stubbornly(self, who: Operator, command: str, cluster: str, times: int) -> tuple[int, str]:
        """The command, killed so many times, and then left to itself."""
        for _ in range(times):
            if not self.killed(who, command, cluster):
                break
        began = time.monotonic()
        code, said = who.run(command, cluster)
        self.usual[command] = 0.5 * self.usual[command] + 0.5 * max(time.monotonic() - began, 1.0)
        return code, said

    # What the lab has.

    def stacks(self) -> dict[str, str]:
        """Id by name of the stacks that stand."""
        found = self.client("cloudformation").describe_stacks()["Stacks"]
        whole = (one for one in found if one["StackStatus"] != "DELETE_COMPLETE" and "/" not in one["StackName"])
        tagged = (one for one in whole if any(tag["Key"] == "fmctl:cluster" for tag in one.get("Tags", ())))
        return {one["StackName"]: one["StackId"] for one in tagged if "ParentId" not in one}

    def ends(self) -> dict[str, dict[str, Any]]:
        """The schedules of ends, by name."""
        scheduler = self.client("scheduler")
        names = [one["Name"] for one in scheduler.list_schedules()["Schedules"]]
        return {name: scheduler.get_schedule(Name=name) for name in names if name.startswith("fmctl-end-")}

    def roles(self) -> list[str]:
        """Roles of ends."""
        pages = self.client("iam").get_paginator("list_roles").paginate()
        return [one["RoleName"] for page in pages for one in page["Roles"] if one["RoleName"].startswith("fmctl-end-")]

    def nodes(self) -> int:
        """Instances that run."""
        wanted = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        found = self.client("ec2").describe_instances(Filters=wanted)["Reservations"]
        return sum(len(one["Instances"]) for one in found)

    def holds(self, case: str, clusters: set[str]) -> None:
        """Exactly these clusters stand, each with an end that deletes its very stack by a role that is there."""
        stacks, ends, roles = self.stacks(), self.ends(), self.roles()
        self.expect(case, {*stacks} == clusters, f"stacks {sorted(stacks)} where {sorted(clusters)} were to be")
        for name in stacks.keys() & clusters:
            end = ends.get(f"fmctl-end-{name}")
            self.expect(case, end is not None, f"{name} has no end")
            if end is not None:
                given = json.loads(end["Target"]["Input"])
                self.expect(case, given == {"StackName": stacks[name]}, f"the end of {name} deletes {given}")
                self.expect(case, end["Target"]["RoleArn"].rpartition("/")[2] in roles, f"{name}'s end has no role")
        self.expect(case, len(ends) == len(stacks) == len(roles), f"{len(ends)} ends, {len(roles)} roles")

    def nothing(self, case: str) -> None:
        """Nothing is left."""
        for what, found in (("stacks", self.stacks()), ("ends", self.ends()), ("roles", self.roles())):
            self.expect(case, not found, f"{what} are left: {sorted(found)}")
        self.expect(case, self.nodes() == 0, "instances are left")

    def expect(self, case: str, holds: bool, said: str) -> None:
        """Note what is not as it should be."""
        if not holds:
            self.wrong.append(f"{case}: {said}")

    # One case.

    def case(self, number: int) -> str:
        """Kills in one command on one or two clusters, with a second operator in every second case."""
        kind = CASES[number % len(CASES)]
        name, times = f"k{number}", self.draw.randint(2, 5)
        ada = self.operator("ada")
        shared = self.draw.random() < 0.5
        bob = self.operator("bob", ada.store if shared else None) if number // len(CASES) % 2 else None
        title = f"{number}: {kind}, {times} kills" + (
            f", with bob ({'same' if shared else 'own'} store)" if bob else ""
        )
        clusters = {name} if kind != "all" else {name, f"{name}b"}
        if kind != "launch":
            for one in sorted(clusters):
                began = time.monotonic()
                code, said = ada.run("launch", one)
                self.usual["launch"] = 0.5 * (self.usual["launch"] + time.monotonic() - began)
                self.expect(title, code == 0, f"launch of {one}: {code} {said[-300:]}")
        before = self.ends()
        meanwhile = self.other(bob, kind, name)
        code, said = self.stubbornly(ada, kind, name, times)
        told = meanwhile.communicate(timeout=LONGEST_S)[1] if meanwhile is not None else ""
        if code != 0 and meanwhile is not None:  # somebody was in the way: what they left is gone on from
            code, said = ada.run(kind, name)
        self.expect(title, code == 0 or bob is not None, f"exit {code}: {said[-300:]}")
        self.settled(title, kind, clusters, before, bob)
        for who in (ada, *((bob,) if bob else ())):
            for one in sorted(clusters):
                who.run("teardown", one)
        self.nothing(title)
        return f"{title}: exit {code}; {told.splitlines()[0][:90] if told else ''}"

    def other(self, bob: Operator | None, kind: str, name: str) -> subprocess.Popen[str] | None:
        """What the second operator does, a moment later: the same as the first, or something else."""
        if bob is None:
            return None
        command = self.draw.choice(("launch", "extend", "status") if kind != "submit" else ("submit", "status"))
        time.sleep(self.draw.random() * 3)
        return bob.start(command, name)

    def settled(self, case: str, kind: str, clusters: set[str], before: dict[str, Any], bob: Operator | None) -> None:
        """What must hold once the command came to its end."""
        if kind in ("teardown", "all"):
            if bob is None:
                self.nothing(case)
            return
        self.holds(case, clusters)
        if kind == "extend":
            self.expect(case, self.ends() != before, "its end was not moved")
        if kind == "submit":
            found = (self.place / "jobs").read_text().splitlines()
            comments = Counter(json.loads(line)["comment"] for line in found)
            mine = {one: n for one, n in comments.items() if any(name in one.split(":") for name in clusters)}
            self.expect(case, sum(mine.values()) == len(mine) == 1, f"jobs: {mine}")


def main() -> int:
    """Kill until so many were killed; print what became of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", required=True, help="interpreter with aws-parallelcluster")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    from fmctl.adapters.lab import process

    with tempfile.TemporaryDirectory() as place:
        found = Harness(options.python, Path(place), random.Random(options.seed))
        try:
            number = 0
            while found.kills.total() < options.kills:
                print(found.case(number), flush=True)
                number += 1
        finally:
            process.stop(Path(place) / "lab")
    print(f"{number} cases, {found.kills.total()} kills: {dict(found.kills)}; seed {options.seed}")
    print("\n".join(found.wrong) or "nothing was orphaned, doubled, moved or lost")
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main())
