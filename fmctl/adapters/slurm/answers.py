"""One tolerant reader of what `squeue`, `sacct`, `sinfo` and `scontrol` print with --json, from Slurm 22.05 to 26.05.

What changed on the way: numbers became `{"set", "infinite", "number"}` (23.02), states lists (23.11), `sinfo --json`
groups of nodes with one state (23.02), flags moved from `state_flags` into the state. Unknown fields are ignored,
missing ones are empty: a newer Slurm says less here, and never fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from fmctl.base.errors import OperationFailed, shorten
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import Fields, number, part, rows, text
from fmctl.domain.job import Job, SlurmNode

# What a state is when several words say it: the first of these that is among them, the rest are flags.
_JOB_STATES = (
    "PENDING", "RUNNING", "SUSPENDED", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED",
    "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY",
)  # fmt: skip
_NODE_STATES = ("DOWN", "IDLE", "ALLOCATED", "MIXED", "ERROR", "FUTURE", "UNKNOWN", "INVALID")
_MOST = 2**32  # ids, counts and statuses are 32 bits wide
_NO_REASON = ("", "None", "(null)", "N/A")


def read_jobs(printed: str) -> tuple[Job, ...]:
    """The jobs of `squeue --json` or `sacct --json`. Raises OperationFailed where it is no JSON of Slurm."""
    return tuple(_job(found) for found in _listed(printed, "jobs", "squeue"))


def read_nodes(printed: str) -> tuple[SlurmNode, ...]:
    """The nodes of `sinfo --json` or `scontrol show nodes --json`, each once. Raises OperationFailed."""
    document = _document(printed, "sinfo")
    if isinstance(document.get("sinfo"), list):
        found = [node for group in rows(document["sinfo"]) for node in _grouped(group)]
    else:
        found = [_node(one) for one in _listed(printed, "nodes", "sinfo")]
    # A node stands in every partition that has it, and may be in a group twice.
    return tuple({node.name: node for node in found if node.name}.values())


def _document(printed: str, what: str) -> Fields:
    try:
        found = from_json(printed, odd=True)
    except NotParsed as error:
        said = shorten(" ".join(printed.split()) or "nothing", 200)
        raise OperationFailed(f"{what} did not answer in JSON", why=f"{error}; it said: {said}", next=None) from None
    return part(found)


def _listed(printed: str, name: str, what: str) -> Iterator[Fields]:
    found = _document(printed, what).get(name)
    if not isinstance(found, list):
        raise OperationFailed(f"the answer of {what} has no {name}", why="an older Slurm than 22.05?", next=None)
    yield from rows(found)


def _job(found: Fields) -> Job:
    times = part(found.get("time"))
    old = part(found.get("state"))  # sacct has the state and its reason in one
    state, flags = _state(old.get("current", found.get("job_state")), _JOB_STATES)
    reason = text(old.get("reason", found.get("state_reason")))
    ended = _at(times.get("end", found.get("end_time")))
    over = state not in ("PENDING", "RUNNING", "SUSPENDED")
    return Job(
        id=_count(found.get("job_id")),
        name=text(found.get("name")),
        state=state,
        flags=flags,
        reason="" if reason in _NO_REASON else reason,
        nodes=text(found.get("nodes")),
        node_count=_count(found.get("node_count", found.get("allocation_nodes"))),
        user=text(found.get("user_name", found.get("user"))),
        submitted=_at(times.get("submission", found.get("submit_time"))),
        started=_at(times.get("start", found.get("start_time"))),
        ended=ended if over else None,
        restarts=_count(found.get("restart_cnt", found.get("restart_count"))),
        exit_code=_exit_code(found.get("exit_code")) if over else None,
        output=text(found.get("standard_output", found.get("stdout"))),
        folder=text(found.get("current_working_directory", found.get("working_directory"))),
        comment=_comment(found.get("comment")),
    )


def _node(found: Fields) -> SlurmNode:
    words = _words(found.get("state")) + _words(found.get("state_flags"))
    state, flags = _state(words, _NODE_STATES)
    reason = text(found.get("reason"))
    return SlurmNode(text(found.get("name")), state, flags, reason, _at(found.get("reason_changed_at")))


def _grouped(found: Fields) -> Iterator[SlurmNode]:
    """Nodes of one row of `sinfo`: they share state and reason."""
    state, flags = _state(_words(part(found.get("node")).get("state")), _NODE_STATES)
    why = found.get("reason")
    reason = part(why)
    said = text(reason.get("description")) if reason else text(why)
    for name in _words(part(found.get("nodes")).get("nodes"), upper=False):
        yield SlurmNode(name, state, flags, said, _at(reason.get("time")))


def _state(found: object, known: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    words = _words(found)
    state = next((word for word in known if word in words), words[0] if words else "UNKNOWN")
    return state, tuple(word for word in words if word != state)


def _words(found: object, upper: bool = True) -> list[str]:
    listed = found if isinstance(found, list) else [found] if isinstance(found, str) and found else []
    return [str(word).upper() if upper else str(word) for word in listed]


def _number(found: object) -> float | None:
    """A number, or one of those with `set` and `infinite`; None where it is not set or without end."""
    if isinstance(found, dict):
        if not found.get("set", True) or found.get("infinite"):
            return None
        found = found.get("number")
    return number(found)


def _count(found: object) -> int:
    """An id or a number of something, 0 where it is not set, or none that can be."""
    told = _number(found) or 0.0
    return int(told) if 0 <= told < _MOST and told == int(told) else 0


def _at(found: object) -> datetime | None:
    seconds = _number(found)
    if not seconds or not 0 < seconds < 2**40:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _exit_code(found: object) -> int | None:
    """The exit status; versions before 23.02 print what wait(2) gives: the status above the signal."""
    if isinstance(found, dict):
        code = _number(found.get("return_code"))
        return None if code is None else _status(code)
    code = _number(found)
    status = None if code is None else _status(code)
    return None if status is None else status >> 8


def _status(code: float) -> int | None:
    return int(code) if 0 <= code < _MOST and code == int(code) else None


def _comment(found: object) -> str:
    return text(part(found).get("job")) if isinstance(found, dict) else text(found)
