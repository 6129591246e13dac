"""What Prometheus answers, as typed values; and what it or the network says against it, as fmctl's errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import TypedDict, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from fmctl.base.errors import (
    FmctlError,
    NotThere,
    OperationFailed,
    PermissionDenied,
    ServiceUnavailable,
    UsageError,
    shorten,
)
from fmctl.base.parse import NotParsed, from_json
from fmctl.base.read import part, zoned

TOKEN, USER, PASSWORD = "FMCTL_PROMETHEUS_TOKEN", "FMCTL_PROMETHEUS_USER", "FMCTL_PROMETHEUS_PASSWORD"
WHICH = "give the URL under which Prometheus's own page opens, such as http://127.0.0.1:9090"
_AGAIN = "the same command again, a little later"
_MOST_ERROR_BYTES = 2**16
_LAST_S = 253_402_300_800.0  # the year 10000


Pair = tuple[float, str]
"""Seconds since 1970, and a value as Go prints it."""


class Row(TypedDict, total=False):
    """One series of a result."""

    metric: dict[str, str]
    value: Pair
    values: list[Pair]


class AlertRow(TypedDict, total=False):
    """One entry of the list of alerts."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    activeAt: str
    value: str


class Payload(TypedDict, total=False):
    """The data of an answer: of a query, or the alerts."""

    resultType: str
    result: list[Row]  # of a scalar or a string it is one pair
    alerts: list[AlertRow]


@dataclass(frozen=True, slots=True)
class Series:
    """One time series. labels with `__name__` where it has one."""

    labels: Mapping[str, str]
    times: tuple[float, ...]  # seconds since 1970 [n]; values [n], NaN kept
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave; warnings are the server's own: with any, the answer may not be whole."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of the server."""

    name: str
    state: str  # pending or firing
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    active_at: datetime | None
    value: float


@contextmanager
def reading() -> Iterator[None]:
    """What is no answer of Prometheus becomes an error that says so. Raises OperationFailed."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        why = str(error) if isinstance(error, NotParsed) else f"{type(error).__name__} when reading it"
        raise OperationFailed("this is no answer of Prometheus", why=why, next=WHICH) from error


def answer(given: tuple[Payload, tuple[str, ...]]) -> Answer:
    """A query's data and warnings, typed. Raises OperationFailed."""
    data, warnings = given
    with reading():
        kind, found = data["resultType"], data["result"]
        if kind in ("scalar", "string"):
            found = [{"metric": {}, "value": cast("Pair", found)}]
        return Answer(tuple(_series(one) for one in found), warnings)


def _series(one: Row) -> Series:
    pairs = one["values"] if "values" in one else [one["value"]] if "value" in one else list[Pair]()
    labels = {str(name): str(value) for name, value in one["metric"].items()}
    return Series(labels, tuple(_at(at) for at, _ in pairs), tuple(_number(value) for _, value in pairs))


def _at(seconds: float) -> float:
    """A time. Raises ValueError where no calendar has it."""
    told = float(seconds)
    if isinstance(seconds, bool) or not abs(told) < _LAST_S:
        raise ValueError("no time")
    return told


def alert(one: AlertRow) -> Alert:
    """One entry of the list of alerts."""
    labels = {str(name): str(value) for name, value in one["labels"].items()}
    active = one.get("activeAt")
    return Alert(
        name=labels.get("alertname", ""),
        state=str(one["state"]),
        labels=labels,
        annotations={str(name): str(value) for name, value in one.get("annotations", {}).items()},
        active_at=None if not active else zoned(datetime.fromisoformat(_microseconds(str(active)))),
        value=_number(one.get("value", "NaN")),
    )


def _microseconds(stamp: str) -> str:
    """Go prints nanoseconds; Python reads six digits."""
    whole, dot, rest = stamp.replace("Z", "+00:00").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}" if dot else whole


def _number(text: str) -> float:
    """`NaN`, `+Inf` and 1e-05 as Go prints them; a string result that is no number is NaN. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("values of Prometheus are texts")
    try:
        return float(text)
    except ValueError:
        return math.nan


def of_status(error: HTTPError, path: str) -> FmctlError:
    """The error that a status amounts to; the body's own words where it is Prometheus's JSON."""
    why = f"HTTP {error.code}" + _said(error)
    if error.code in (401, 403):
        return PermissionDenied("Prometheus does not let us in", why=why, next=f"{TOKEN}, or {USER} and {PASSWORD}")
    if error.code in (400, 422):
        return UsageError("Prometheus cannot answer this query", why=why, next="try it on Prometheus's own page")
    if error.code == 404:
        return NotThere(f"there is no {path} at this address", why=why, next=WHICH)
    if error.code in (408, 429) or error.code >= 500:
        return ServiceUnavailable("Prometheus has no time", why=why, next=_AGAIN)
    if 300 <= error.code < 400:
        # Only the host: a sign-in page's address can hold a session.
        to = urlsplit(error.headers.get("Location", "")).hostname or "another page"
        return OperationFailed("Prometheus sends us elsewhere", why=f"{why}: to {shorten(to)}", next=WHICH)
    return OperationFailed("Prometheus refused", why=why, next=WHICH)


def _said(error: HTTPError) -> str:
    try:
        found = part(from_json(error.read(_MOST_ERROR_BYTES)))
        return ": " + shorten(str(found.get("error") or found.get("message") or ""), 400)
    except (NotParsed, OSError, HTTPException):
        return ""


def of_network(error: Exception, url: str, timeout_s: float) -> FmctlError:
    """The error that no answer amounts to."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        why = f"no whole answer within {timeout_s:g} s"
        return ServiceUnavailable("Prometheus did not answer", why=why, next="a shorter range, or a longer --timeout")
    why = f"{shorten(url)}: {shorten(str(reason), 200)}"
    return ServiceUnavailable("Prometheus cannot be reached", why=why, next="check the address, VPN or tunnel")
