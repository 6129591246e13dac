"""Fakes of the ports, over one small world that can be broken at every call.

`World` holds what AWS would have. `Gate` counts every call and every write, and does at one of them what a test asks:
kill the process before or after it, tear the write, refuse it, lose its answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from fmctl.base.errors import FmctlError, OperationFailed, PermissionDenied, ServiceUnavailable, UnwritableFile
from fmctl.domain.cluster import Capacity, ClusterSpec, Site, site_with
from fmctl.domain.end import End, Whose, role_name
from fmctl.domain.ports import Finding, Identity, Leftover, Node, Reservation, Resource, Stack, StackEvent
from fmctl.domain.state import Stored
from fmctl.operate.journal import Journal, Record
from fmctl.operate.state import StateStore
from fmctl.operate.state.locks import Holder
from fmctl.operate.steps import Ports
from fmctl.targets.parallelcluster.target import ParallelCluster

T = TypeVar("T")
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ACCOUNT, REGION, NAME, NODES = "123456789012", "us-east-1", "run1", 10
GOLDEN = Path(__file__).parents[2] / "golden" / "estimate.json"
CREATES_S, DELETES_S = 40.0, 20.0


class Killed(BaseException):
    """kill -9: nothing may catch it, and nothing works after it."""


@dataclass
class Gate:
    """Every call and write passes here. at: the number of the point at which `how` happens; None for nowhere.

    how: before, after (killed); torn (a write half done, then killed); full (the disk), expired (the credentials),
    throttled (once), lost (done, but the answer is a time-out).
    """

    how: str = ""
    at: int | None = None
    points: list[str] = field(default_factory=list)
    dead: bool = False
    hit: str = ""

    def call(self, label: str, act: Callable[[], T], *, write: Callable[[], None] | None = None) -> T:
        if self.dead:
            raise Killed(label)
        self.points.append(label)
        now = self.at == len(self.points) - 1
        disk = write is not None
        aws = label.startswith(("Cloud.", "Pcluster."))
        if now:
            self.hit = label
        if now and self.how in ("before", "torn"):
            self.dead = True
            if self.how == "torn" and write is not None:
                write()
            raise Killed(label)
        if now and self.how == "full" and disk:
            raise UnwritableFile(
                f"cannot write {label.removeprefix('write ')}", why="No space left on device", next="free some space"
            )
        if now and self.how == "expired" and not disk:
            raise PermissionDenied("the credentials have expired", why="ExpiredToken", next="aws sso login")
        if now and self.how == "throttled" and aws:
            raise ServiceUnavailable("AWS asks for patience", why="Throttling", next="the same command again")
        answer = act()
        if now and self.how == "after":
            self.dead = True
            raise Killed(label)
        if now and self.how == "lost" and aws:
            raise ServiceUnavailable("no answer", why="ReadTimeoutError", next="the same command again")
        return answer


@dataclass
class World:
    """What AWS has, and its true time. fate: reason of the creation's failure; stuck: how often deletions fail.

    shows_after_s: how long a created stack stays unseen; fleet: nodes that come before the creation fails.
    """

    now: datetime = START
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)  # the launch whose it is, by cluster
    ends: dict[str, datetime] = field(default_factory=dict)
    whose: dict[str, Whose] = field(default_factory=dict)  # with `ends`: by which launch, of which stack
    wrong: dict[str, tuple[str, ...]] = field(default_factory=dict)  # why an end would not come
    gone: dict[str, datetime] = field(default_factory=dict)  # when a stack was deleted, by id
    made: list[str] = field(default_factory=list)
    fate: str = ""
    code: str = "ClusterCreationFailure"
    fleet: int = NODES
    stuck: int = 0
    shows_after_s: float = 0.0
    retained: list[str] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    boundary: str | None = None
    logs: list[tuple[datetime, str, str]] = field(default_factory=list)
    reservations: dict[str, Reservation] = field(default_factory=dict)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for name, at in list(self.ends.items()):
            if at <= self.now:
                if name in self.roles:  # without its role a schedule calls for nothing
                    self.delete(name)
                del self.ends[name]
        for name in list(self.stacks):
            self._age(name)

    def _age(self, name: str) -> None:
        stack = self.stacks[name]
        age = (self.now - stack["since"]).total_seconds()
        if stack["status"] == "CREATE_IN_PROGRESS" and age >= CREATES_S:
            stack["status"] = "CREATE_FAILED" if self.fate else "CREATE_COMPLETE"
        elif stack["status"] == "DELETE_IN_PROGRESS" and age >= DELETES_S:
            if self.stuck > 0:
                self.stuck -= 1
                stack["status"] = "DELETE_FAILED"
            else:
                self.gone[self.stacks.pop(name)["id"]] = self.now

    def create(self, name: str, tags: Mapping[str, str]) -> None:
        if name in self.stacks:
            raise OperationFailed(f"Bad Request: Cluster {name} already exists.")
        tags = {**tags, "parallelcluster:version": "3.16.1", "parallelcluster:cluster-name": name}
        self.stacks[name] = {
            "status": "CREATE_IN_PROGRESS", "since": self.now, "created": self.now, "tags": tags,
            "id": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{len(self.made)}",
        }  # fmt: skip
        self.made.append(f"stack {name}")

    def delete(self, name: str, retain: Sequence[str] = ()) -> None:
        name = next((one for one, stack in self.stacks.items() if stack["id"] == name), name)
        if name in self.stacks and self.stacks[name]["status"] != "DELETE_IN_PROGRESS":
            self.stacks[name] |= {"status": "DELETE_IN_PROGRESS", "since": self.now}
            self.retained += retain

    def seen(self, name: str) -> dict[str, Any] | None:
        found = self.stacks.get(name)
        late = found is not None and (self.now - found["created"]).total_seconds() < self.shows_after_s
        return None if late else found

    def nothing(self) -> bool:
        return not (self.stacks or self.roles or self.ends)


class FakePcluster:
    """ParallelCluster over the world."""

    version = "3.16.1"

    def __init__(self, world: World, gate: Gate) -> None:
        self.world, self.gate = world, gate

    def validate(self, name: str, config: str, region: str) -> tuple[Finding, ...]:
        return self.gate.call("Pcluster.validate", lambda: self.world.findings)

    def synth(self, name: str, config: str, region: str) -> tuple[Resource, ...]:
        return ()

    def create(self, name: str, config: str, region: str) -> None:
        import yaml

        tags = {tag["Key"]: tag["Value"] for tag in yaml.safe_load(config)["Tags"]}
        self.gate.call("Pcluster.create", lambda: self.world.create(name, tags))

    def update(self, name: str, config: str, region: str) -> None:
        raise AssertionError("never asked")

    def stop_fleet(self, name: str, region: str) -> None:
        self.gate.call("Pcluster.stop_fleet", lambda: None)

    def delete(self, name: str, region: str) -> None:
        self.gate.call("Pcluster.delete", lambda: self.world.delete(name))

    def describe(self, name: str, region: str) -> Mapping[str, Any] | None:
        def described() -> Mapping[str, Any] | None:
            if name not in self.world.stacks:
                return None
            reason = {"failureCode": self.world.code, "failureReason": self.world.fate}
            return {"clusterName": name, "failures": [reason] if self.world.fate else []}

        return self.gate.call("Pcluster.describe", described)

    def close(self) -> None:
        return


class FakeCloud:
    """AWS over the world."""

    def __init__(self, world: World, gate: Gate, account: str = ACCOUNT, region: str = REGION) -> None:
        self.world, self.gate = world, gate
        self.who = Identity(account, f"arn:aws:sts::{account}:assumed-role/ml/ada", region)

    def identity(self) -> Identity:
        return self.gate.call("Cloud.identity", lambda: self.who)

    def stack(self, name: str) -> Stack | None:
        def found() -> Stack | None:
            raw = self.world.seen(name)
            if raw is None:
                return None
            return Stack(name, raw["id"], raw["status"], self._reason(raw), raw["created"], raw["tags"])

        return self.gate.call("Cloud.stack", found)

    def _reason(self, raw: Mapping[str, Any]) -> str:
        return "The following resource(s) failed to create: [Queue0]." if raw["status"] == "CREATE_FAILED" else ""

    def deleted(self, stack_id: str) -> datetime | None:
        return self.gate.call("Cloud.deleted", lambda: self.world.gone.get(stack_id))

    def stacks(self, tag: str) -> tuple[Stack, ...]:
        found = [(name, raw) for name in self.world.stacks if (raw := self.world.seen(name)) is not None]
        return self.gate.call(
            "Cloud.stacks",
            lambda: tuple(
                Stack(name, raw["id"], raw["status"], self._reason(raw), raw["created"], raw["tags"])
                for name, raw in found
                if tag in raw["tags"]
            ),
        )

    def ends(self, clusters: Sequence[str]) -> frozenset[str]:
        return self.gate.call("Cloud.ends", lambda: frozenset({*clusters} & self.world.ends.keys()))

    def nodes_of_all(self) -> Mapping[str, tuple[Node, ...]]:
        return self.gate.call("Cloud.nodes_of_all", lambda: {name: self._nodes(name) for name in self.world.stacks})

    def stack_events(self, name: str, after: str | None = None) -> tuple[StackEvent, ...]:
        def events() -> tuple[StackEvent, ...]:
            status = self.world.stacks[name]["status"] if name in self.world.stacks else ""
            if status == "DELETE_FAILED":
                why = "sg-1 has a dependent object"
                return (StackEvent(self.world.now, name, "ComputeSG", "AWS::EC2::SecurityGroup", status, why, "e1"),)
            if status == "CREATE_FAILED":
                return (StackEvent(self.world.now, name, "Node", "AWS::EC2::Instance", status, self.world.fate, "e1"),)
            return ()

        return self.gate.call("Cloud.stack_events", events)

    def delete_stack(self, stack: str, retain: Sequence[str] = ()) -> None:
        self.gate.call("Cloud.delete_stack", lambda: self.world.delete(stack, retain))

    def nodes(self, cluster: str) -> tuple[Node, ...]:
        return self.gate.call("Cloud.nodes", lambda: self._nodes(cluster))

    def _nodes(self, cluster: str) -> tuple[Node, ...]:
        raw = self.world.seen(cluster)
        up = raw is not None and raw["status"] in ("CREATE_COMPLETE", "CREATE_FAILED")
        count = self.world.fleet if up else 0
        return tuple(
            Node(f"i-{i}", "p5.48xlarge", "compute", "running", "use1-az1", f"10.0.0.{i}", self.world.now)
            for i in range(count)
        )

    def end_role(self, cluster: str, boundary: str | None, whose: Whose) -> str:
        launch = whose.launch

        def make() -> str:
            if self.world.roles.get(cluster, launch) != launch:
                raise OperationFailed(f"{cluster} was launched by somebody else", next="another name")
            if cluster not in self.world.roles:
                self.world.made.append(f"role {cluster}")
            self.world.boundary = boundary
            self.world.roles[cluster] = launch
            return f"arn:aws:iam::{ACCOUNT}:role/{role_name(cluster, self.who.region)}"

        return self.gate.call("Cloud.end_role", make)

    def put_end(self, cluster: str, at: datetime, role_arn: str, token: str, whose: Whose) -> None:
        def put() -> None:
            if cluster not in self.world.roles:
                raise OperationFailed("the role does not exist", next="the same command again")
            before = self.world.whose.get(cluster, whose).launch
            if cluster in self.world.ends and before not in {whose.launch, *whose.before}:
                raise OperationFailed(f"an end of {cluster} was arranged by somebody else", next="another name")
            self.world.ends[cluster], self.world.whose[cluster] = at, whose
            self.world.wrong.pop(cluster, None)

        self.gate.call("Cloud.put_end", put)

    def end(self, cluster: str, stack: str = "") -> End | None:
        def found() -> End | None:
            if cluster not in self.world.ends:
                return None
            whose = self.world.whose.get(cluster, Whose(""))
            wrong = self.world.wrong.get(cluster, ())
            if cluster not in self.world.roles:
                wrong = (*wrong, "its role does not exist")
            if whose.stack and stack and whose.stack != stack:
                wrong = (*wrong, "its schedule deletes another stack of that name")
            return End(self.world.ends[cluster], whose.launch, whose.stack, wrong)

        return self.gate.call("Cloud.end", found)

    def remove_end(self, cluster: str, launch: str = "") -> tuple[str, ...]:
        def remove() -> tuple[str, ...]:
            left = []
            if launch and self.world.roles.get(cluster, launch) != launch:
                left.append("the role was left: it is another launch's")
            else:
                self.world.roles.pop(cluster, None)
            if launch and self.world.whose.get(cluster, Whose(launch)).launch not in ("", launch):
                left.append("the schedule was left: another launch arranged it")
            else:
                self.world.ends.pop(cluster, None)
                self.world.whose.pop(cluster, None)
            return tuple(left)

        return self.gate.call("Cloud.remove_end", remove)

    def leftovers(self, cluster: str) -> tuple[Leftover, ...]:
        def left() -> tuple[Leftover, ...]:
            name = role_name(cluster, self.who.region)
            role = [Leftover("IAM role", name, 0.0, "aws iam ...")] * (cluster in self.world.roles)
            return (Leftover("log group", f"/aws/parallelcluster/{cluster}-1", None, "aws logs ..."), *role)

        return self.gate.call("Cloud.leftovers", left)

    def reservation(self, reservation_id: str) -> Reservation | None:
        return self.world.reservations.get(reservation_id)

    def log_lines(self, cluster: str, stream: str, after: datetime | None = None) -> Iterator[tuple[datetime, str]]:
        said = [(at, text) for at, held, text in self.world.logs if stream in held and (after is None or at > after)]
        return iter(said or [(START, f"{cluster}: a line of {stream}")])

    def run_on_head(self, cluster: str, command: Sequence[str], timeout_s: float = 30.0) -> str:
        raise AssertionError("never asked")


@dataclass
class FakeClock:
    """The machine's clock: wrong by `skew`; jumps: seconds slept -> what it jumps by then."""

    world: World
    skew: timedelta = timedelta()
    jumps: list[tuple[float, timedelta]] = field(default_factory=list)
    slept: float = 0.0

    def now(self) -> datetime:
        return self.world.now + self.skew

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept += seconds
        self.world.advance(seconds)
        while self.jumps and self.slept >= self.jumps[0][0]:
            self.skew += self.jumps.pop(0)[1]


