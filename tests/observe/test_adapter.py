"""The adapter against a server of the test's own: what is sent, and what each bad answer becomes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from fmctl.adapters.prometheus.client import Access, Prometheus, access, sigv4_region
from fmctl.base.errors import FmctlError, OperationFailed, PermissionDenied, ServiceUnavailable, UsageError

SECRET = "s3cr3t-t0ken"
FINE = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})


@dataclass
class Told:
    """What was asked, and what is answered."""

    status: int = 200
    body: str = FINE
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(told: Told) -> Iterator[Told]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            told.asked.append((self.command, self.path, dict(self.headers), body))
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for character in told.body if told.drip_s else [told.body]:
                    self.wfile.write(character.encode())
                    time.sleep(told.drip_s)
            except OSError:
                pass  # the client has had enough

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


def test_a_query_is_posted_whole() -> None:
    with serving(Told()) as told:
        Prometheus(told.url + "/prefix/").instant("a" * 20_000, at=5.0)
    ((method, path, _, body),) = told.asked
    assert (method, path) == ("POST", "/prefix/api/v1/query")
    assert body == "query=" + "a" * 20_000 + "&time=5.0"


def test_a_token_is_sent_and_shown_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Told(status=500, body="broken")) as told:
        given = access({"FMCTL_PROMETHEUS_TOKEN": SECRET})
        server = Prometheus(told.url, given)
        with pytest.raises(FmctlError) as caught:
            server.instant("up")
    assert told.asked[0][2]["Authorization"] == f"Bearer {SECRET}"
    shown = (
        repr(given) + repr(server) + "".join(caught.value.lines()) + repr(caught.value) + "".join(capsys.readouterr())
    )
    assert SECRET not in shown


def test_user_and_password_are_basic() -> None:
    given = access({"FMCTL_PROMETHEUS_USER": "me", "FMCTL_PROMETHEUS_PASSWORD": "p:w"})
    with serving(Told()) as told:
        Prometheus(told.url, given).instant("up")
    assert told.asked[0][2]["Authorization"] == "Basic bWU6cDp3"
    assert "p:w" not in repr(given)


def test_requests_are_signed_for_amazon_managed_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with serving(Told()) as told:
        Prometheus(told.url + "/workspaces/ws-1", access({}, sigv4_region="eu-west-1")).instant("up")
    _, path, headers, body = told.asked[0]
    sent = {name.lower(): value for name, value in headers.items()}
    assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/aps/aws4_request" in sent["authorization"]
    assert path == "/workspaces/ws-1/api/v1/query" and body == "query=up"
    assert SECRET not in json.dumps(headers)


def test_signing_without_credentials_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with serving(Told()) as told, pytest.raises(PermissionDenied, match="no AWS credentials"):
        Prometheus(told.url, Access(sigv4_region="us-east-1")).instant("up")
    assert not told.asked


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"FMCTL_PROMETHEUS_USER": "me"}, None),
        ({"FMCTL_PROMETHEUS_PASSWORD": SECRET}, None),
        ({"FMCTL_PROMETHEUS_TOKEN": SECRET, "FMCTL_PROMETHEUS_USER": "a", "FMCTL_PROMETHEUS_PASSWORD": "b"}, None),
        ({"FMCTL_PROMETHEUS_TOKEN": SECRET}, "us-east-1"),
        ({"FMCTL_PROMETHEUS_TOKEN": f"{SECRET}\r\nX: y"}, None),
    ],
)
def test_half_or_double_credentials_are_refused(environment: dict[str, str], region: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        access(environment, region)
    assert SECRET not in "".join(caught.value.lines())


def test_nothing_in_the_environment_is_nothing() -> None:
    assert access({"FMCTL_PROMETHEUS_TOKEN": ""}) == Access()


@pytest.mark.parametrize(
    "url",
    ["", "prometheus:9090", "ftp://a", "http://", "http://a:port", "http://a/?x=1", "http://a/#x", "file:///etc/passwd",
     "http://[::1", "http://a\n/", "http://ä/", "http://a/ä"],
)  # fmt: skip
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        Prometheus(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    for url in (f"https://me:{SECRET}@host", f"https://me:{SECRET}@host/?q", f"ftp://me:{SECRET}@host"):
        with pytest.raises(UsageError) as caught:
            Prometheus(url)
        assert SECRET not in "".join(caught.value.lines())


def test_a_secret_does_not_cross_the_network_in_the_open() -> None:
    given = Access(token=SECRET)
    with pytest.raises(UsageError, match="in the open"):
        Prometheus("http://prometheus.example", given)
    for url in ("https://prometheus.example", "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        Prometheus(url, given)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, UsageError), (422, UsageError), (401, PermissionDenied), (403, PermissionDenied), (404, OperationFailed),
     (429, ServiceUnavailable), (500, ServiceUnavailable), (503, ServiceUnavailable), (418, OperationFailed)],
)  # fmt: skip
def test_every_status_is_an_error_with_a_next_step(status: int, kind: type[FmctlError]) -> None:
    body = json.dumps({"status": "error", "error": "because\x1b[31m of it"})
    with serving(Told(status=status, body=body)) as told, pytest.raises(kind) as caught:
        Prometheus(told.url).instant("up")
    assert caught.value.next
    assert f"HTTP {status}" in str(caught.value.why) and "because" in str(caught.value.why)
    assert "\x1b" not in "".join(caught.value.lines())


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with (
        serving(Told()) as other,
        serving(Told(status=302, headers={"Location": other.url + "/login?session=1"})) as told,
    ):
        server = Prometheus(told.url, Access(token=SECRET))
        with pytest.raises(OperationFailed, match="elsewhere") as caught:
            server.instant("up")
    assert not other.asked
    assert "session" not in "".join(caught.value.lines())


@pytest.mark.parametrize(
    "body",
    ["", "<html>sign in</html>", "[]", "{}", '"x"', "null", '{"status": "success"}',
     '{"status": "success", "data": {"resultType": "vector", "result": 5}}',
     '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}}',
     '{"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "1"]}]}}', "[" * 100],
)  # fmt: skip
def test_what_is_no_answer_of_prometheus_says_so(body: str) -> None:
    with serving(Told(body=body)) as told, pytest.raises(OperationFailed, match="no answer of Prometheus"):
        Prometheus(told.url).instant("up")


def test_an_answer_nested_without_end() -> None:
    with serving(Told(body="[" * 200_000)) as told, pytest.raises(OperationFailed, match="no answer of Prometheus"):
        Prometheus(told.url).instant("up")


def test_an_error_in_a_fine_answer_is_one() -> None:
    with serving(Told(body='{"status": "error", "error": "no"}')) as told, pytest.raises(OperationFailed) as caught:
        Prometheus(told.url).instant("up")
    assert caught.value.why == "no"


def test_warnings_are_handed_on() -> None:
    body = FINE[:-1] + ', "warnings": ["a store did not answer"]}'
    with serving(Told(body=body)) as told:
        assert Prometheus(told.url).instant("up").warnings == ("a store did not answer",)


def test_a_server_that_drips_is_given_up() -> None:
    with serving(Told(body=FINE, drip_s=0.05)) as told:
        began = time.monotonic()
        with pytest.raises(ServiceUnavailable, match="did not answer"):
            Prometheus(told.url, timeout_s=0.3).instant("up")
        assert time.monotonic() - began < 2


def test_nobody_there_is_unavailable() -> None:
    with serving(Told()) as told:
        pass
    with pytest.raises(ServiceUnavailable, match="cannot be reached") as caught:
        Prometheus(told.url).instant("up")
    assert caught.value.next


@pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False)])
def test_ready(status: int, expected: bool) -> None:
    with serving(Told(status=status)) as told:
        assert Prometheus(told.url).ready() is expected
    assert told.asked[0][:2] == ("GET", "/-/ready")


def test_alerts_are_typed() -> None:
    found = {"labels": {"alertname": "A", "node": "n"}, "annotations": {"summary": "s"}, "state": "firing",
             "activeAt": "2026-11-22T12:00:00.123456789Z", "value": "1e+00"}  # fmt: skip
    with serving(Told(body=json.dumps({"status": "success", "data": {"alerts": [found]}}))) as told:
        (one,) = Prometheus(told.url).alerts()
    assert (one.name, one.state, one.value) == ("A", "firing", 1.0)
    assert one.active_at == datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1", "us-west-2"),
        ("https://aps-workspaces.us-west-2.amazonaws.com.evil.example/", None),
        ("https://evil.example/aps-workspaces.us-west-2.amazonaws.com", None),
        ("http://127.0.0.1:9090", None),
        ("http://[", None),
    ],
)
def test_requests_are_signed_for_amazons_own_hosts_alone(url: str, region: str | None) -> None:
    assert sigv4_region(url) == region
