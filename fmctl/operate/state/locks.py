"""One operator per cluster name: a lock that names its holder, and outlives nobody who is known to be dead."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fmctl.base.errors import OperationFailed
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import part
from fmctl.domain.ports import Clock
from fmctl.domain.state import Stored
from fmctl.operate.state import StateStore

_MOST_PIDS = 2**31


@dataclass(frozen=True, slots=True)
class Holder:
    """One process that holds, or would hold, a lock."""

    who: str
    host: str
    machine: str  # tells hosts of one name apart
    boot: str  # changes with every start
    pid: int
    started: str  # clock ticks


HELD = "held"
Alive = Callable[[Holder], bool | None]
"""Whether a holder still runs; None where it cannot be known, because it is on another host."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that is ours, with what has to be named to give it back."""

    key: str
    version: str
    taken_from: str = ""


def this_process() -> Holder:
    """Who we are."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in some containers
        who = "unknown"
    machine = _read("/etc/machine-id") + _link("/proc/self/ns/pid")
    return Holder(
        who=who,
        host=platform.node(),
        machine=hashlib.sha256(machine.encode()).hexdigest()[:16] if machine else "",
        boot=_read("/proc/sys/kernel/random/boot_id")[:8],
        pid=os.getpid(),
        started=_started(os.getpid()),
    )


def alive(holder: Holder) -> bool | None:
    """Whether the holder's process still runs; None where only its own host could say."""
    us = this_process()
    if (holder.host, holder.machine) != (us.host, us.machine):
        return None
    if holder.boot and us.boot and holder.boot != us.boot:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return _started(holder.pid) == holder.started


def take(
    store: StateStore,
    name: str,
    me: Holder,
    clock: Clock,
    *,
    is_alive: Alive,
    break_lock: bool = False,
    place: Mapping[str, str] | None = None,
) -> Lock:
    """Lock a cluster name.

    Args:
        store: where the lock is.
        name: the cluster.
        me: who takes it.
        clock: for the time it says.
        is_alive: judges another holder.
        break_lock: take it from a holder on another host, too.
        place: region and account (masked) of the cluster; told to whoever reads the lock.

    Raises:
        OperationFailed: somebody holds it (its `cause` is HELD); says who, since when, and what to do.
    """
    key = f"locks/{name}.json"
    text = json.dumps({**asdict(me), **(place or {}), "at": clock.now().isoformat(timespec="seconds")}) + "\n"
    for _ in range(3):
        made = store.create(key, text)
        if made is not None:
            return Lock(key, made.version)
        found = store.read(key)
        if found is None:
            continue
        holder, since = _holder(found)
        running = None if holder is None else is_alive(holder)
        if running is True or (running is None and not break_lock):
            raise _held(name, holder, since, running)
        taken = store.replace(key, text, found.version)
        if taken is not None:
            return Lock(key, taken.version, taken_from=_said(holder, since))
    raise OperationFailed(f"the lock of {name} keeps changing hands", next=f"fmctl status {name}")


def release(store: StateStore, lock: Lock) -> None:
    """Give a lock back; one that was broken meanwhile is somebody else's and stays."""
    store.remove(lock.key, lock.version)


def holder_of(store: StateStore, name: str) -> str:
    """Who holds the lock of a name and since when, in words; "" where nobody does."""
    found = store.read(f"locks/{name}.json")
    return "" if found is None else _said(*_holder(found))


def _held(name: str, holder: Holder | None, since: str, running: bool | None) -> OperationFailed:
    next_step = f"wait for it, or stop it and repeat the command; meanwhile: fmctl status {name}"
    if running is None:
        next_step = "repeat with --break-lock, once you know that it no longer runs"
    return OperationFailed(f"{name} is locked", why=f"held by {_said(holder, since)}", next=next_step, cause=HELD)


def _holder(found: Stored) -> tuple[Holder | None, str]:
    try:
        known = part(from_json(found.text))
        texts = {field: str(known[field]) for field in ("who", "host", "machine", "boot", "started")}
        pid = known["pid"]
    except (NotParsed, KeyError):
        return None, ""
    if isinstance(pid, bool) or not isinstance(pid, int) or not 0 < pid < _MOST_PIDS:  # os.kill(0) is our own group
        return None, ""
    return Holder(pid=pid, **texts), str(known.get("at", ""))


def _said(holder: Holder | None, since: str) -> str:
    if holder is None:
        return "somebody whose lock file is damaged"
    return f"{holder.who} on {holder.host} (process {holder.pid}) since {since}"


def _started(pid: int) -> str:
    """When a process began, in clock ticks since the boot; "" where the system does not say (not Linux)."""
    after_name = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(after_name) <= 19:
        return ""
    return "ended" if after_name[0] == "Z" else after_name[19]  # a zombie runs no more


def _read(path: str) -> str:
    with suppress(OSError, ValueError):
        return Path(path).read_text(encoding="utf-8").strip()
    return ""


def _link(path: str) -> str:
    with suppress(OSError):
        return str(Path(path).readlink())
    return ""
