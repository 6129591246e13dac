"""EventBridge Scheduler: one-time schedules that delete a stack really do; moto only keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import moto.cloudformation.models as cloudformation
from moto.iam.models import iam_backends
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, ScheduleGroup, scheduler_backends

from fmctl.adapters.lab.patch import patch
from fmctl.adapters.lab.world import World

DELETE_STACK = "arn:aws:scheduler:::aws-sdk:cloudformation:deleteStack"


def install(world: World) -> None:
    """Fire schedules as the clock passes them."""
    world.steps.append(lambda: fire(world))
    world.dues.append(lambda: min((due for due, *_ in _waiting()), default=None))


def fire(world: World) -> None:
    """Do what is due, once each."""
    now = world.clock.now()
    for due, backend, group, schedule in list(_waiting()):
        if due <= now:
            patch(schedule, "lab_fired", True)
            _invoke(world, backend, schedule)
            if schedule.action_after_completion == "DELETE":
                group.schedules.pop(schedule.name, None)


def due_at(expression: str, zone: str) -> datetime | None:
    """The moment of an `at(...)` expression in UTC; None for any other."""
    found = re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)\)", expression.strip())
    if found is None:
        return None
    return datetime.fromisoformat(found[1]).replace(tzinfo=ZoneInfo(zone or "UTC")).astimezone(UTC)


def _waiting() -> Iterator[tuple[datetime, EventBridgeSchedulerBackend, ScheduleGroup, Schedule]]:
    for account in list(scheduler_backends):
        for region in list(scheduler_backends[account]):
            backend = scheduler_backends[account][region]
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    due = due_at(schedule.schedule_expression, schedule.schedule_expression_timezone)
                    fired = getattr(schedule, "lab_fired", None) is True
                    if due is not None and schedule.state == "ENABLED" and not fired:
                        yield due, backend, group, schedule


def _invoke(world: World, backend: EventBridgeSchedulerBackend, schedule: Schedule) -> None:
    """Delete the stack, if the target says so and its role is one that the scheduler may take."""
    target = schedule.target
    if target.get("Arn") != DELETE_STACK:
        world.note("schedule passed; the lab runs deleteStack only", schedule=schedule.name, target=target.get("Arn"))
        return
    if not _may_assume(backend.account_id, target.get("RoleArn", "")):
        world.note("schedule failed: the scheduler cannot take its role", schedule=schedule.name)
        return
    asked = json.loads(target.get("Input") or "{}")
    name = asked.get("StackName", "")
    cloudformation.cloudformation_backends[backend.account_id][backend.region_name].delete_stack(name)
    world.note("schedule deleted a stack", schedule=schedule.name, stack=name)


def _may_assume(account: str, role_arn: str) -> bool:
    roles = iam_backends[account]["aws"].roles.values()
    trusts = [str(role.assume_role_policy_document) for role in roles if role.arn == role_arn]
    return any("scheduler.amazonaws.com" in trust for trust in trusts)
