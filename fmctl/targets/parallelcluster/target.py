"""ParallelCluster as a target: its commands, and the CloudFormation stack, instances and logs that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from fmctl.base.errors import FmctlError, OperationFailed
from fmctl.domain.cluster import CLUSTER_TAG, ClusterSpec
from fmctl.domain.end import End, Whose
from fmctl.domain.hardware import Instance
from fmctl.domain.ports import (
    Cloud,
    Finding,
    Head,
    Identity,
    Leftover,
    Node,
    Reservation,
    Resource,
    StackEvent,
    Survey,
)
from fmctl.targets.parallelcluster import end, failures
from fmctl.targets.parallelcluster.failures import Cause
from fmctl.targets.parallelcluster.port import Pcluster
from fmctl.targets.parallelcluster.stacks import part_of, state_of
from fmctl.targets.target import Ask, Beside, Check, Overview, Part, Rendering, State, Today, Trouble, Words

WORDS = Words("ParallelCluster", "cloudformation", "CloudFormation", ("CloudWatch logs", "ParallelCluster's bucket"))


class ParallelCluster:
    """Clusters of one account and region.

    Args:
        find: ParallelCluster itself, looked for when first asked: status and watch never need it.
        cloud: what it makes, asked of AWS.
        job_user: who runs commands and jobs on the head node; None for the user of its image.
    """

    words = WORDS

    def __init__(self, find: Callable[[], Pcluster], cloud: Cloud, job_user: str | None = None) -> None:
        self._find, self.cloud, self._job_user = find, cloud, job_user
        self._found: Pcluster | None = None

    @property
    def pcluster(self) -> Pcluster:
        """ParallelCluster itself. Raises OperationFailed where there is none."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def beside(self, spec: ClusterSpec) -> Beside:
        site, own = spec.site, spec.site.parallelcluster
        made = ("head node", *([f"{own.login_nodes} login node(s)"] if own.login_nodes else []))
        used = [("image", own.ami)] if own.ami else []
        used += [("bucket", site.bucket)] if site.bucket else []
        used += [("subnet", one) for one in dict.fromkeys((own.compute_subnet, own.head_subnet))]
        used += [("security group", one) for one in own.security_groups]
        return Beside(made, tuple(f"{kind} {id}" for kind, id in used), own.head_instance, own.login_nodes)

    def identity(self) -> Identity:
        return self.cloud.identity()

    def state(self, cluster: str) -> State | None:
        stack = self.cloud.stack(cluster)
        return None if stack is None else state_of(stack)

    def overview(self, clusters: Sequence[str]) -> Overview:
        stacks = {one.name: state_of(one) for one in self.cloud.stacks(CLUSTER_TAG)}
        ends = self.cloud.ends(clusters)
        return Overview(stacks, self.cloud.nodes_of_all(), ends)

    def parts(self, cluster: str, after: str | None = None) -> tuple[Part, ...]:
        return tuple(map(part_of, self.cloud.stack_events(cluster, after)))

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        return self.cloud.nodes(cluster)

    def end(self, cluster: str, state: State | None = None) -> End | None:
        return self.cloud.end(cluster, "" if state is None else state.id)

    def deleted(self, id: str) -> datetime | None:
        return self.cloud.deleted(id)

    def foreign(self, state: State) -> str:
        if not state.tags.get(end.VERSION_TAG):
            return f"its stack has no tag {end.VERSION_TAG}: ParallelCluster did not make it"
        if state.tags.get(CLUSTER_TAG) != state.name:
            return f"its stack has no tag {CLUSTER_TAG} = {state.name}: fmctl did not launch it"
        return ""

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        return self.cloud.leftovers(cluster)

    def reservation(self, reservation_id: str) -> Reservation | None:
        return self.cloud.reservation(reservation_id)

    def lines(self, cluster: str, stream: str, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
        return self.cloud.log_lines(cluster, stream, after)

    def trouble(self, cluster: str, after: datetime) -> Trouble | None:
        from fmctl.targets.parallelcluster import log_reasons

        found = log_reasons.told(log_reasons.lines_of(self.cloud, cluster, log_reasons.SCALING_STREAMS, after))
        if found is None:
            return None
        return Trouble(found.at, found.cause.name, failures.error_of(cluster, found.cause, found.line))

    def failure(self, cluster: str, region: str, state: State | None, ask: Ask) -> FmctlError:
        events: Sequence[StackEvent] = ()
        described: Mapping[str, object] | None = None
        with suppress(FmctlError):
            events = ask(lambda: self.cloud.stack_events(cluster))
        with suppress(FmctlError):
            described = ask(lambda: self.pcluster.describe(cluster, region))
        reasons = [state.reason] if state is not None else []
        return failures.explain(cluster, events, described, reasons, lambda: self._logged(cluster))

    def _logged(self, cluster: str) -> tuple[Cause, str] | None:
        from fmctl.targets.parallelcluster import log_reasons

        streams = (*log_reasons.SCALING_STREAMS, *log_reasons.HEAD_STREAMS)
        found = log_reasons.told(log_reasons.lines_of(self.cloud, cluster, streams))
        return None if found is None else (found.cause, found.line)

    def failing(self, cluster: str) -> Mapping[str, str]:
        return failures.failing(self.cloud.stack_events(cluster), cluster)

    def undeletable(self, cluster: str, failing: Mapping[str, str], *, retained: bool) -> FmctlError:
        return failures.undeletable(cluster, failing, retained=retained)

    def check_launchable(self, rendering: Rendering) -> None:
        from fmctl.targets.parallelcluster.launchable import check_tags

        check_tags(rendering)

    def checks(
        self, spec: ClusterSpec, instance: Instance, survey: Survey, today: Today, config: str
    ) -> Iterator[Check]:
        from fmctl.targets.parallelcluster.preflight import looks

        try:
            validators = self.pcluster
        except OperationFailed:
            return looks(spec, instance, survey, today, config)
        return looks(spec, instance, survey, today, config, validators)

    def ready(self) -> None:
        _ = self.pcluster

    def findings(self, cluster: str, config: str, region: str) -> tuple[Finding, ...]:
        return self.pcluster.validate(cluster, config, region)

    def resources(self, cluster: str, config: str, region: str) -> tuple[Resource, ...]:
        return self.pcluster.synth(cluster, config, region)

    def create(self, cluster: str, rendering: Rendering, region: str) -> None:
        self.pcluster.create(cluster, rendering.config, region)

    def end_role(self, cluster: str, boundary: str | None, whose: Whose) -> str:
        return self.cloud.end_role(cluster, boundary, whose)

    def put_end(self, cluster: str, at: datetime, role: str, token: str, whose: Whose) -> None:
        self.cloud.put_end(cluster, at, role, token, whose)

    def remove_end(self, cluster: str, launch: str = "") -> tuple[str, ...]:
        return self.cloud.remove_end(cluster, launch)

    def stop(self, cluster: str, region: str) -> None:
        self.pcluster.stop_fleet(cluster, region)

    def delete(self, cluster: str, region: str) -> None:
        self.pcluster.delete(cluster, region)

    def delete_parts(self, state: State, leave: Sequence[str] = ()) -> None:
        if leave:
            self.cloud.delete_stack(state.id, leave)
        else:
            self.cloud.delete_stack(state.id)

    def by_hand(self, cluster: str, region: str, *, ours: bool) -> str:
        if ours:
            return f"aws cloudformation delete-stack --stack-name {cluster} --region {region}"
        return f"pcluster delete-cluster -n {cluster} -r {region}"

    def head(self, cluster: str) -> Head:
        from fmctl.adapters.parallelcluster.images import NOTED_USER
        from fmctl.adapters.slurm.as_user import JobUser
        from fmctl.adapters.slurm.heads import SsmHead

        return SsmHead(self.cloud, cluster, JobUser(self._job_user, NOTED_USER))

    def close(self) -> None:
        if self._found is not None:
            self._found.close()
