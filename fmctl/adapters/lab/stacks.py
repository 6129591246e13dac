"""CloudFormation on the lab's clock: stacks are made at once inside moto and tell about it over simulated minutes."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.cloudformation import models
from moto.cloudformation.responses import CloudFormationResponse, StackResourceDTO
from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends

from fmctl.adapters.lab import resources
from fmctl.adapters.lab.making import install as install_making
from fmctl.adapters.lab.making import making, remember
from fmctl.adapters.lab.patch import patch
from fmctl.adapters.lab.timeline import STACK, Part, Row, Timeline, creation, deletion, update
from fmctl.adapters.lab.world import World

_ASKED = threading.local()  # what the request said that moto does not hand to its backend


@dataclass(slots=True)
class Event:
    """One event as moto serialises it, by attribute names."""

    timestamp: datetime
    stack_id: str
    stack_name: str
    logical_resource_id: str
    physical_resource_id: str
    resource_type: str
    resource_status: str
    resource_status_reason: str | None
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    resource_properties: None = None
    client_request_token: None = None


@dataclass(slots=True)
class Record:
    """What the lab knows of a stack beside moto."""

    events: list[Event] = field(default_factory=list)
    gone_at: datetime | None = None


def install(world: World) -> None:
    """Patch moto's CloudFormation."""
    refused: dict[tuple[str, str], str] = {}
    resources.install(refused)
    install_making(lambda: [stack for backend in backends() for stack in backend.stacks.values()])
    _patch_stack(world)
    _patch_requests()
    _patch_create(world, refused)
    _patch_delete(world)
    _patch_update(world)
    world.steps.append(lambda: sweep(world))


def record(stack: Any) -> Record:
    """The lab's record of a stack, kept on it."""
    if not hasattr(stack, "lab_record"):
        stack.lab_record = Record()
    found: Record = stack.lab_record
    return found


def seen(world: World, stack: models.Stack) -> list[Event]:
    """Events up to now, oldest first."""
    now = world.clock.now()
    return [event for event in record(stack).events if event.timestamp <= now]


def status(world: World, stack: models.Stack) -> str | None:
    """The stack's status now; None before its first event."""
    own = [e for e in seen(world, stack) if e.resource_type == STACK and e.physical_resource_id == stack.stack_id]
    return own[-1].resource_status if own else None


def backends() -> list[models.CloudFormationBackend]:
    """CloudFormation of every account and region in use."""
    return [models.cloudformation_backends[a][r] for a in list(models.cloudformation_backends)
            for r in list(models.cloudformation_backends[a])]  # fmt: skip


def sweep(world: World) -> None:
    """Stacks whose deletion is through become deleted ones."""
    now = world.clock.now()
    for backend in backends():
        for key, stack in list(backend.stacks.items()):
            gone = record(stack).gone_at
            if gone is not None and now >= gone:
                backend.deleted_stacks[key] = backend.stacks.pop(key)


def _patch_stack(world: World) -> None:
    """Status and events come from the clock; outputs of nested stacks are found; nothing is ever half ready."""
    stack = models.Stack

    def get_cfn_attribute(self: models.Stack, attribute: str) -> str:
        outputs = {f"Outputs.{one['OutputKey']}": one["OutputValue"] for one in self.outputs or []}
        return str(outputs.get(attribute, f"{self.name}-{attribute}"))

    def get_status(self: models.Stack) -> str:
        return status(world, self) or str(getattr(self, "lab_status", "CREATE_IN_PROGRESS"))

    patch(stack, "get_cfn_attribute", get_cfn_attribute)
    patch(stack, "is_created", lambda self: True)
    patch(stack, "physical_resource_id", property(lambda self: self.stack_id))
    patch(stack, "_add_stack_event", lambda self, *args, **kwargs: None)  # private: moto's own two events
    patch(stack, "status", property(get_status, lambda self, value: setattr(self, "lab_status", value)))
    patch(stack, "events", property(lambda self: seen(world, self), lambda self, value: None))
    describe = StackResourceDTO.__init__

    def __init__(self: Any, owner: models.Stack, resource: Any) -> None:  # noqa: N807
        describe(self, owner, resource)
        news = [e for e in seen(world, owner) if e.logical_resource_id == self.logical_resource_id]
        if news:
            self.resource_status = news[-1].resource_status

    patch(StackResourceDTO, "__init__", __init__)


