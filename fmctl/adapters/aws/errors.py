"""What boto3 raises, as fmctl's errors: the AWS code in `why`, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fmctl.base.errors import (
    BUSY,
    CapacityUnavailable,
    FmctlError,
    OperationFailed,
    PermissionDenied,
    ServiceUnavailable,
    UsageError,
    shorten,
)

if TYPE_CHECKING:
    from botocore.exceptions import _ClientErrorResponseTypeDef

_SIGN_IN = "aws sso login, or fresh credentials (AWS_PROFILE, --profile); then the same command again"
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_UNKNOWN_CALLER = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "AuthFailure",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "OptInRequired",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403", "AuthorizationError"}
_BUSY = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "ProvisionedThroughputExceededException",
    "PriorRequestNotComplete",
    "SlowDown",
    "EC2ThrottledException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Unavailable",
    "RequestTimeout",
    "RequestTimeoutException",
}
_NO_CAPACITY = {
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientCapacityOnHost",
    "UnfulfillableCapacity",
    "ReservationCapacityExceeded",
}
_QUOTA = {
    "VcpuLimitExceeded",
    "InstanceLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "LimitExceeded",
    "LimitExceededException",
    "ServiceQuotaExceededException",
    "ResourceLimitExceeded",
}


# Services that say it in words, under a code of something else.
_BUSY_WORDS = re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded|Rate exceeded|timed out", re.IGNORECASE)
NOT_ASSUMABLE = "role-not-assumable"  # the cause where a new role is not known everywhere as yet


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Whatever boto3 raises inside becomes one of fmctl's errors. `what` was asked of AWS, as "its stacks".

    Raises:
        PermissionDenied: no, expired or unknown credentials; a missing right.
        CapacityUnavailable: no capacity, or a quota.
        ServiceUnavailable: throttled, a 5xx, no answer; whether it was done is not known.
        UsageError: no region.
        OperationFailed: everything else.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise of_code(error.response, what) from error
    except BotoCoreError as error:
        raise _of_library(error, what) from error
    except ResponseParserError as error:
        raise _unreadable(what) from error


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever trips over an answer inside, for a field that AWS always gives, is an error about `what`.

    Raises OperationFailed.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        raise _unreadable(what) from error


def _unreadable(what: str) -> OperationFailed:
    why = "the answer is not what AWS's API describes: a proxy, or an endpoint that does not know the call"
    return OperationFailed(f"cannot read what was answered about {what}", why=why, next="AWS_ENDPOINT_URL")


def code_of(error: object) -> str:
    """The AWS code of a ClientError; "" of anything else."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def of_code(response: _ClientErrorResponseTypeDef, what: str) -> FmctlError:
    """The error that an answer of AWS amounts to."""
    found = response.get("Error", {})
    code, message = str(found.get("Code", "")), str(found.get("Message", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    why = shorten(f"{code}: {message}", 400)
    if code in _EXPIRED or ("expired" in message.lower() and "token" in message.lower()):
        return PermissionDenied("the AWS credentials have expired", why=why, next=_SIGN_IN)
    if code in _UNKNOWN_CALLER:
        return PermissionDenied("AWS does not accept the credentials", why=why, next=_SIGN_IN)
    if code in _DENIED:
        return PermissionDenied(
            f"AWS refuses {what}", why=why, next="ask for the right named above (fmctl policy operator PLAN has all)"
        )
    if code in _NO_CAPACITY:
        return CapacityUnavailable(
            "AWS has no capacity now", why=why, next="another zone or region, or a Capacity Block"
        )
    if code in _QUOTA:
        return CapacityUnavailable("an account quota is too small", why=why, next="raise it in Service Quotas")
    if code in _BUSY or status >= 500 or status == 429:
        return ServiceUnavailable(f"AWS has no time for {what}", why=why, next="the same command again, a little later")
    cause = NOT_ASSUMABLE if code == "ValidationException" and "assume the role" in message else code
    cause = BUSY if _BUSY_WORDS.search(why) else cause
    return OperationFailed(f"AWS would not give {what}", why=why, next=None, cause=cause)


def _of_library(error: Exception, what: str) -> FmctlError:
    kind, why = type(error).__name__, shorten(str(error), 400)
    said = f"{kind}: {why}"
    if kind in ("NoCredentialsError", "PartialCredentialsError"):
        return PermissionDenied("there are no AWS credentials", why=said, next=_SIGN_IN)
    if kind in ("ProfileNotFound", "ConfigNotFound", "ConfigParseError"):
        return PermissionDenied("there is no such AWS profile", why=said, next="aws configure list-profiles")
    if kind == "NoRegionError":
        return UsageError("no AWS region is chosen", why=said, next="--region, or AWS_REGION")
    if "SSO" in kind or "Token" in kind or "Credential" in kind or kind == "LoginRefreshRequired":
        return PermissionDenied("the AWS sign-in has run out", why=said, next=_SIGN_IN)
    if (
        kind == "ResponseParserError"
        or "Connect" in kind
        or "Timeout" in kind
        or kind in ("HTTPClientError", "SSLError")
    ):
        return ServiceUnavailable(
            f"AWS did not answer when asked for {what}",
            why=said,
            next="check the network, proxy and AWS_ENDPOINT_URL; then the same command again",
        )
    cause = BUSY if _BUSY_WORDS.search(said) else ""
    return OperationFailed(f"asking AWS for {what} failed", why=said, next=None, cause=cause)
