"""The lab's own endpoint, under /fm/: what it is doing, its clock, and what is to go wrong. JSON in, JSON out.

    GET  /fm/state
    POST /fm/advance {"seconds": 300}
    POST /fm/speed   {"speed": 60}
    POST /fm/fail    {"resource": "HeadNode$", "reason": "...", "stack": "name", "phase": "create|delete"}
    POST /fm/ice     {"instance_type": "p5.48xlarge", "zone": "us-east-1a", "after": 3}
    POST /fm/fault   {"service": "ec2", "action": "DescribeInstances", "call": 2, "times": 1,
                      "kind": "throttling|error|timeout|expired|denied", "seconds": 70}
    POST /fm/clear   {}
    POST /fm/operator {"policy": {...}}   a key that has these rights and no others

`stack`, `instance_type`, `service` and `action` are regular expressions for the whole, `resource` for a part. A POST
has to be declared as JSON, which a page in a browser cannot do without being asked first.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from fmctl.adapters.lab.access import become
from fmctl.adapters.lab.faults import BadRule
from fmctl.adapters.lab.world import World
from fmctl.base.errors import shorten
from fmctl.base.parse import from_json

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from fmctl.base.read import Fields

_LONGEST = 365 * 86400.0
_LONGEST_BODY = 64 * 1024  # a policy of an operator is the longest


def state(world: World) -> dict[str, object]:
    """What the lab is doing."""
    return {
        "pid": os.getpid(),
        "token": world.token,
        "now": world.clock.now().isoformat(),
        "speed": world.clock.speed,
        "seed": world.seed or {},
        "faults": world.faults.as_document(),
        "notes": world.notes,
        "calls": world.calls,
    }


def respond(world: World, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer one request to /fm/."""
    try:
        status, found = "200 OK", _done(world, environ)
    except (KeyError, TypeError, ValueError, OverflowError) as error:  # a BadRule is a ValueError
        status, found = "400 Bad Request", {"error": shorten(f"{type(error).__name__}: {error}", 300)}
    body = json.dumps(found, allow_nan=False).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _done(world: World, environ: WSGIEnvironment) -> dict[str, object]:
    what = environ["PATH_INFO"].removeprefix("/fm/")
    if what == "state":
        return state(world)
    if environ["REQUEST_METHOD"] != "POST" or environ.get("CONTENT_TYPE", "").partition(";")[0] != "application/json":
        raise BadRule("POST application/json")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not 0 <= length <= _LONGEST_BODY:
        raise BadRule(f"a rule has at most {_LONGEST_BODY} bytes")
    body = from_json(environ["wsgi.input"].read(length) or b"{}")
    if not isinstance(body, dict):
        raise BadRule("a JSON object")
    if what == "advance":
        world.advance(_number(body, "seconds", 0.0, _LONGEST))
    elif what == "speed":
        world.clock.speed = _number(body, "speed", 0.0, 1e6)
    elif what == "clear":
        world.faults.clear()
    elif what in ("fail", "ice", "fault"):
        world.faults.add(what, body)
    elif what == "operator":
        return dict(become(world, body["policy"]))
    else:
        raise BadRule(f"nothing is called {what}")
    return state(world)


def _number(body: Fields, name: str, low: float, high: float) -> float:
    found = float(str(body[name]))
    if not low <= found <= high:
        raise BadRule(f"{name} is between {low:g} and {high:g}")
    return found