def _patch_requests() -> None:
    """Moto drops DisableRollback, OnFailure and RetainResources on the way to its backend."""
    create, delete = CloudFormationResponse.create_stack, CloudFormationResponse.delete_stack

    def create_stack(self: CloudFormationResponse) -> ActionResult:
        off = str(self._get_param("DisableRollback") or "").lower() == "true"
        _ASKED.rollback = not off and self._get_param("OnFailure") != "DO_NOTHING"
        return create(self)

    def delete_stack(self: CloudFormationResponse) -> ActionResult:
        _ASKED.retain = tuple(self._get_param("RetainResources", []) or [])
        try:
            return delete(self)
        finally:
            _ASKED.retain = ()

    patch(CloudFormationResponse, "create_stack", create_stack)
    patch(CloudFormationResponse, "delete_stack", delete_stack)


def _patch_create(world: World, refused: dict[tuple[str, str], str]) -> None:
    """The outermost creation lays out the events of all nested stacks."""
    original = models.CloudFormationBackend.create_stack

    def create_stack(
        self: models.CloudFormationBackend, name: str, template: str, parameters: dict[str, Any], **asked: Any
    ) -> models.Stack:
        with world.lock:
            depth = getattr(_ASKED, "depth", 0)
            if depth == 0:
                refused.clear()  # of an update: only a creation tells about them
            _ASKED.depth = depth + 1
            before = set(self.stacks)
            try:
                with making():
                    made = original(self, name, template, parameters, **asked)
            except BaseException:
                if depth == 0:  # moto refused a resource: nothing stands that no event tells of
                    for half in set(self.stacks) - before:
                        _take_away(world, self.stacks[half], set())
                        del self.stacks[half]
                raise
            finally:
                _ASKED.depth = depth
            if depth == 0:
                faults = [(rule.resource, rule.reason) for rule in world.faults.take(name, "create")]
                faults += [(f"^{logical}$", why) for (_, logical), why in refused.items()]
                made.creation_time = world.clock.now()
                timeline = creation(part_of(made), faults, rollback=getattr(_ASKED, "rollback", True))
                _bind(made, made.creation_time, timeline)
            return made

    patch(models.CloudFormationBackend, "create_stack", create_stack)


def _patch_delete(world: World) -> None:
    """A deletion takes its time; what it takes away is gone from moto at once, but for resources that fail."""

    def delete_stack(self: models.CloudFormationBackend, name_or_stack_id: str) -> None:
        with world.lock:
            found = next((s for s in self.stacks.values() if name_or_stack_id in (s.stack_id, s.name)), None)
            if found is None or record(found).gone_at is not None:
                return
            _delete(world, found)

    patch(models.CloudFormationBackend, "delete_stack", delete_stack)


def _delete(world: World, stack: models.Stack) -> None:
    now, known = world.clock.now(), record(stack)
    latest = {e.logical_resource_id: e for e in seen(world, stack) if e.physical_resource_id != stack.stack_id}
    alive = [name for name, event in latest.items() if event.resource_status != "DELETE_COMPLETE"]
    part = part_of(stack)
    faults = [(rule.resource, rule.reason) for rule in world.faults.take(stack.name, "delete")]
    timeline = deletion(part, [n for n in alive if n in part.resources], faults, getattr(_ASKED, "retain", ()))
    known.events = [event for event in known.events if event.timestamp <= now]
    _bind(stack, now, timeline)
    if timeline.failed is None:
        known.gone_at = now + timedelta(seconds=timeline.seconds)
    failing = {row.logical for row in timeline.rows if row.status == "DELETE_FAILED"}
    _take_away(world, stack, failing)