class FakeStore:
    """A state store in memory, whose writes pass the gate."""

    where = "memory"

    def __init__(self, gate: Gate, texts: dict[str, str] | None = None) -> None:
        self.gate = gate
        self.texts = {} if texts is None else texts
        self.read_only = False

    def read(self, key: str) -> Stored | None:
        return self.gate.call(f"read {_kind(key)}", lambda: self._get(key))

    def create(self, key: str, text: str) -> Stored | None:
        return self._write(f"write {_kind(key)}", key, text, lambda: key not in self.texts)

    def replace(self, key: str, text: str, version: str) -> Stored | None:
        return self._write(
            f"write {_kind(key)}", key, text, lambda: key in self.texts and _of(self.texts[key]) == version
        )

    def append(self, key: str, text: str, before: Stored | None) -> Stored | None:
        lines = [json.loads(line) for line in text.splitlines()]
        label = "journal " + ", ".join(f"{line['kind']} {line['action']}" for line in lines)
        have = self.texts.get(key, "")

        def torn() -> None:
            self.texts[key] = have + text[: len(text) // 2]

        same = (before.text if before else None) == self.texts.get(key)
        return self._write(label, key, have + text, lambda: same, torn)

    def remove(self, key: str, version: str) -> bool:
        def act() -> bool:
            if key in self.texts and _of(self.texts[key]) == version:
                del self.texts[key]
                return True
            return False

        return self.gate.call(f"remove {_kind(key)}", act)

    def keys(self, folder: str, begin: str = "") -> tuple[str, ...]:
        return tuple(sorted(key for key in self.texts if key.startswith(f"{folder}/{begin}")))

    def read_all(self, keys: Iterable[str]) -> Iterator[Stored | FmctlError | None]:
        for key in keys:
            try:
                yield self.read(key)
            except FmctlError as error:
                yield error

    def _get(self, key: str) -> Stored | None:
        return Stored(self.texts[key], _of(self.texts[key])) if key in self.texts else None

    def _write(
        self, label: str, key: str, text: str, may: Callable[[], bool], torn: Callable[[], None] = lambda: None
    ) -> Stored | None:
        def act() -> Stored | None:
            if self.read_only:
                raise UnwritableFile(f"cannot write {key}", why="Read-only file system", next="give another folder")
            if not may():
                return None
            self.texts[key] = text
            return self._get(key)

        return self.gate.call(label, act, write=torn)


@dataclass(frozen=True)
class FakeRendering:
    """A rendering with the tags it claims."""

    config: str
    digest: str
    tags: Mapping[str, str]


def rendering(by: str = "ada") -> FakeRendering:
    tags = {"fmctl:cluster": NAME, "fmctl:digest": f"sha256-of-{by}"}
    listed = "".join(f"  - {{Key: '{key}', Value: '{value}'}}\n" for key, value in tags.items())
    return FakeRendering(f"Region: {REGION}\nTags:\n{listed}", f"sha256-of-{by}", tags)


def spec(by: str = "ada", **site: Any) -> ClusterSpec:
    place = {"region": REGION, "compute_subnet": "subnet-1", "head_subnet": "subnet-2", "account": ACCOUNT} | site
    return ClusterSpec(
        name=NAME,
        plan="llama",
        plan_digest="sha256:plan",
        row={**json.loads(GOLDEN.read_text())["result"], "nodes": NODES},
        site=site_with(Site(REGION), **place),
        capacity=Capacity(),
        max_hours=24.0,
        usd_per_h=983.2,
        created_by=by,
    )


def holder(pid: int, host: str = "laptop") -> Holder:
    return Holder("ada", host, host, "boot", pid, str(pid))


def reached(pcluster: Any, cloud: Any) -> ParallelCluster:
    """The target over both fakes."""
    return ParallelCluster(lambda: pcluster, cloud)


def ports(world: World, gate: Gate, texts: dict[str, str], pid: int = 1, **changes: Any) -> Ports:
    """The world seen by process `pid`; every other process of the same host is dead, of others unknown."""
    me = changes.pop("me", holder(pid))
    pcluster, cloud = changes.pop("pcluster", FakePcluster(world, gate)), changes.pop("cloud", FakeCloud(world, gate))
    target = changes.pop("target", reached(pcluster, cloud))
    given: dict[str, Any] = {
        "target": target,
        "clock": FakeClock(world),
        "store": FakeStore(gate, texts),
        "me": me,
        "alive": lambda other: None if other.host != me.host else other.pid == me.pid,
        "jitter": lambda: 0.5,
    }
    return Ports(**(given | changes))


def _kind(key: str) -> str:
    kinds = {"journals": "journal", "locks": "lock", "clusters": "record", "plans": "plan", "runs": "run"}
    return kinds[key.split("/", 1)[0]]


def _of(text: str) -> str:
    return f"{len(text)}-{hash(text)}"


def said(error: FmctlError) -> str:
    """An error as the table has it."""
    return f"exit {int(error.exit_code)}: {error.what}; next: {error.next}"


def written(store: StateStore, name: str = NAME) -> list[Record]:
    """What stands in a cluster's journal."""
    return Journal(store, name, FakeClock(World()), holder(0)).records
