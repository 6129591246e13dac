"""One HTTP request as an API call: which service and action it is, and how that service says no."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Refusal = tuple[str, list[tuple[str, str]], bytes]
_MESSAGES = {
    "throttling": "Rate exceeded",
    "error": "An internal error has occurred",
    "expired": "The security token included in the request is expired",
    "denied": "User: arn:aws:iam::123456789012:user/lab is not authorized to perform this action",
}
_TEXT = [("Content-Type", "text/plain")]
NOT_HERE: Refusal = ("403 Forbidden", _TEXT, b"ask 127.0.0.1 or localhost, and not from a page\n")
NO_BODY: Refusal = ("400 Bad Request", _TEXT, b"the body is not as long as it says, or too long\n")
# Status and code by kind of refusal and protocol.
_CODES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "throttling": {
        "ec2": ("503 Service Unavailable", "RequestLimitExceeded"),
        "query": ("400 Bad Request", "Throttling"),
        "s3": ("503 Slow Down", "SlowDown"),
        "json": ("400 Bad Request", "ThrottlingException"),
    },
    "error": {
        "ec2": ("500 Internal Server Error", "InternalError"),
        "query": ("500 Internal Server Error", "InternalFailure"),
        "s3": ("500 Internal Server Error", "InternalError"),
        "json": ("500 Internal Server Error", "InternalServerError"),
    },
    "expired": {
        "ec2": ("400 Bad Request", "RequestExpired"),
        "query": ("403 Forbidden", "ExpiredToken"),
        "s3": ("400 Bad Request", "ExpiredToken"),
        "json": ("400 Bad Request", "ExpiredTokenException"),
    },
    "denied": {
        "ec2": ("403 Forbidden", "UnauthorizedOperation"),
        "query": ("403 Forbidden", "AccessDenied"),
        "s3": ("403 Forbidden", "AccessDenied"),
        "json": ("400 Bad Request", "AccessDeniedException"),
    },
}


def called(environ: WSGIEnvironment) -> tuple[str, str]:
    """Service and action of a signed request; `METHOD /path` where a REST service has no action's name in it."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope[1] if scope else ""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return service, target.rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(_body(environ).decode("utf-8", "replace")).get("Action", [""])[0]
        if action:
            return service, action
    return service, f"{environ.get('REQUEST_METHOD', 'GET')} {environ.get('PATH_INFO', '/')}"


def refusal(kind: str, service: str, action: str, environ: WSGIEnvironment) -> Refusal:
    """Status line, headers and body with which the service would refuse."""
    protocol = _protocol(service, action, environ)
    status, code = _CODES[kind][protocol]
    message = _MESSAGES[kind]
    if protocol == "json":
        body = json.dumps({"__type": code, "message": message, "Message": message})
        return status, [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", code)], body.encode()
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    body = {
        "ec2": f"<Response><Errors><Error>{error}</Error></Errors><RequestID>lab</RequestID></Response>",
        "query": f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>lab</RequestId></ErrorResponse>",
        "s3": f"<Error>{error}<RequestId>lab</RequestId></Error>",
    }[protocol]
    return status, [("Content-Type", "text/xml")], body.encode()


def answer(refused: Refusal, start_response: StartResponse) -> list[bytes]:
    """Send it."""
    status, headers, body = refused
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]


def _protocol(service: str, action: str, environ: WSGIEnvironment) -> str:
    if service in ("ec2", "s3"):
        return service
    rest = " " in action or environ.get("HTTP_X_AMZ_TARGET")
    return "json" if rest else "query"


def read_body(environ: WSGIEnvironment, most: int) -> bool:
    """Read a body whose length is said, and put it back; whether it was as long as that, and not too long."""
    said = environ.get("CONTENT_LENGTH") or "0"
    if not said.isdecimal() or int(said) > most:
        return False
    if environ.get("wsgi.input_terminated"):  # in chunks: read by whoever wants it
        return True
    body: bytes = environ["wsgi.input"].read(int(said))
    environ["wsgi.input"] = io.BytesIO(body)
    return len(body) == int(said)


def _body(environ: WSGIEnvironment) -> bytes:
    """The body, put back for whoever reads it next."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
