"""Any Prometheus over its HTTP API: instant and range queries, alerts, readiness. Amazon Managed Prometheus by SigV4.

Credentials come from the environment and go nowhere but into the request: no error, log or `repr` holds them, they are
never sent over plain HTTP beyond this machine, and no redirect is followed with them.
"""

from __future__ import annotations

import os
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from fmctl import __version__
from fmctl.adapters.prometheus.answers import (
    PASSWORD,
    TOKEN,
    USER,
    WHICH,
    Alert,
    Answer,
    Payload,
    Series,
    alert,
    answer,
    of_network,
    of_status,
    reading,
)
from fmctl.base.errors import NotThere, OperationFailed, PermissionDenied, ServiceUnavailable, UsageError, shorten
from fmctl.base.parse import from_json
from fmctl.base.read import part, texts

if TYPE_CHECKING:
    from botocore.credentials import Credentials

__all__ = ["Access", "Alert", "Answer", "Prometheus", "Series", "access", "sigv4_region"]

TIMEOUT_S = 10.0
_MOST_BYTES = 64 * 2**20
_CHUNK = 2**16
_AMAZON = re.compile(r"aps-workspaces(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_SERVICE = "aps"  # Amazon Managed Service for Prometheus, as SigV4 names it


@dataclass(frozen=True, slots=True)
class Access:
    """How to be let in: a bearer token, or user and password, or the AWS credentials of a region; not shown."""

    token: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sigv4_region: str | None = None
    profile: str | None = None

    @property
    def secret(self) -> bool:
        """Whether something goes along that others must not read."""
        return self.token is not None or self.user is not None


def access(environment: Mapping[str, str] = os.environ, sigv4_region: str | None = None) -> Access:
    """What the environment says. Raises UsageError where it says two things, or half of one."""
    token, user, password = (environment.get(name) or None for name in (TOKEN, USER, PASSWORD))
    if (user is None) != (password is None):
        raise UsageError(f"{USER} and {PASSWORD} go together", why="only one is set", next=f"set both, or {TOKEN}")
    asked = [name for name, given in ((TOKEN, token), (USER, user), ("SigV4", sigv4_region)) if given]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} cannot be used together", next=f"leave all but {asked[-1]} out")
    if token is not None and not token.isprintable():
        raise UsageError(f"{TOKEN} cannot be used", why="it holds a line break or a control character")
    return Access(token, user, password, sigv4_region)


def sigv4_region(url: str) -> str | None:
    """The region of a workspace of Amazon Managed Prometheus; None for any other address."""
    try:
        found = _AMAZON.fullmatch(urlsplit(url).hostname or "")
    except ValueError:
        return None
    return None if found is None else found[1]