def _take_away(world: World, stack: models.Stack, failing: set[str]) -> None:
    """Through moto's own deletes; what depends on something it does not know is noted, not raised.

    What failed to go stays, and so does what its template retains; interfaces, which moto cannot delete, go here.
    """
    declared = stack.template_dict.get("Resources", {})
    retained = {name for name, resource in declared.items() if resource.get("DeletionPolicy") == "Retain"}
    remember(stack.resource_map)
    kept = {name: stack.resource_map._parsed_resources.pop(name, None) for name in failing | retained}
    interfaces = ec2_backends[stack.account_id][stack.region_name].enis
    for name, found in list(stack.resource_map._parsed_resources.items()):
        if declared.get(name, {}).get("Type") == "AWS::EC2::NetworkInterface":
            interfaces.pop(getattr(found, "id", ""), None)
    try:
        stack.resource_map.delete()
    except Exception as error:  # whatever moto's many models raise
        world.note("deleting left something", stack=stack.name, error=f"{type(error).__name__}: {error}"[:200])
    stack.resource_map._parsed_resources.update({name: found for name, found in kept.items() if found is not None})


def _patch_update(world: World) -> None:
    """`Stack.update`: changed and new resources, in the template's order; moto's own would update them all."""

    def changed(
        self: models.Stack,
        template: str,
        role_arn: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        with world.lock:
            before = self.template_dict["Resources"]
            self.template = template
            self._parse_template()
            after = self.template_dict["Resources"]
            _load(self, after, parameters)
            fresh = [name for name in after if name not in before]
            moved = [name for name in after if after[name] != before.get(name)]
            with making():
                for name in moved:
                    _ = self.resource_map[name]
            gone = [(name, before[name]["Type"]) for name in before if name not in after]
            for name, _kind in gone:
                self.resource_map._parsed_resources.pop(name, None)
            self.output_map = self._create_output_map()
            part = part_of(self)
            _bind(self, world.clock.now(), update(part, [n for n in moved if n in part.resources], fresh, gone))
            if tags is not None:
                self.tags = tags

    patch(models.Stack, "update", changed)


def _load(stack: models.Stack, resources_json: dict[str, Any], parameters: dict[str, Any] | None) -> None:
    known = stack.resource_map
    known.load_mapping()
    known._template, known._resource_json_map = stack.template_dict, resources_json
    if parameters:
        known.input_parameters = stack.parameters = parameters
    known.load_parameters()
    known.load_conditions()


def part_of(stack: models.Stack) -> Part:
    """A moto stack as the timeline wants it."""
    found, made = stack.template_dict.get("Resources", {}), stack.resource_map._parsed_resources
    conditions = stack.resource_map.lazy_condition_map
    wanted = {n: r for n, r in found.items() if not r.get("Condition") or conditions[r["Condition"]]}
    children = {n: part_of(made[n]) for n, r in wanted.items() if r["Type"] == STACK and n in made}
    physical = {n: str(getattr(made.get(n), "physical_resource_id", "") or "") for n in wanted}
    return Part(stack.name, stack.stack_id, wanted, physical, children)


def _bind(stack: models.Stack, start: datetime, timeline: Timeline) -> None:
    """Put a timeline on a stack and those nested in it, from a moment on."""
    record(stack).events += [_event(stack, start, row) for row in timeline.rows]
    for name, (offset, inner) in timeline.children.items():
        child = stack.resource_map._parsed_resources[name]
        child.parent_id = child.root_id = stack.stack_id
        _bind(child, start + timedelta(seconds=offset), inner)


def _event(stack: models.Stack, start: datetime, row: Row) -> Event:
    return Event(
        start + timedelta(seconds=row.at), stack.stack_id, stack.name, row.logical, row.physical, row.type, row.status,
        row.reason,
    )  # fmt: skip
