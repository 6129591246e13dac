"""What ParallelCluster answers, as findings, resources or an error of ours; the same for worker and command."""

from __future__ import annotations

import re
from typing import TypedDict, cast

from fmctl.base.errors import BUSY, CapacityUnavailable, FmctlError, OperationFailed, PermissionDenied, shorten
from fmctl.base.read import Fields, rows
from fmctl.domain.ports import Finding, Resource

DRY_RUN_PASSED = "DryRun flag is set"
_GONE = re.compile(r"does not exist or belongs to an incompatible", re.IGNORECASE)
_NO_IDENTITY = re.compile(
    r"Unable to locate credentials|NoCredentials|ExpiredToken|RequestExpired|InvalidClientTokenId|AuthFailure"
    r"|security token included in the request|SignatureDoesNotMatch|config profile .* could not be found",
    re.IGNORECASE,
)
_NO_RIGHT = re.compile(r"AccessDenied|UnauthorizedOperation|not authorized to perform", re.IGNORECASE)
_SETS_UP = "s3:CreateBucket, s3:PutBucketVersioning, s3:PutEncryptionConfiguration or s3:PutBucketPolicy"
# S3 says no in words that name no right; ParallelCluster's own say what it was doing.
_NO_S3 = (
    (re.compile(r"Unable to upload.*(Access ?Denied|Forbidden|403)", re.IGNORECASE), "s3:PutObject"),
    (re.compile(r"Failed in accessing bucket|bucket owner not matching", re.IGNORECASE), "s3:ListBucket"),
    (re.compile(r"s3 bucket.*(Forbidden|403)", re.IGNORECASE), "s3:GetObject"),
    (re.compile(r"initialize s3 bucket.*Access ?Denied", re.IGNORECASE), _SETS_UP),
)
_NO_CAPACITY = re.compile(r"InsufficientInstanceCapacity|InsufficientCapacity|LimitExceeded.*vCPU|VcpuLimit")
_NO_ANSWER = re.compile(
    r"Could not connect to the endpoint|EndpointConnectionError|timed? ?out|Rate exceeded|Throttl|RequestLimitExceeded"
    r"|InternalError|InternalFailure|Connection was closed|jsii|\bnode\b.*not found",
    re.IGNORECASE,
)
# ParallelCluster hands on what AWS told it in words alone: whether the same may work later is read from them here.
_BUSY = re.compile(
    r"Throttl|TooManyRequests|RequestLimitExceeded|Rate exceeded|SlowDown|ServiceUnavailable|InternalError"
    r"|InternalFailure|RequestTimeout|timed out|\b50[0234]\b|EndpointConnectionError|Could not connect"
)
_LONGEST = 600


class Said(TypedDict, total=False):
    """One message of a validator."""

    level: str
    type: str
    message: str


class Refused(TypedDict, total=False):
    """A parameter that an update may not change."""

    parameter: str
    message: str


class Content(TypedDict, total=False):
    """What an answer holds, where it is no cluster or template."""

    message: str
    configurationValidationErrors: list[Said]
    validationMessages: list[Said]
    updateValidationErrors: list[Refused]


class Told(TypedDict):
    """An error of the worker: code is that of ParallelCluster's API, None where it broke."""

    type: str
    code: int | None
    content: Content


class Answer(TypedDict, total=False):
    """A line of the worker: `ok` with what the operation gives, or `error`."""

    id: int
    ok: object
    error: Told


def content(found: object) -> Content:
    """What an operation gave, where it is a mapping; nothing where it is null. Raises OperationFailed."""
    if found is not None and not isinstance(found, dict):
        raise unreadable(f"a {type(found).__name__} where fields were expected")
    return cast("Content", found or {})


def fields(found: object) -> Fields:
    """The fields of a cluster. Raises OperationFailed."""
    return cast("Fields", content(found))


def version(found: object) -> str:
    """Of the worker's greeting. Raises OperationFailed."""
    told = fields(found).get("version")
    if not isinstance(told, str):
        raise unreadable("it names no version")
    return told


