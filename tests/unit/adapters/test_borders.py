"""What services answer is read by one reader each: a value in its range, or an error of ours with a next step."""

from __future__ import annotations

import base64
import gzip
import io
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fmctl.adapters.aws.end import _moment
from fmctl.adapters.aws.errors import reading
from fmctl.adapters.aws.price_list import lustre_rows, on_demand_rows, spot_rows
from fmctl.adapters.lab.control import respond
from fmctl.adapters.lab.settings import Running
from fmctl.adapters.lab.world import World
from fmctl.adapters.parallelcluster import answers
from fmctl.adapters.prometheus.client import Prometheus
from fmctl.adapters.slurm.answers import read_jobs
from fmctl.adapters.slurm.as_user import JobUser
from fmctl.adapters.slurm.heads import SsmHead
from fmctl.base.errors import OperationFailed

DAY = date(2026, 11, 22)
MANY = "9" * 400


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "1e999", MANY, "-7", "1.5", '{"set": true, "number": NaN}', "4294967296"]
)
def test_ids_and_counts_of_slurm_are_what_they_can_be(number: str) -> None:
    (job,) = read_jobs(
        f'{{"jobs": [{{"job_id": {number}, "node_count": {number}, "job_state": "FAILED", "exit_code": {number}}}]}}'
    )
    assert (job.id, job.node_count) == (0, 0)
    assert job.exit_code is None


@pytest.mark.parametrize(
    "printed", ["[" * 3_000, '{"jobs": null}', "slurm_load_jobs error", '{"jobs": [1], "jobs": []}']
)
def test_what_is_no_answer_of_slurm_is_an_error(printed: str) -> None:
    with pytest.raises(OperationFailed):
        read_jobs(printed)


class Replayed(Prometheus):
    """Answers with a text."""

    text = ""

    def _ask(self, path: str, given: object) -> bytes:
        return self.text.encode()


@pytest.mark.parametrize("text", [
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1e400, "1"]}]}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [NaN, "1"]}]}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1e300, "1"]}]}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, 2]}]}}',
    '{"status": "success", "data": [1]}', '{"status": "success", "data": null}', "[" * 3_000, "[]", '"x"',
])  # fmt: skip
def test_what_is_no_answer_of_prometheus_is_an_error(text: str) -> None:
    server = Replayed("http://127.0.0.1:9")
    server.text = text
    with pytest.raises(OperationFailed, match="no answer of Prometheus"):
        server.instant("up")


@pytest.mark.parametrize(
    "alerts", ["[[]]", "[1]", '[{"labels": [], "state": "firing"}]', '[{"labels": {}, "state": 1, "activeAt": "x"}]']
)
def test_alerts_of_another_shape_are_an_error(alerts: str) -> None:
    server = Replayed("http://127.0.0.1:9")
    server.text = f'{{"status": "success", "data": {{"alerts": {alerts}}}}}'
    with pytest.raises(OperationFailed):
        server.alerts()


def test_a_moment_without_zone_is_utc() -> None:
    server = Replayed("http://127.0.0.1:9")
    alert = {"labels": {}, "state": "firing", "activeAt": "2026-11-22T10:00:00"}
    server.text = json.dumps({"status": "success", "data": {"alerts": [alert]}})
    assert server.alerts()[0].active_at == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("messages", ["null", 7, {"a": 1}, [1, None, "x"], [[]]])
def test_messages_of_validators_of_another_shape_are_none(messages: object) -> None:
    content: Any = {"message": "m", "validationMessages": messages, "updateValidationErrors": messages}
    assert answers.validators(content) == ()
    assert isinstance(answers.failure("update", content), OperationFailed)


@pytest.mark.parametrize("found", [[], "x", 7, {"version": 3}, {}])
def test_a_worker_that_names_no_version_is_an_error(found: object) -> None:
    with pytest.raises(OperationFailed, match="no answer of ParallelCluster"):
        answers.version(found)


@pytest.mark.parametrize(
    "found", [{}, None, [1], [{"stack": ""}], [{"stack": "", "logical_id": "a", "type": "t", "properties": []}]]
)
def test_resources_of_another_shape_are_an_error(found: object) -> None:
    with pytest.raises(OperationFailed, match="no answer of ParallelCluster"):
        answers.resources(found)


def product(usd: object) -> str:
    rate = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
    attributes = {"regionCode": "us-east-1", "locationType": "AWS Region"}
    return json.dumps(
        {"product": {"attributes": attributes}, "terms": {"OnDemand": {"a": {"priceDimensions": {"b": rate}}}}}
    )


@pytest.mark.parametrize("usd", ["NaN", "inf", "-1", "1e999", "x", MANY, [1], True, {}])
def test_a_price_that_is_none_is_no_price(usd: object) -> None:
    with pytest.raises(OperationFailed, match="price list"):
        on_demand_rows("p5.48xlarge", ["us-east-1"], [product(usd)], DAY)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"product": []}', '{"product": {"attributes": null}, "terms": {"OnDemand": [1]}}']
)
def test_a_product_of_another_shape_has_no_price(text: str) -> None:
    try:
        assert on_demand_rows("p5.48xlarge", ["us-east-1"], [text], DAY)[0].usd_per_h is None
        assert lustre_rows("us-east-1", [text], DAY) == ([], 0)
    except OperationFailed as error:
        assert error.next