class _Stay(HTTPRedirectHandler):
    """No redirect is followed: the credentials are for the server that was named."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class Prometheus:
    """One server.

    Args:
        url: http(s)://host[:port][/prefix]; the workspace's URL for Amazon Managed Prometheus.
        access: see `access`.
        timeout_s: for a whole answer.

    Raises:
        UsageError: the URL cannot be used, or a secret would cross the network in the open.
    """

    def __init__(self, url: str, access: Access | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._access = Access() if access is None else access
        self._url = _checked(url, self._access)
        self._timeout_s = timeout_s
        self._opener = build_opener(_Stay())
        self._aws: Credentials | None = None

    def __repr__(self) -> str:
        return f"Prometheus({self._url!r})"

    def instant(self, query: str, at: float | None = None) -> Answer:
        """The query's value at a time (seconds since 1970; None: now). Raises FmctlError, UsageError for the query."""
        given = {"query": query} | ({} if at is None else {"time": repr(at)})
        return answer(self._data("query", given))

    def range(self, query: str, start: float, end: float, step_s: float) -> Answer:
        """The query's values from start to end (seconds since 1970), every step_s seconds."""
        given = {"query": query, "start": repr(start), "end": repr(end), "step": repr(step_s)}
        return answer(self._data("query_range", given))

    def alerts(self) -> tuple[Alert, ...]:
        """All alerts that are pending or firing."""
        found = self._data("alerts", None)[0].get("alerts") or []
        with reading():
            return tuple(alert(one) for one in found)

    def ready(self) -> bool:
        """Whether it answers queries; a server without a readiness page, as AWS's, is asked for a number instead."""
        try:
            self._ask("/-/ready", None)
        except ServiceUnavailable as error:
            if isinstance(error.__cause__, HTTPError):
                return False
            raise
        except NotThere:
            return bool(self.instant("vector(1)").series)
        return True

    def _data(self, call: str, given: Mapping[str, str] | None) -> tuple[Payload, tuple[str, ...]]:
        body = self._ask(f"/api/v1/{call}", given)
        with reading():
            found = part(from_json(body))
            if found["status"] != "success":
                raise OperationFailed("Prometheus refused", why=shorten(str(found.get("error")), 400))
            data = found["data"]
            if not isinstance(data, dict):
                raise TypeError("no data")
            return cast("Payload", data), tuple(texts(found.get("warnings")))

    def _ask(self, path: str, given: Mapping[str, str] | None) -> bytes:
        """POST where something is given: a query can be longer than a URL may be."""
        body = None if given is None else urlencode(given).encode()
        request = Request(self._url + path, data=body, headers=self._headers(path, body))
        try:
            return self._read(request)
        except HTTPError as error:
            with error:  # it holds the connection
                raise of_status(error, path) from error
        except (URLError, HTTPException, OSError, UnicodeError) as error:  # a host name too long is the last
            raise of_network(error, self._url, self._timeout_s) from error

    def _read(self, request: Request) -> bytes:
        """The whole body, within the time for all of it: a server that drips does not hold us."""
        ends = time.monotonic() + self._timeout_s
        found = bytearray()
        with self._opener.open(request, timeout=self._timeout_s) as response:
            while chunk := response.read1(_CHUNK):
                found += chunk
                if time.monotonic() > ends:
                    raise TimeoutError("the answer did not end")
                if len(found) > _MOST_BYTES:
                    raise UsageError(
                        "the answer is too large",
                        why=f"more than {_MOST_BYTES // 2**20} MiB",
                        next="a shorter range, a longer step, or sum by (...)",
                    )
        return bytes(found)

    def _headers(self, path: str, body: bytes | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": f"fmctl/{__version__}"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if self._access.token is not None:
            headers["Authorization"] = f"Bearer {self._access.token}"
        elif self._access.user is not None:
            pair = f"{self._access.user}:{self._access.password}".encode()
            headers["Authorization"] = "Basic " + b64encode(pair).decode()
        elif self._access.sigv4_region is not None:
            return self._signed(path, body, headers, self._access.sigv4_region)
        return headers

    def _signed(self, path: str, body: bytes | None, headers: dict[str, str], region: str) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        from fmctl.adapters.aws.errors import asked

        with asked("the credentials for Prometheus"):
            if self._aws is None:
                from botocore.session import Session

                self._aws = Session(profile=self._access.profile).get_credentials()
            if self._aws is None:
                raise PermissionDenied("there are no AWS credentials", next="aws sso login, or AWS_PROFILE")
            method = "GET" if body is None else "POST"
            request = AWSRequest(method=method, url=self._url + path, data=body, headers=headers)
            SigV4Auth(self._aws, _SERVICE, region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}


def _checked(url: str, access: Access) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.query
        or parts.fragment
        or not (url.isascii() and url.isprintable())
    ):
        shown = shorten(url.rpartition("@")[2])
        raise UsageError(f"'{shown}' is not the URL of a Prometheus", next=WHICH)
    if parts.username is not None or parts.password is not None:
        raise UsageError("a password in a URL ends up in logs", next=f"{USER} and {PASSWORD}, or {TOKEN}")
    if parts.scheme == "http" and access.secret and not _is_here(host):
        raise UsageError("a password would cross the network in the open", why="the URL is http", next="use https://")
    return url.rstrip("/")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
