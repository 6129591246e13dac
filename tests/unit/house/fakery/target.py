"""Clusters that are entries of a dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fmctl.base.errors import OperationFailed
from fmctl.domain.end import End, Whose
from fmctl.domain.ports import Identity, Leftover, Node
from fmctl.targets.target import Beside, Check, Condition, Overview, Part, State, Words
from tests.cli.conftest import FakeHead


class FakeTarget:
    """Clusters in memory."""

    words = Words("Fakery", "fakery", "The dictionary", ("a memory",))

    def __init__(self) -> None:
        self.clusters: dict[str, State] = {}
        self.ends: dict[str, datetime] = {}
        self.sizes: dict[str, int] = {}
        self.shell = FakeHead()
        self.asked: list[str] = []

    def beside(self, spec: Any) -> Beside:
        return Beside(("a thought",))

    def identity(self) -> Identity:
        return Identity("111122223333", "arn:aws:sts::111122223333:assumed-role/ml/ada", "us-east-1")

    def state(self, cluster: str) -> State | None:
        return self.clusters.get(cluster)

    def overview(self, clusters: Sequence[str]) -> Overview:
        found = {name: self.clusters[name] for name in clusters if name in self.clusters}
        return Overview(found, {name: self.nodes(name) for name in found}, frozenset(self.ends))

    def parts(self, cluster: str, after: str | None = None) -> tuple[Part, ...]:
        return ()

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        if cluster not in self.clusters:
            return ()
        at = self.clusters[cluster].created
        count = self.sizes[cluster]
        return tuple(Node(f"n{i}", "fake.1", "compute", "running", "here", "", at) for i in range(count))

    def end(self, cluster: str, state: State | None = None) -> End | None:
        return End(self.ends[cluster]) if cluster in self.ends else None

    def deleted(self, id: str) -> datetime | None:
        return None

    def foreign(self, state: State) -> str:
        return ""

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        return (Leftover("memory", f"of {cluster}", 0.0, "forget"),)

    def reservation(self, reservation_id: str) -> None:
        return None

    def lines(self, cluster: str, stream: str, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
        yield self.clusters[cluster].created, f"{stream} of {cluster}"

    def trouble(self, cluster: str, after: datetime) -> None:
        return None

    def failure(self, cluster: str, region: str, state: State | None, ask: Any) -> OperationFailed:
        return OperationFailed(f"{cluster} failed")

    def failing(self, cluster: str) -> Mapping[str, str]:
        return {}

    def undeletable(self, cluster: str, failing: Mapping[str, str], *, retained: bool) -> OperationFailed:
        return OperationFailed(f"{cluster} stays")

    def check_launchable(self, rendering: Any) -> None:
        assert rendering.config == "a fake cluster\n"

    def ready(self) -> None:
        return

    def checks(self, spec: Any, instance: Any, survey: Any, today: Any, config: str) -> Iterator[Check]:
        yield Check("fakery", "ok", "it always works")

    def findings(self, cluster: str, config: str, region: str) -> tuple[()]:
        return ()

    def resources(self, cluster: str, config: str, region: str) -> tuple[()]:
        return ()

    def create(self, cluster: str, rendering: Any, region: str) -> None:
        self.asked.append(f"create {cluster}")
        self.clusters[cluster] = State(cluster, Condition.READY, "UP", "", datetime.now(UTC), rendering.tags)
        self.sizes[cluster] = int(rendering.tags["fmctl:nodes"])

    def end_role(self, cluster: str, boundary: str | None, whose: Whose) -> str:
        return "a role"

    def put_end(self, cluster: str, at: datetime, role: str, token: str, whose: Whose) -> None:
        self.ends[cluster] = at

    def remove_end(self, cluster: str, launch: str = "") -> tuple[str, ...]:
        self.ends.pop(cluster, None)
        return ()

    def stop(self, cluster: str, region: str) -> None:
        self.asked.append(f"stop {cluster}")
        self.sizes[cluster] = 0

    def delete(self, cluster: str, region: str) -> None:
        self.asked.append(f"delete {cluster}")
        del self.clusters[cluster]

    def delete_parts(self, state: State, leave: Sequence[str] = ()) -> None:
        raise AssertionError("never asked")

    def by_hand(self, cluster: str, region: str, *, ours: bool) -> str:
        return f"forget {cluster}"

    def head(self, cluster: str) -> FakeHead:
        return self.shell

    def close(self) -> None:
        return
