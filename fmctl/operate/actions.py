"""What has to be done, in order, from what is wanted and what there is. Pure: nothing here asks or changes anything."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fmctl.domain.cluster import ClusterSpec, fields_of
from fmctl.domain.end import End, end_name, role_name, warning_name
from fmctl.domain.ports import Leftover, Node
from fmctl.operate.costs import CostLine, total_usd_per_h
from fmctl.targets.target import Beside, Condition, State, Words


@dataclass(frozen=True, slots=True)
class Actual:
    """What there is of a cluster."""

    state: State | None = None
    end: End | None = None  # as it is arranged, None where nothing is
    nodes: tuple[Node, ...] = ()
    leftovers: tuple[Leftover, ...] = ()

    @property
    def ends(self) -> datetime | None:
        """When its arrangement deletes it; None where none would."""
        return self.end.at if self.end is not None and self.end.holds else None


@dataclass(frozen=True, slots=True)
class Action:
    """One step of what has to be done, in order."""

    name: str
    what: str
    creates: tuple[str, ...] = ()
    destroys: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    # what runs from then on, None where no price is known; 0 where the step costs nothing
    usd_per_h: float | None = 0.0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Money:
    """What a launch may cost, for whoever confirms it."""

    account: str
    region: str
    nodes: int
    instance: str
    usd_per_h: float | None  # of all nodes, None where it is unknown
    max_hours: float
    end: datetime
    stays: tuple[str, ...] = field(default=())
    lines: tuple[CostLine, ...] = field(default=())  # all that costs, by the hour

    @property
    def cap_usd(self) -> float | None:
        """The most that the lines with a known price can cost until the end."""
        hourly = total_usd_per_h(self.lines)
        return None if hourly is None else hourly * self.max_hours


def condition(state: State | None) -> Condition:
    """What a cluster is in; MISSING where there is none."""
    return Condition.MISSING if state is None else state.condition


def spec_digest(spec: ClusterSpec) -> str:
    """SHA-256 of everything that was wanted, in one spelling."""
    wanted = {one.name: getattr(spec, one.name) for one in dataclasses.fields(spec)} | {"site": fields_of(spec.site)}
    canonical = json.dumps(_plain(wanted), sort_keys=True, separators=(",", ":"), default=str)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def token(name: str, digest: str, step: str) -> str:
    """Client token of one step: the same for the same cluster, spec and step, 32 letters and digits."""
    return "f" + hashlib.sha256(f"{name}\n{digest}\n{step}".encode()).hexdigest()[:31]


def end_step(at: datetime) -> str:
    """The step that schedules the end at a time: another time is another step."""
    return f"end:{at.isoformat(timespec='seconds')}"


def ours(state: State, tags: Mapping[str, str]) -> bool:
    """Whether a cluster carries all of the tags, and there are some."""
    return bool(tags) and all(state.tags.get(key) == value for key, value in tags.items())


def launch_actions(
    spec: ClusterSpec, words: Words, beside: Beside, actual: Actual, end: datetime
) -> tuple[Action, ...]:
    """Steps from what there is to a running cluster; the end comes before the first GPU.

    Args:
        spec: what is wanted.
        words: how the target is told of.
        beside: what there is beside the nodes.
        actual: what there is; a cluster in it is this rendering's own.
        end: when AWS shall delete it.
    """
    name, digest, now = spec.name, spec_digest(spec), condition(actual.state)
    steps = [
        Action("check", f"plan, account, region and {words.title}'s validators; nothing is made"),
        Action("lock", f"one operator for {name}"),
    ]
    if actual.ends != end:
        role, schedule = f"IAM role {role_name(name, spec.site.region)}", f"schedule {end_name(name)}"
        steps += [
            Action("end-role", "the role that may delete the stack", (role,), token=token(name, digest, "end-role")),
            Action(
                "end-schedule",
                f"AWS deletes the stack at {end:%Y-%m-%d %H:%M} UTC, whatever becomes of this machine",
                (schedule,),
                token=token(name, digest, end_step(end)),
            ),
        ]
    if now == Condition.MISSING:
        made = [f"stack {name}", f"{spec.nodes} x {spec.instance}", *beside.made]
        if spec.site.file_system is not None and spec.site.file_system.id is None:
            made.append(f"FSx for Lustre of {spec.site.file_system.capacity_gib} GiB")
        steps.append(
            Action(
                "create",
                "create the cluster",
                tuple(made),
                (),
                stays(spec, words),
                spec.usd_per_h,
                _create(spec, digest),
            )
        )
    if now in (Condition.MISSING, Condition.GROWING):
        steps.append(Action("wait", "until the stack is complete"))
    steps.append(Action("verify", "tags, nodes, and that the end is scheduled"))
    return tuple(steps)


def teardown_actions(
    name: str, digest: str, region: str, actual: Actual, *, arranged: bool = False
) -> tuple[Action, ...]:
    """Steps from what there is to nothing that costs money; none where there is nothing.

    Args:
        name: the cluster.
        digest: of its spec, for the client tokens; "" where nobody remembers.
        region: where it is.
        actual: what there is.
        arranged: whether the journal says that an end was ever about to be arranged and not removed.
    """
    now = condition(actual.state)
    gpu = sorted({node.type for node in actual.nodes if node.role == "compute"})
    counted = [f"{sum(node.type == kind for node in actual.nodes)} x {kind}" for kind in gpu]
    others = sum(node.role != "compute" for node in actual.nodes)
    counted += [f"{others} head or login node(s)"] if others else []
    steps = []
    if now == Condition.READY:
        steps.append(
            Action("stop-fleet", "jobs end, nodes go", destroys=tuple(counted), token=token(name, digest, "stop-fleet"))
        )
    if now not in (Condition.MISSING, Condition.GOING):
        steps.append(
            Action(
                "delete",
                "delete the stack and what it made",
                destroys=(f"stack {name}", *counted),
                keeps=("file systems and volumes with Retain", "buckets", "logs"),
                token=token(name, digest, "delete"),
            )
        )
    if now != Condition.MISSING:
        steps.append(Action("wait", "until the stack is gone"))
    left = any(_of_the_end(one, name, region) for one in actual.leftovers)
    if now != Condition.MISSING or actual.end is not None or arranged or left:
        removed = (f"schedules {end_name(name)} and {warning_name(name)}", f"IAM role {role_name(name, region)}")
        steps.append(
            Action("remove-end", "the scheduled end", destroys=removed, token=token(name, digest, "remove-end"))
        )
    if steps:
        steps.append(Action("sweep", "look for what still costs money, and name it"))
    return tuple(steps)


def stays(spec: ClusterSpec, words: Words) -> tuple[str, ...]:
    """What outlives the cluster, and may go on costing."""
    files = spec.site.file_system
    kept = [*words.kept]
    if files is not None and (files.id is not None or files.retain):
        kept.append(f"file system {files.id}" if files.id else f"FSx for Lustre of {files.capacity_gib} GiB (retain)")
    kept += [f"reservation {spec.capacity.reservation_id}"] if spec.capacity.reservation_id else []
    kept += [f"bucket {spec.site.bucket}"] if spec.site.bucket else []
    return tuple(kept)


def reused(spec: ClusterSpec, beside: Beside) -> tuple[str, ...]:
    """What the cluster uses and does not make: kind and id of each."""
    files = spec.site.file_system
    found = [("reservation", one) for one in (spec.capacity.reservation_id or "").split(",") if one]
    found += [("file system", files.id)] if files is not None and files.id else []
    found += [("data", files.data_repository)] if files is not None and files.data_repository else []
    return (*(f"{kind} {id}" for kind, id in found), *beside.reused)


def _create(spec: ClusterSpec, digest: str) -> str:
    return token(spec.name, digest, "create")


def _of_the_end(found: Leftover, name: str, region: str) -> bool:
    return found.id.rpartition("/")[2] in (end_name(name), role_name(name, region))


def _plain(found: object) -> object:
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        return {one.name: _plain(getattr(found, one.name)) for one in dataclasses.fields(found)}
    if isinstance(found, Mapping):
        return {str(key): _plain(value) for key, value in found.items()}
    if isinstance(found, Sequence) and not isinstance(found, str):
        return [_plain(value) for value in found]
    return found
