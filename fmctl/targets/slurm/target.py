"""An existing Slurm cluster as a target: its nodes and jobs are seen, nothing of it is made or taken down."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from fmctl.adapters.slurm.commands import Slurm
from fmctl.adapters.slurm.heads import LocalHead, SshHead
from fmctl.base.errors import CannotRun, FmctlError, OperationFailed, PermissionDenied
from fmctl.domain.cluster import ClusterSpec, SlurmSite
from fmctl.domain.end import End, Whose
from fmctl.domain.hardware import Instance
from fmctl.domain.ports import Finding, Head, Identity, Leftover, Node, Reservation, Resource, Survey
from fmctl.targets.target import Ask, Beside, Check, Condition, Overview, Part, Rendering, State, Today, Trouble, Words

WORDS = Words("Slurm", "slurm", "Slurm", ("the cluster itself, which fmctl did not make",))
_LIVING = {"IDLE", "ALLOCATED", "MIXED", "COMPLETING"}
_EPOCH = datetime.fromtimestamp(0, UTC)  # nobody says since when the cluster is there


class SlurmCluster:
    """One cluster, by the head node that its site names."""

    words = WORDS

    def __init__(self, site: SlurmSite) -> None:
        self._site = site

    def head(self, cluster: str) -> Head:
        kind, _, host = self._site.head.partition("://")
        return SshHead(host) if kind == "ssh" else LocalHead()

    def beside(self, spec: ClusterSpec) -> Beside:
        return Beside()

    def identity(self) -> Identity:
        return Identity("", getpass.getuser(), "")

    def state(self, cluster: str) -> State | None:
        up = any(node.state == "running" for node in self.nodes(cluster))
        condition = Condition.READY if up else Condition.BROKEN
        return State(cluster, condition, "up" if up else "down", "" if up else "no node answers", _EPOCH, {})

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        found = Slurm(self.head(cluster)).nodes()
        return tuple(
            Node(one.name, "", "compute", "running" if one.state in _LIVING else one.state.lower(), "", "", _EPOCH)
            for one in found
        )

    def overview(self, clusters: Sequence[str]) -> Overview:
        found = {name: state for name in clusters if (state := self.state(name)) is not None}
        return Overview(found, {name: self.nodes(name) for name in found}, frozenset())

    def parts(self, cluster: str, after: str | None = None) -> tuple[Part, ...]:
        return ()

    def end(self, cluster: str, state: State | None = None) -> End | None:
        return None

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        return ()

    def reservation(self, reservation_id: str) -> Reservation | None:
        return None

    def lines(self, cluster: str, stream: str, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
        return iter(())

    def trouble(self, cluster: str, after: datetime) -> Trouble | None:
        return None

    def failure(self, cluster: str, region: str, state: State | None, ask: Ask) -> FmctlError:
        why = state.reason if state is not None else "it is not there"
        return OperationFailed(f"no node of {cluster} answers", why=why, next="sinfo on its head node")

    def failing(self, cluster: str) -> Mapping[str, str]:
        return {}

    def undeletable(self, cluster: str, failing: Mapping[str, str], *, retained: bool) -> FmctlError:
        return self._not_ours("deleted")

    def check_launchable(self, rendering: Rendering) -> None:
        raise self._not_ours("launched")

    def ready(self) -> None:
        return

    def checks(
        self, spec: ClusterSpec, instance: Instance, survey: Survey, today: Today, config: str
    ) -> Iterator[Check]:
        try:
            state = self.state(spec.name)
        except FmctlError as error:
            why = f"{error.what}: {error.why}" if error.why else error.what
            yield Check(
                "account" if isinstance(error, PermissionDenied) else "slurm", "fail", why, error.next or "sinfo"
            )
            return
        up = state is not None and state.condition == Condition.READY
        yield Check("slurm", "ok" if up else "fail", "nodes answer" if up else "no node answers", "" if up else "sinfo")

    def findings(self, cluster: str, config: str, region: str) -> tuple[Finding, ...]:
        return ()

    def resources(self, cluster: str, config: str, region: str) -> tuple[Resource, ...]:
        return ()

    def create(self, cluster: str, rendering: Rendering, region: str) -> None:
        raise self._not_ours("launched")

    def end_role(self, cluster: str, boundary: str | None, whose: Whose) -> str:
        raise self._not_ours("given an end")

    def put_end(self, cluster: str, at: datetime, role: str, token: str, whose: Whose) -> None:
        raise self._not_ours("given an end")

    def remove_end(self, cluster: str, launch: str = "") -> tuple[str, ...]:
        return ()

    def deleted(self, id: str) -> datetime | None:
        return None

    def foreign(self, state: State) -> str:
        return "it is a Slurm cluster that was there before"

    def stop(self, cluster: str, region: str) -> None:
        raise self._not_ours("stopped")

    def delete(self, cluster: str, region: str) -> None:
        raise self._not_ours("deleted")

    def delete_parts(self, state: State, leave: Sequence[str] = ()) -> None:
        raise self._not_ours("deleted")

    def by_hand(self, cluster: str, region: str, *, ours: bool) -> str:
        return "ask whoever runs the cluster"

    def close(self) -> None:
        return

    @staticmethod
    def _not_ours(what: str) -> CannotRun:
        why = "the site names a Slurm cluster that is there already"
        return CannotRun(f"it cannot be {what}", why=why, next="fmctl submit PLAN, fmctl jobs, fmctl logs --job")
