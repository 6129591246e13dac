"""Jobs in plain words: why one waits, what became of one, which nodes are out, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fmctl.domain.job import Job, SlurmNode
from fmctl.targets.registry import queue_reasons

# Slurm's words for why a job waits: (in plain words, what to do); a target that runs on Slurm has some of its own.
# Source: squeue(1), JOB REASON CODES.
REASONS: Mapping[str, tuple[str, str]] = {
    "Resources": ("waits for enough free nodes", ""),
    "Priority": ("another job is before it", ""),
    "Dependency": ("waits for another job to end", "squeue -j ID -o %E shows which"),
    "DependencyNeverSatisfied": ("the job it waits for has failed", "fmctl cancel, then submit without the dependency"),
    "BeginTime": ("was put back and starts again after a pause", ""),
    "JobHeldUser": ("is held by its owner", "scontrol release ID"),
    "JobHeldAdmin": ("is held by an administrator", "scontrol release ID"),
    "JobHoldMaxRequeue": ("was put back too often and is held", "fmctl logs --job ID; then scontrol release ID"),
    "ReqNodeNotAvail": (
        "its nodes are not available: reserved, down, or outside their Capacity Block",
        "fmctl status; a Capacity Block's nodes stand in a maintenance reservation until it begins",
    ),
    "Reservation": ("waits for its reservation to begin", "scontrol show reservations"),
    "ReservationDeleted": ("its reservation was deleted", "fmctl cancel, and submit again"),
    "PartitionNodeLimit": ("wants more nodes than its queue has", "a plan with fewer nodes, or a larger cluster"),
    "PartitionTimeLimit": ("wants more time than its queue allows", "a shorter --max-hours"),
    "NodeDown": ("a node that it needs is down", "fmctl jobs shows which"),
    "BadConstraints": ("asks for what no node has", "fmctl render shows what it asks for"),
    "LaunchFailure": ("could not be started on its nodes", "fmctl logs --job ID"),
    "AssociationJobLimit": ("the account runs as many jobs as it may", ""),
    "QOSMaxNodePerUserLimit": ("the user has as many nodes as they may", ""),
    "InvalidAccount": ("its account is not valid", "sacctmgr show assoc"),
    "Licenses": ("waits for a licence", ""),
    "FrontEndDown": ("Slurm's front end is down", ""),
    "Cleaning": ("is still being cleaned up after its last start", ""),
}
_NODES_DOWN = "Nodes required for job are DOWN, DRAINED or reserved"


def reasons() -> Mapping[str, tuple[str, str]]:
    """Why a job waits, by Slurm's word: (in plain words, what to do)."""
    return {**REASONS, **queue_reasons()}


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, and what to do; next is empty where nothing is to be done."""

    text: str
    next: str = ""


def told(job: Job, nodes: Sequence[SlurmNode]) -> Said:
    """What a job is doing, why, and what to do."""
    if job.over:
        return _ended(job)
    if job.state == "PENDING":
        return _waits(job, nodes)
    back = f", put back {job.restarts} time(s)" if job.restarts else ""
    if "COMPLETING" in job.flags:
        return Said(f"is ending{back}")
    return Said(f"{job.state.lower()} on {job.nodes or 'its nodes'}{back}")


def _waits(job: Job, nodes: Sequence[SlurmNode]) -> Said:
    word = job.reason.split(",")[0].split("(")[0].strip().replace("_", "")
    lost = [node for node in nodes if trouble(node).text]
    back = f" (put back {job.restarts} time(s))" if job.restarts else ""
    if job.reason.startswith(_NODES_DOWN) or word in ("NodesrequiredforjobareDOWN", "Resources", "ReqNodeNotAvail"):
        names = f"; out: {', '.join(node.name for node in lost[:6])}" if lost else ""
        text, do_next = reasons().get(word, ("too few of its nodes are up", "fmctl jobs shows them, with why"))
        return Said(f"{text}{names}{back}", do_next or (_first(lost) if lost else ""))
    text, do_next = reasons().get(word, (f"Slurm says {job.reason or 'nothing'}", ""))
    return Said(text + back, do_next.replace("ID", str(job.id)))


def _first(lost: Sequence[SlurmNode]) -> str:
    return trouble(lost[0]).next


def _ended(job: Job) -> Said:
    how = {
        "COMPLETED": "done",
        "CANCELLED": "was cancelled",
        "TIMEOUT": "ran out of its time",
        "NODE_FAIL": "lost a node and was not put back",
        "OUT_OF_MEMORY": "ran out of host memory",
        "PREEMPTED": "made way for another job",
        "BOOT_FAIL": "its nodes did not boot",
        "DEADLINE": "missed its deadline",
    }.get(job.state, "failed")
    code = f" with exit status {job.exit_code}" if job.exit_code else ""
    looked = "" if job.state in ("COMPLETED", "CANCELLED") else f"fmctl logs --job {job.id}"
    return Said(how + code, looked)


def trouble(node: SlurmNode) -> Said:
    """What is wrong with a node; an empty sentence where nothing is."""
    flags, reason = set(node.flags), node.reason
    if "ResumeTimeout" in reason or ("POWERING_UP" in flags and "NOT_RESPONDING" in flags and node.state == "DOWN"):
        return Said("did not boot in time", "fmctl logs NAME clustermgtd: capacity, image or subnet")
    if node.state == "DOWN" and not flags & {"POWERED_DOWN", "POWERING_DOWN"}:
        return Said(f"is down: {reason or 'it does not answer'}", f"scontrol update nodename={node.name} state=resume")
    if "DRAIN" in flags:
        return Said(f"is drained: {reason or 'nobody says why'}", f"scontrol update nodename={node.name} state=resume")
    if "NOT_RESPONDING" in flags and "POWERING_UP" not in flags:
        return Said("does not answer", "a minute; then Slurm calls it down and puts its job back")
    if "INVALID_REG" in flags or node.state == "INVALID":
        return Said(f"registered with less than it should have: {reason}", "its GPUs: nvidia-smi on the node")
    return Said("")
