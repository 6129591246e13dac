"""Readers of what stores keep and of what services answer."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tests.budget._kinds import AT, ROOT, Kind, Texts, botocore, documents
from tests.budget._mutate import Mutator, dump_json, plain


def state() -> Mapping[str, Kind]:  # noqa: PLR0915 - four readers of one store
    """State."""
    from fmctl.operate.journal import Journal, progress
    from fmctl.operate.records import read_record
    from fmctl.operate.runs import Run, job_of_facts, read_run, write_run
    from fmctl.operate.state.locks import alive, holder_of, take, this_process
    from fmctl.report.formats import CSV, HTML, JSON, JSONL, MARKDOWN, TABLE, YAML
    from fmctl.report.history import history_answer
    from fmctl.report.record import report_answer
    from tests.unit.operate.test_runs import FACTS, logged, run, start

    clock: Any = SimpleNamespace(now=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
    me = this_process()
    cluster = {
        "schema": "fmctl.cluster/1", "fmctl_version": "1", "name": "c", "region": "us-east-1", "account": "3333",
        "plan": "p", "plan_digest": "sha256:0", "spec_digest": "sha256:1", "config_digest": "sha256:2",
        "tags": {"a": "b"}, "instance": "p5.48xlarge", "nodes": 4, "usd_per_h": 220.16, "max_hours": 24.0,
        "created_by": "ada",
        "began": AT, "end": "2026-11-23T10:00:00+00:00", "state": "running", "spent_usd": None, "purchase": "on-demand",
        "lines": [{"name": "compute nodes", "usd_per_h": 220.16, "why": ""}], "reused": [],
        "retained": [], "boundary": None,
    }  # fmt: skip
    line = {"schema": "fmctl.journal/1", "seq": 1, "at": AT, "kind": "intent", "action": "create", "token": "t",
            "data": {"nodes": 4}, "who": "ada", "host": "h", "pid": 7}  # fmt: skip
    lines = [line, {**line, "seq": 2, "kind": "outcome"}, {**line, "seq": 3, "kind": "note", "action": "begin"}]
    lock = {"who": "ada", "host": "h", "machine": "m", "boot": "b", "pid": 7, "started": "1", "at": AT}

    def record(text: str) -> object:
        found = read_record(Texts(**{"clusters__cc.json": text}), "cc")  # type: ignore[arg-type]
        assert found is not None
        answer = history_answer([found], [], datetime(2026, 11, 22, tzinfo=UTC))
        for form in (TABLE, JSON, CSV):
            form.answer(answer)
        return replace(found, lines=()), {"line": [one.usd_per_h for one in found.lines]}  # a line may be free

    def journal(m: Mutator) -> str:
        kind = m.random.random()
        chosen = list(lines)
        if kind < 0.3:
            at = m.random.randrange(3)
            chosen = [
                *chosen[:at],
                *(chosen[at : at + 1] * m.random.choice((0, 2))),
                *chosen[at + 1 :],
            ]  # lost or doubled
        text = "".join(dump_json(m.tree(one) if m.random.random() < 0.4 else one) + "\n" for one in chosen)
        return m.bent(text) if m.random.random() < 0.3 else text

    def journals(text: str) -> object:
        store: Any = Texts(**{"journals__c.jsonl": text})
        whole = Journal(store, "c", clock, me)
        found = list(whole.records)
        progress(found)
        whole.note("looked", {})
        assert [one.seq for one in found] == list(range(1, len(found) + 1)), "lines were lost or doubled"
        return found

    def locks(text: str) -> object:
        store: Any = Texts(**{"locks__c.json": text})
        said = holder_of(store, "c")
        take(store, "c", me, clock, is_alive=alive, break_lock=True)
        return said

    store: Any = Texts()
    job: Any = FACTS | {"submitted": AT, "started": AT}
    plan = json.loads((ROOT / "tests/golden/plan.json").read_text())
    kept = replace(run("c-1"), job=job, log=logged(start(1e9, 1e9 + 60.0)), row=plan["result"]["rows"][0],
                   inputs=plan["inputs"], notes=({"at": AT, "by": "ada", "text": "t"},), seen_at=AT)  # fmt: skip
    write_run(store, kept)
    document = json.loads(store.texts["runs/c-1.json"])

    def reported(text: str) -> object:
        found: Run = read_run(Texts(**{"runs__c-1.json": text}), "c-1")  # type: ignore[arg-type]
        answer = report_answer(found, [found])
        for form in (TABLE, JSON, JSONL, CSV, MARKDOWN, HTML, YAML):
            form.answer(answer)
        if found.job is not None:
            job_of_facts(found.job, found.starts)
        return found

    signed = frozenset({"measured", "quality", "exit_code", "log", "margin_bytes"})
    return {
        "cluster records": Kind(documents(dump_json, cluster), record),
        "journals": Kind(journal, journals, frozenset({"data"})),
        "locks": Kind(documents(dump_json, lock), locks),
        "run records": Kind(documents(dump_json, document), reported, signed),
    }


def slurm() -> Mapping[str, Kind]:
    """Slurm."""
    from fmctl.adapters.slurm.answers import read_jobs, read_nodes

    readers = {"squeue": read_jobs, "sacct": read_jobs, "sinfo": read_nodes, "node": read_nodes}
    good = [
        (path.name.split("_")[0], json.loads(path.read_text()))
        for path in sorted((ROOT / "tests/data/slurm").glob("*.json"))
    ]

    def drawn(m: Mutator) -> tuple[str, str]:
        name, document = m.random.choice(good)
        return name, m.text(document, dump_json)

    return {"Slurm JSON": Kind(drawn, lambda given: readers[given[0]](given[1]))}


def prometheus() -> Mapping[str, Kind]:
    """Prometheus."""
    from fmctl.adapters.prometheus.client import Prometheus
    from fmctl.observe.promql import literal, number, quoted, selector, span

    series = {"metric": {"__name__": "up", "job": "a"}, "values": [[1.7e9, "1"], [1.7e9 + 15, "NaN"]]}
    one = {"metric": {"job": "a"}, "value": [1.7e9, "1e-05"]}
    alert = {"labels": {"alertname": "A"}, "annotations": {"summary": "s"}, "state": "firing",
             "activeAt": "2026-11-22T10:00:00.123456789Z", "value": "1e+00"}  # fmt: skip
    good = [{"status": "success", "warnings": ["w"], "data": data} for data in (
        {"resultType": "matrix", "result": [series]}, {"resultType": "vector", "result": [one]},
        {"resultType": "scalar", "result": [1.7e9, "1"]}, {"alerts": [alert]},
    )]  # fmt: skip

    class Replayed(Prometheus):
        body = b""

        def _ask(self, path: str, given: Mapping[str, str] | None) -> bytes:
            return self.body

    server = Replayed("http://127.0.0.1:9")

    def answered(text: str) -> object:
        server.body = text.encode("utf-8", "surrogatepass")
        found: object = server.alerts() if '"alerts"' in text else server.instant("up")
        return found

    def drawn(m: Mutator) -> tuple[str, str, float]:
        value = plain(m.value())
        return (
            m.bent("label"),
            m.bent('a"b\\c'),
            float(value) if isinstance(value, int | float) and abs(value) < 1e300 else 1.0,
        )

    def labels(given: tuple[str, str, float]) -> object:
        name, value, at = given
        quoted(value)
        literal(value)
        selector({name: value})
        return [number(at), span(at)] if at > 0 else None

    return {
        "Prometheus answers": Kind(
            documents(dump_json, *good), answered, frozenset({"values", "value", "times"}), frozenset({"values",
            "value"})
        ),
        "PromQL": Kind(drawn, labels),
    }  # fmt: skip


def parallelcluster() -> Mapping[str, Kind]:
    """Parallelcluster."""
    from fmctl.adapters.parallelcluster import answers
    from fmctl.adapters.parallelcluster.client import WorkerPcluster, _Died, _Garbage, _parsed
    from fmctl.base.errors import OperationFailed
    from fmctl.targets.parallelcluster.failures import _from_describe

    told = {"level": "ERROR", "type": "T", "message": "m"}
    content = {"message": "Bad Request: no", "configurationValidationErrors": [told],
               "validationMessages": [{**told, "level": "WARNING"}],
               "updateValidationErrors": [{"parameter": "p", "message": "m"}]}  # fmt: skip
    error = {"id": 1, "error": {"type": "BadRequest", "code": 400, "content": content}}
    fine = {"id": 1, "ok": {"version": "3.16.1", "message": "m", "validationMessages": []}}
    described = {"id": 1, "ok": {"clusterName": "c", "clusterStatus": "CREATE_FAILED", "version": "3.16.1",
                 "failures": [{"failureCode": "F", "failureReason": "r"}],
                 "headNode": {"state": "running"}}}  # fmt: skip
    template = {
        "id": 1,
        "ok": [{"stack": "", "logical_id": "HeadNode", "type": "AWS::EC2::Instance", "properties": {}}],
    }

    class Replayed(WorkerPcluster):
        line = b""

        def _once(self, op: str, args: Mapping[str, str]) -> answers.Answer:
            try:
                return _parsed(self.line, 1)
            except (_Garbage, _Died):
                raise OperationFailed("something else") from None

    worker = Replayed("python", log=None)

    def drawn(m: Mutator) -> tuple[str, str]:
        op = m.random.choice(("validate", "synth", "create", "delete", "describe", "version"))
        return op, m.text(m.random.choice((error, fine, described, template)), dump_json)

    def answered(given: tuple[str, str]) -> object:
        op, text = given
        worker.line = text.encode("utf-8", "replace")
        worker._version = None
        if op == "version":
            return worker.version
        asked: Any = getattr(worker, op)
        configured = op in ("validate", "synth", "create")
        found = asked("c", "Region: us-east-1", "us-east-1") if configured else asked("c", "us-east-1")
        if op == "describe" and found is not None:
            _from_describe(found.get("failures"))
        return None

    return {"ParallelCluster": Kind(drawn, answered)}


def aws() -> Mapping[str, Kind]:
    """Aws."""
    from fmctl.adapters.aws.cloud import AwsCloud
    from fmctl.adapters.aws.end import _moment
    from fmctl.adapters.slurm.as_user import JobUser
    from fmctl.adapters.slurm.heads import SsmHead
    from fmctl.targets.parallelcluster.marks import MARKS

    when = datetime(2026, 11, 22, tzinfo=UTC)
    stack = {"StackName": "c", "StackId": "arn:s", "StackStatus": "CREATE_COMPLETE", "CreationTime": when,
             "Tags": [{"Key": "a", "Value": "b"}], "Outputs": [{"OutputKey": "a", "OutputValue": "b"}]}  # fmt: skip
    node = {"InstanceId": "i-1", "InstanceType": "p5", "State": {"Name": "running"}, "LaunchTime": when, "Tags": []}
    event = {"Timestamp": when, "EventId": "1", "StackId": "arn:s", "LogicalResourceId": "a", "ResourceType": "T"}

    class Client:
        """Answers anything with what is given."""

        found: Any = None

        def describe_stacks(self, **_: object) -> Any:
            return self.found

        def get_paginator(self, name: str) -> Any:
            return SimpleNamespace(paginate=lambda **_: [self.found])

    client = Client()
    cloud = AwsCloud(SimpleNamespace(client=lambda name: client), MARKS, sleep=lambda s: None)  # type: ignore[arg-type]
    answers: Mapping[str, tuple[object, Callable[[], object]]] = {
        "stack": ({"Stacks": [stack]}, lambda: cloud.stack("c")),
        "stacks": ({"Stacks": [stack]}, lambda: cloud.stacks("a")),
        "nodes": ({"Reservations": [{"Instances": [node]}]}, lambda: cloud.nodes("c")),
        "events": ({"StackEvents": [event]}, lambda: cloud.stack_events("c")),
    }

    def lost(m: Mutator) -> tuple[str, object]:
        name = m.random.choice(list(answers))
        return name, botocore(plain(m.tree(answers[name][0])), answers[name][0])

    def asked(given: tuple[str, object]) -> object:
        client.found = given[1] if isinstance(given[1], dict) else {}
        return answers[given[0]][1]()

    packed = base64.b64encode(gzip.compress(b"step 1\n" * 50)).decode()

    class Head:
        """Session Manager that gives the pieces it is told to, and then the last one again and again."""

        def __init__(self, pieces: list[str]) -> None:
            self.pieces, self.asked = pieces, 0

        def run_on_head(self, cluster: str, command: object, timeout_s: float = 30.0) -> str:
            self.asked += 1
            assert self.asked < 5_000, "it is asked without end"
            return self.pieces.pop(0) if len(self.pieces) > 1 else self.pieces[0]

    def pieces(m: Mutator) -> list[str]:
        size = m.random.choice((len(packed), m.random.randrange(10**6), m.random.choice(("9" * 30, "-1", "NaN", ""))))
        text = m.bent(packed) if m.random.random() < 0.6 else packed
        head = f"/tmp/fmctl.x/answer {size}"
        cut = m.random.randrange(len(text) + 1)
        return [
            (m.bent(head) if m.random.random() < 0.2 else head) + "\n" + text[:cut],
            text[cut:],
            m.random.choice(("", "x")),
        ]

    def moment(m: Mutator) -> tuple[object, object]:
        return m.bent("at(2026-11-22T10:00:00)"), m.random.choice(("UTC", "Europe/Berlin", plain(m.value()), None))

    return {
        "CloudFormation and EC2": Kind(lost, asked),
        "Scheduler": Kind(moment, lambda given: _moment(*given)),
        "SSM head": Kind(pieces, lambda given: SsmHead(Head(given), "c", JobUser("ubuntu")).run(["cat"])),
        # type: ignore[arg-type]
    }


def lab() -> Mapping[str, Kind]:
    """Lab."""
    from fmctl.adapters.lab.control import respond
    from fmctl.adapters.lab.settings import Running
    from fmctl.adapters.lab.world import World

    rules = {
        "fail": {"resource": "HeadNode$", "reason": "r", "stack": "c", "phase": "create"},
        "ice": {"instance_type": "p5.48xlarge", "zone": "us-east-1a", "after": 3},
        "fault": {"service": "ec2", "action": "A", "call": 2, "times": 1, "kind": "throttling", "seconds": 70},
        "advance": {"seconds": 300}, "speed": {"speed": 60},
    }  # fmt: skip
    running = {"pid": 7, "port": 5005, "token": "t", "site": "s", "speed": 1.0, "seed": {"region": "us-east-1"}}

    def drawn(m: Mutator) -> tuple[str, str]:
        name = m.random.choice(list(rules))
        return name, m.text(rules[name], dump_json)

    def controlled(given: tuple[str, str]) -> object:
        world, said = World(), list[str]()
        body = given[1].encode("utf-8", "surrogatepass")
        for method, what in (("POST", given[0]), ("GET", "state")):
            asked = {"PATH_INFO": f"/fm/{what}", "REQUEST_METHOD": method, "CONTENT_TYPE": "application/json",
                     "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}  # fmt: skip
            answer = b"".join(respond(world, asked, lambda status, headers: said.append(status)))  # type: ignore[arg-type,return-value]
        assert said[1] == "200 OK", "the state cannot be told"
        found: Mapping[str, object] = json.loads(answer)
        return {"faults": found["faults"], "speed": found["speed"]}

    def state_of(text: str) -> object:
        found = Running.from_text(text)
        return None if found is None else (found.pid, found.port, found.speed)

    return {
        "lab control": Kind(drawn, controlled),
        "lab state": Kind(documents(dump_json, running), state_of),
    }