def resources(found: object) -> tuple[Resource, ...]:
    """The resources of a template. Raises OperationFailed."""
    if not isinstance(found, list):
        raise unreadable("it lists no resources")
    return tuple(_resource(one) for one in found)


def _resource(found: object) -> Resource:
    one = fields(found)
    stack, logical, kind = (one.get(name) for name in ("stack", "logical_id", "type"))
    properties = one.get("properties")
    if not (isinstance(stack, str) and isinstance(logical, str) and isinstance(kind, str)):
        raise unreadable("a resource without stack, logical_id or type")
    if not isinstance(properties, dict):
        raise unreadable(f"{shorten(logical)} has no properties")
    return Resource(stack, logical, kind, properties)


def unreadable(why: str) -> OperationFailed:
    """The error for what is no answer of ParallelCluster."""
    return OperationFailed("this is no answer of ParallelCluster", why=why, next="fmctl pcluster status")


def broke(error: Told) -> bool:
    """Whether ParallelCluster or AWS broke, rather than refused."""
    code = error.get("code")
    return isinstance(code, int) and code >= 500


def is_gone(content: Content) -> bool:
    """Whether this says that there is no such cluster."""
    return _GONE.search(message(content)) is not None


def message(content: Content) -> str:
    """The message of an answer, one line."""
    return " ".join(str(content.get("message") or "").split())


def findings(content: Content) -> tuple[Finding, ...]:
    """The findings of a dry run, passed or not.

    Raises:
        PermissionDenied: nobody looked, because the credentials are missing or no longer hold.
        OperationFailed: nobody looked, because AWS did not answer.
    """
    found = validators(content)
    text = message(content)
    for words in (text, *(one.message for one in found if one.level == "ERROR")):
        if _NO_IDENTITY.search(words):
            raise failure("validate", {**content, "message": words})
    if DRY_RUN_PASSED in text:
        return found
    if any(one.level == "ERROR" for one in found):
        return found
    if not text or _NO_ANSWER.search(text) or _NO_RIGHT.search(text):
        raise failure("validate", content)
    return (*found, Finding("ERROR", "Request", text.removeprefix("Bad Request: ")))


def validators(content: Content) -> tuple[Finding, ...]:
    """What the validators said."""
    raw = [
        *rows(content.get("configurationValidationErrors")), *rows(content.get("validationMessages")),
    ]  # fmt: skip
    return tuple(Finding(str(one.get("level")), str(one.get("type")), str(one.get("message"))) for one in raw)


def failure(op: str, content: Content) -> FmctlError:
    """An answer that is no success, as the error to raise."""
    errors = [one for one in validators(content) if one.level == "ERROR"]
    refused = rows(content.get("updateValidationErrors"))
    why = message(content)
    if errors:
        why = f"{why} {errors[0].kind}: {errors[0].message}"
    elif refused:
        why = f"{why}: {refused[0].get('parameter')}: {refused[0].get('message')}"
    why = why[:_LONGEST] or "it said nothing"
    what = f"ParallelCluster did not {op.replace('_', ' ')}"
    if _NO_IDENTITY.search(why):
        return PermissionDenied(what, why=why, next="aws sts get-caller-identity, and sign in again")
    if _NO_RIGHT.search(why):
        return PermissionDenied(what, why=why, next="ask for that permission (fmctl policy operator PLAN has all)")
    for words, action in _NO_S3:
        if words.search(why):
            return PermissionDenied(
                what, why=f"not authorized to perform: {action}: {why}"[:_LONGEST],
                next="ask for that permission (fmctl policy operator PLAN has all)",
            )  # fmt: skip
    if _NO_CAPACITY.search(why):
        return CapacityUnavailable(what, why=why, next="another zone, or a reservation")
    return OperationFailed(what, why=why, next="fmctl pcluster status", cause=cause_of(why))


def cause_of(words: str) -> str:
    """BUSY where the words say that the same may work later, else nothing."""
    return BUSY if _BUSY.search(words) else ""
