"""AWS in one region over boto3: the `Cloud` of `domain.ports`. boto3 is imported with the first question."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fmctl.adapters.aws.end import Ends
from fmctl.adapters.aws.errors import asked, code_of, reading
from fmctl.adapters.aws.marks import Marks
from fmctl.adapters.aws.session import Session, pages
from fmctl.base.errors import OperationFailed, OperationTimeout, shorten
from fmctl.domain.end import End, Whose
from fmctl.domain.policy import Place
from fmctl.domain.ports import Identity, Leftover, Lent, Node, Reservation, Stack, StackEvent

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import DeleteStackInputTypeDef, StackTypeDef
    from types_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef
    from types_boto3_logs.type_defs import FilterLogEventsRequestPaginateTypeDef
    from types_boto3_ssm import SSMClient

_LIVING = ["pending", "running", "stopping", "stopped", "shutting-down"]
_STREAMS_A_QUESTION = 100


@dataclass(slots=True)
class _Read:
    """How far the events of a stack and of those nested in it were read."""

    last: str = ""  # id of the event that was given last
    newest: dict[str, str] = field(default_factory=dict)  # id of the newest event, by stack
    labels: dict[str, str] = field(default_factory=dict)  # of nested stacks, by their ids

    def stacks(self, root: str) -> tuple[tuple[str, str], ...]:
        """Every stack to be read, with its label."""
        return ((root, ""), *self.labels.items())


class AwsCloud:
    """AWS by one session.

    Args:
        session: credentials, region and clients.
        marks: of the target whose clusters are asked about.
        sleep: waits so many seconds; for what AWS needs a moment to know.
    """

    def __init__(self, session: Session, marks: Marks, sleep: Callable[[float], None] = time.sleep) -> None:
        self.session, self._marks = session, marks
        self._sleep = sleep
        self._ends = Ends(self.session, marks, sleep)
        self._who: Identity | None = None
        self._read: dict[str, _Read] = {}

    @reading("who we are")
    def identity(self) -> Identity:
        """Account and caller, asked anew each time: credentials may have changed."""
        found = self.session.caller()
        self._who = Identity(found["Account"], found["Arn"], self.session.region)
        return self._who

    @reading("a stack")
    def stack(self, name: str) -> Stack | None:
        """The newest stack of that name that is not deleted."""
        from botocore.exceptions import ClientError

        client = self.session.client("cloudformation")
        with asked(f"the stack {name}"):
            try:
                found = client.describe_stacks(StackName=name)["Stacks"]
            except ClientError as error:
                if code_of(error) == "ValidationError" and "does not exist" in str(error):
                    return None
                raise
        living = [_stack(one) for one in found if one["StackStatus"] != "DELETE_COMPLETE"]
        return max(living, key=lambda one: one.created, default=None)

    @reading("when a stack went")
    def deleted(self, stack_id: str) -> datetime | None:
        """When a stack was deleted; None where it was not, or where AWS has forgotten it (after 90 days)."""
        from botocore.exceptions import ClientError

        client = self.session.client("cloudformation")
        with asked("a deleted stack"):
            try:
                found = client.describe_stacks(StackName=stack_id)["Stacks"]
            except ClientError as error:
                if code_of(error) == "ValidationError" and "does not exist" in str(error):
                    return None
                raise
        at = found[0].get("DeletionTime") if found and found[0]["StackStatus"] == "DELETE_COMPLETE" else None
        return None if at is None else _utc(at)

    @reading("the stacks")
    def stacks(self, tag: str) -> tuple[Stack, ...]:
        """Stacks that carry the tag key and are not deleted."""
        listed = pages("stacks", self.session.client("cloudformation").get_paginator("describe_stacks").paginate())
        every = (one for page in listed for one in page.get("Stacks", ()))
        found = (_stack(one) for one in every if one["StackStatus"] != "DELETE_COMPLETE")
        return tuple(one for one in found if tag in one.tags)

    @reading("the events of a stack")
    def stack_events(self, name: str, after: str | None = None) -> tuple[StackEvent, ...]:
        """Events, oldest first. stack: "" for the root, else the logical id of the nested stack."""
        known = self._read.get(name)
        if known is None or after is None or known.last != after:
            known = _Read()
        events = [event for stack, label in known.stacks(name) for event in self._events(stack, label, known)]
        events.reverse()  # AWS gives the newest first; events of one moment keep the order they came in
        events.sort(key=lambda one: one.at)
        if after is not None and not known.last:
            ids = [one.id for one in events]
            if after in ids:
                known.last = after
                events = events[ids.index(after) + 1 :]
        known.last = events[-1].id if events else known.last
        self._read[name] = known
        return tuple(events)

    def delete_stack(self, stack: str, retain: Sequence[str] = ()) -> None:
        """Ask CloudFormation to delete; one that is gone is no error."""
        client = self.session.client("cloudformation")
        given: DeleteStackInputTypeDef = {"StackName": stack}
        if retain:
            given["RetainResources"] = list(retain)
        with asked(f"the deletion of {stack}"):
            client.delete_stack(**given)

    @reading("the instances")
    def nodes(self, cluster: str) -> tuple[Node, ...]:
        """Instances of the cluster that are not terminated."""
        wanted: list[FilterTypeDef] = [
            {"Name": f"tag:{self._marks.cluster_tag}", "Values": [cluster]},
            {"Name": "instance-state-name", "Values": _LIVING},
        ]
        return tuple(self._node(one) for one in self._instances(wanted))

    def nodes_of_all(self) -> Mapping[str, tuple[Node, ...]]:
        """Instances of every cluster that are not terminated, by its name."""
        tag, found = self._marks.cluster_tag, dict[str, list[Node]]()
        wanted: list[FilterTypeDef] = [
            {"Name": "tag-key", "Values": [tag]},
            {"Name": "instance-state-name", "Values": _LIVING},
        ]
        for one in self._instances(wanted):
            names = [str(each["Value"]) for each in one.get("Tags", ()) if each["Key"] == tag]
            found.setdefault(names[0] if names else "", []).append(self._node(one))
        return {name: tuple(nodes) for name, nodes in found.items()}

    def _instances(self, wanted: list[FilterTypeDef]) -> Iterator[InstanceTypeDef]:
        listed = self.session.client("ec2").get_paginator("describe_instances").paginate(Filters=wanted)
        for page in pages("instances", listed):
            for group in page.get("Reservations", ()):
                yield from group["Instances"]

    def end_role(self, cluster: str, boundary: str | None, whose: Whose) -> str:
        """Make, or find as this launch's, the role; its ARN."""
        return self._ends.role(cluster, boundary, self._place(), whose)

    def put_end(self, cluster: str, at: datetime, role_arn: str, token: str, whose: Whose) -> None:
        """Schedule the deletion, in place of an earlier one of the same launch."""
        self._ends.put(cluster, at, role_arn, token, whose)

    def end(self, cluster: str, stack: str = "") -> End | None:
        """The scheduled end, and whether it would come about now."""
        return self._ends.get(cluster, self._place(), stack)

    def ends(self, clusters: Sequence[str]) -> frozenset[str]:
        """Which of these clusters have a schedule for their end."""
        return self._ends.of(clusters)

    def remove_end(self, cluster: str, launch: str = "") -> tuple[str, ...]:
        """Remove schedule and role, as far as they are the cluster's and the launch's; what was left, and why."""
        return self._ends.remove(cluster, self._place(), launch)

    def _place(self) -> Place:
        who = self._who or self.identity()
        return Place(who.account, self.session.region, who.arn.split(":")[1])

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        """What still exists."""
        from fmctl.adapters.aws.leftovers import leftovers  # most commands never look

        return leftovers(self.session, cluster, self._marks)

    def reservation(self, reservation_id: str) -> Reservation | None:
        """One reservation."""
        from fmctl.adapters.aws.survey import AwsSurvey

        return AwsSurvey(self.session).reservation(reservation_id)

    def log_lines(self, cluster: str, stream: str, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
        """Lines of the newest log group of the cluster, of streams whose name holds `stream`, oldest first."""
        group = self._log_group(cluster)
        if group is None:
            return
        client = self.session.client("logs")
        listed = pages("log streams", client.get_paginator("describe_log_streams").paginate(logGroupName=group))
        every = [one["logStreamName"] for page in listed for one in page.get("logStreams", ())]
        names = [name for name in every if stream in name]
        wanted: FilterLogEventsRequestPaginateTypeDef = {"logGroupName": group}
        if after is not None:
            wanted["startTime"] = int(after.timestamp() * 1000) + 1
        lines: list[tuple[int, str]] = []
        for first in range(0, len(names), _STREAMS_A_QUESTION):
            wanted["logStreamNames"] = names[first : first + _STREAMS_A_QUESTION]
            found = pages("log lines", client.get_paginator("filter_log_events").paginate(**wanted))
            lines += [(one["timestamp"], one["message"]) for page in found for one in page.get("events", ())]
        with reading("log lines"):
            told = [
                (datetime.fromtimestamp(at / 1000, UTC), text) for at, text in sorted(lines, key=lambda one: one[0])
            ]
        yield from told

    def lend(self, cluster: str, text: str) -> Lent:
        """See `Cloud`."""
        from fmctl.adapters.aws.parameters import lend  # few commands send anything

        return lend(self.session, cluster, text)

    def take_back(self, lent: Lent) -> None:
        """See `Cloud`."""
        from fmctl.adapters.aws.parameters import take_back

        take_back(self.session, lent.names)

    def run_on_head(self, cluster: str, command: Sequence[str], timeout_s: float = 30.0) -> str:
        """Standard output of a command on the head node.

        Raises:
            OperationFailed: no head node, or the command failed; `why` has its error output.
            OperationTimeout: no answer in time.
        """
        head = next((one for one in self.nodes(cluster) if one.role == "head" and one.state == "running"), None)
        if head is None:
            raise OperationFailed(f"{cluster} has no running head node", next=f"fmctl status {cluster}")
        client = self.session.client("ssm")
        with asked("a command on the head node"):
            sent = client.send_command(
                InstanceIds=[head.id],
                DocumentName="AWS-RunShellScript",
                TimeoutSeconds=max(30, int(timeout_s)),
                Parameters={"commands": [shlex.join(command)], "executionTimeout": [str(max(1, int(timeout_s)))]},
            )
        return self._output(client, sent["Command"]["CommandId"], head.id, timeout_s)

    @reading("the output of a command")
    def _output(self, client: SSMClient, command: str, instance: str, timeout_s: float) -> str:
        left, pause = timeout_s, 0.5
        while True:
            with asked("the output of a command"):
                try:
                    found = client.get_command_invocation(CommandId=command, InstanceId=instance)
                except client.exceptions.InvocationDoesNotExist:
                    found = None
            status = found["Status"] if found else "Pending"
            if found and status == "Success":
                return found.get("StandardOutputContent", "")
            if found and status not in ("Pending", "InProgress", "Delayed"):
                why = shorten(found.get("StandardErrorContent") or found.get("StatusDetails") or status, 400)
                raise OperationFailed("the command on the head node failed", why=why, next=None)
            if left <= 0:
                raise OperationTimeout("the head node did not answer", why=f"no output after {timeout_s:g} s")
            self._sleep(pause)
            left, pause = left - pause, min(pause * 2, 5.0)

    @reading("the log groups")
    def _log_group(self, cluster: str) -> str | None:
        prefix = self._marks.log_group(cluster)
        listed = self.session.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        every = [one["logGroupName"] for page in pages("log groups", listed) for one in page.get("logGroups", ())]
        names = sorted(name for name in every if name.removeprefix(prefix).isdigit())
        return names[-1] if names else None

    def _node(self, found: InstanceTypeDef) -> Node:
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
        return Node(
            id=found["InstanceId"],
            type=found["InstanceType"],
            role=self._marks.roles.get(tags.get(self._marks.role_tag, ""), "compute"),
            state=found["State"]["Name"],
            zone=found.get("Placement", {}).get("AvailabilityZone", ""),
            private_ip=found.get("PrivateIpAddress", ""),
            launched=_utc(found["LaunchTime"]),
        )

    def _events(self, stack: str, label: str, known: _Read) -> Iterator[StackEvent]:
        """Events of a stack since it was last read, newest first, and all of those nested in it that are new."""
        nested: dict[str, str] = {}
        client = self.session.client("cloudformation")
        listed = pages(f"events of {stack}", client.get_paginator("describe_stack_events").paginate(StackName=stack))
        seen, newest = known.newest.get(stack), ""
        for one in (one for page in listed for one in page.get("StackEvents", ())):
            if one["EventId"] == seen:
                break  # the pages after it were read before
            newest = newest or one["EventId"]
            physical = one.get("PhysicalResourceId", "")
            yield StackEvent(
                at=_utc(one["Timestamp"]),
                stack=label,
                logical_id=one.get("LogicalResourceId", ""),
                type=one.get("ResourceType", ""),
                status=one.get("ResourceStatus", ""),
                reason=one.get("ResourceStatusReason", ""),
                id=one["EventId"],
            )
            if one.get("ResourceType") == "AWS::CloudFormation::Stack" and physical and physical != one["StackId"]:
                nested[physical] = one["LogicalResourceId"]
        known.newest[stack] = newest or seen or ""
        for physical, logical in nested.items():
            if physical not in known.labels:
                known.labels[physical] = f"{label}/{logical}" if label else logical
                yield from self._events(physical, known.labels[physical], known)


def _stack(found: StackTypeDef) -> Stack:
    return Stack(
        name=found["StackName"],
        id=found["StackId"],
        status=found["StackStatus"],
        reason=found.get("StackStatusReason") or "",
        created=_utc(found["CreationTime"]),
        tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", ())},
        outputs={one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())},
    )


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
