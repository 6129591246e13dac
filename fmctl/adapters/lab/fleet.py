"""What runs on a head node, as far as AWS sees it: the fleet's status in DynamoDB, and static compute nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml
from moto.dynamodb.models import dynamodb_backends
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends

from fmctl.adapters.lab import resources, stacks
from fmctl.adapters.lab.world import World

if TYPE_CHECKING:
    from moto.cloudformation.models import Stack
    from moto.dynamodb.models import DynamoDBBackend
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance

_KEY = {"Id": {"S": "COMPUTE_FLEET"}}
_NEXT = {"STOP_REQUESTED": "STOPPING", "STOPPING": "STOPPED", "START_REQUESTED": "STARTING", "STARTING": "RUNNING"}
_STEP = timedelta(seconds=30)
_RETRY = timedelta(minutes=5)  # of nodes that got no capacity
_CREATED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_NAME, _TYPE = "parallelcluster:cluster-name", "parallelcluster:node-type"


class _Group(resources.Properties):
    """Static nodes of one compute resource."""

    queue: str
    resource: str
    count: int
    template: str


class Fleet:
    """A stand-in for clustermgtd: one for all clusters of the lab."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[str, tuple[str, datetime]] = {}
        self._wanted: dict[str, list[_Group]] = {}
        self._refused: dict[str, datetime] = {}

    def step(self) -> None:
        """Move every cluster's fleet on."""
        for backend in stacks.backends():
            for stack in list(backend.stacks.values()):
                self._one(stack)

    def _one(self, stack: Stack) -> None:
        table, tables = f"parallelcluster-{stack.name}", dynamodb_backends[stack.account_id][stack.region_name]
        ec2 = ec2_backends[stack.account_id][stack.region_name]
        now = stacks.status(self._world, stack) or ""
        if now.startswith("DELETE"):  # the table goes with the first of it
            _terminate(ec2, stack.name)
        if table not in tables.tables:
            return
        state = self._moved(stack.stack_id, _status(tables, table), tables, table)
        if state in ("STOPPED", "STOPPING"):
            _terminate(ec2, stack.name)
        elif state == "RUNNING" and now in _CREATED:
            self._fill(stack, ec2)

    def _moved(self, key: str, state: str | None, tables: DynamoDBBackend, table: str) -> str:
        """The status now; requests are carried out in two steps of half a minute."""
        now = self._world.clock.now()
        if state is None:
            _put(tables, table, "RUNNING", now)
            return "RUNNING"
        while state in _NEXT:
            known, since = self._since.get(key, ("", now))
            if known != state:
                since = now
                self._since[key] = (state, now)
            if now - since < _STEP:
                return state
            state = _NEXT[state]
            self._since[key] = (state, since + _STEP)
            _put(tables, table, state, now)
        self._since.pop(key, None)
        return state

    def _fill(self, stack: Stack, ec2: EC2Backend) -> None:
        """Start the static nodes that are missing; without capacity again in five minutes."""
        now = self._world.clock.now()
        if now < self._refused.get(stack.stack_id, now):
            return
        if stack.stack_id not in self._wanted:
            self._wanted[stack.stack_id] = list(_static_nodes(stack))
        for group in self._wanted[stack.stack_id]:
            tags = {_NAME: stack.name, _TYPE: "Compute", "parallelcluster:queue-name": group["queue"],
                    "parallelcluster:compute-resource-name": group["resource"]}  # fmt: skip
            for _ in range(group["count"] - len(_running(ec2, tags))):
                try:
                    made = resources.launch(ec2, {"LaunchTemplateName": group["template"]}, group, stack.region_name)
                except EC2ClientError as error:
                    self._refused[stack.stack_id] = now + _RETRY
                    self._world.note("no capacity for a node", cluster=stack.name, error=str(error)[:200])
                    _log(stack, now, f"Error in CreateFleet request (lab): {error.code} - {error.message}")
                    return
                for key, value in (tags | {"Name": "Compute"}).items():
                    made.add_tag(key, value)


def install(world: World) -> None:
    """Let fleets move as time goes on."""
    fleet = Fleet(world)
    world.steps.append(fleet.step)


def _status(tables: DynamoDBBackend, table: str) -> str | None:
    item = tables.get_item(table, _KEY)
    return None if not item else str(item.attrs["Data"].value["status"].value)


def _put(tables: DynamoDBBackend, table: str, status: str, now: datetime) -> None:
    data = {"status": {"S": status}, "lastStatusUpdatedTime": {"S": str(now)}}
    tables.put_item(table, {**_KEY, "Data": {"M": data}})


def _static_nodes(stack: Stack) -> Iterator[_Group]:
    """Queue, compute resource, count, launch template and subnet of the static nodes, out of the cluster's config."""
    config = _config(stack)
    for queue in (config.get("Scheduling") or {}).get("SlurmQueues") or []:
        for one in queue.get("ComputeResources") or []:
            if one.get("MinCount"):
                yield {
                    "queue": queue["Name"], "resource": one["Name"], "count": int(one["MinCount"]),
                    "template": f"{stack.name}-{queue['Name']}-{one['Name']}",
                    "SubnetId": queue["Networking"]["SubnetIds"][0], "InstanceType": one.get("InstanceType"),
                }  # fmt: skip


def _config(stack: Stack) -> dict[str, Any]:
    """The configuration that pcluster uploaded; empty where there is none."""
    for bucket in list(s3_backends[stack.account_id]["aws"].buckets.values()):
        for key, found in list(bucket.keys.items()):
            if f"/clusters/{stack.name}-" in f"/{key}" and key.endswith("configs/cluster-config.yaml"):
                with suppress(yaml.YAMLError):
                    return yaml.safe_load(found.value) or {}
    return {}


def _running(ec2: EC2Backend, tags: dict[str, str]) -> list[Instance]:
    found = [one for group in ec2.reservations.values() for one in group.instances]
    alive = [one for one in found if one.state in ("pending", "running")]
    return [one for one in alive if tags.items() <= {t["key"]: t["value"] for t in one.get_tags()}.items()]


def _log(stack: Stack, now: datetime, text: str) -> None:
    """One line of clustermgtd, in its format, in the cluster's own log group."""
    logs = logs_backends[stack.account_id][stack.region_name]
    for group in (name for name in logs.groups if name.startswith(f"/aws/parallelcluster/{stack.name}-")):
        stream = "ip-10-0-0-10.i-0123456789abcdef0.clustermgtd"
        if stream not in logs.groups[group].streams:
            logs.create_log_stream(group, stream)
        line = f"{now:%Y-%m-%d %H:%M:%S},000 - 1234 - [slurm_plugin.fleet_manager:_launch_instances] - ERROR - {text}"
        # Past the backend's own check: the lab's clock may be hours ahead, and CloudWatch refuses what is to come.
        logs.groups[group].put_log_events(stream, [{"timestamp": int(now.timestamp() * 1000), "message": line}])


def _terminate(ec2: EC2Backend, cluster: str) -> None:
    for one in _running(ec2, {_NAME: cluster, _TYPE: "Compute"}):
        ec2.terminate_instances([one.id])