@pytest.mark.parametrize(
    "row", [{}, {"AvailabilityZone": "a"}, {"SpotPrice": "NaN"}, {"SpotPrice": "-1"}, {"SpotPrice": "0"}]
)
def test_a_spot_price_that_is_none_is_no_price(row: dict[str, str]) -> None:
    good = {"AvailabilityZone": "a", "SpotPrice": "1.5", "Timestamp": datetime(2026, 11, 22, tzinfo=UTC)}
    given: Any = good | row if "SpotPrice" in row else row
    with pytest.raises(OperationFailed):
        spot_rows("p5.48xlarge", "us-east-1", [given], DAY)
    assert spot_rows("p5.48xlarge", "us-east-1", [good], DAY)[0].usd_per_h == 1.5  # type: ignore[list-item]


class Head:
    """Session Manager that gives the same piece again and again."""

    def __init__(self, first: str, more: str) -> None:
        self.first, self.more, self.asked = first, more, 0

    def run_on_head(self, cluster: str, command: object, timeout_s: float = 30.0) -> str:
        self.asked += 1
        assert self.asked < 50, "it is asked without end"
        return self.first if self.asked == 1 else self.more


PACKED = base64.b64encode(gzip.compress(b"words", mtime=0)).decode()


@pytest.mark.parametrize(("size", "text", "more"), [
    (len(PACKED), PACKED[:10] + "!" + PACKED[11:], ""), (12, PACKED[:12], ""), (len(PACKED), "QUJD" + PACKED[4:], ""),
    (9_999_999, PACKED, "x"), (9_999_999, PACKED, ""), ("9" * 30, PACKED, "x"), ("-1", PACKED, ""), ("\u0665",
    PACKED, ""),
])  # fmt: skip
def test_a_damaged_answer_of_a_head_is_an_error_and_ends(size: object, text: str, more: str) -> None:
    head: Any = Head(f"/tmp/fmctl.a/answer {size}\n{text}", more)
    with pytest.raises(OperationFailed) as caught:
        SsmHead(head, "c", JobUser("ubuntu")).run(["cat"])
    assert "answer" in caught.value.what


def test_an_answer_that_unpacks_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmctl.adapters.slurm.heads._MOST_UNPACKED", 1000)
    packed = base64.b64encode(gzip.compress(b"\0" * 10_000, mtime=0)).decode()
    head: Any = Head(f"/tmp/fmctl.a/answer {len(packed)}\n{packed}", "")
    with pytest.raises(OperationFailed, match="cannot be read"):
        SsmHead(head, "c", JobUser("ubuntu")).run(["cat"])


@pytest.mark.parametrize(("said", "zone"), [("rate(1 day)", "UTC"), ("at(2026-13-01T00:00:00)", None), (None, None),
                                            ("at(2026-11-22T10:00:00)", "Nowhere/Land"), ("at(2026-11-22T10:00:00)",
                                            "/etc")])  # fmt: skip
def test_a_schedule_that_says_no_moment_is_an_error(said: object, zone: object) -> None:
    with pytest.raises(OperationFailed):
        _moment(said, zone)


def test_the_zone_of_a_schedule_counts() -> None:
    assert _moment("at(2026-11-22T10:00:00)", "Europe/Berlin") == datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.mark.parametrize("answer", [{}, {"Stacks": None}, {"Stacks": [{}]}])
def test_a_field_that_aws_always_gives_and_that_is_missing_is_an_error(answer: dict[str, Any]) -> None:
    with pytest.raises(OperationFailed, match="cannot read what was answered about a stack"), reading("a stack"):
        answer["Stacks"][0]["StackName"]


@pytest.mark.parametrize(
    "body", ['{"seconds": NaN}', "[" * 3_000, "[]", '{"seconds": 1e999}', '{"seconds": "x"}', "x" * 20_000, ""]
)
def test_a_rule_of_the_lab_that_is_none_is_refused_and_the_state_still_told(body: str) -> None:
    world, said = World(), list[str]()
    for method, what in (("POST", "advance"), ("POST", "fault"), ("GET", "state")):
        environ: Any = {
            "PATH_INFO": f"/fm/{what}", "REQUEST_METHOD": method, "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body.encode()),
        }  # fmt: skip
        told: Any = lambda status, headers: said.append(status)  # noqa: E731
        json.loads(b"".join(respond(world, environ, told)))
    assert said[0].startswith("400")
    assert said[2].startswith("200")


@pytest.mark.parametrize(
    "change", [{"pid": 0}, {"pid": -1}, {"pid": 2**40}, {"port": 70_000}, {"speed": "x"}, {"seed": []}, {"x": 1}]
)
def test_a_state_of_the_lab_that_cannot_be_is_none(change: dict[str, object]) -> None:
    good = {"pid": 7, "port": 5005, "token": "t", "site": "s", "speed": 1.0, "seed": {"region": "us-east-1"}}
    assert Running.from_text(json.dumps(good)) is not None
    assert Running.from_text(json.dumps(good | change)) is None
    assert Running.from_text("[" * 3_000) is None
