"""Talk to a running lab: its state, its clock, what is to go wrong."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

from fmctl.base.errors import OperationFailed
from fmctl.base.parse import from_json

_SECONDS = 60.0
_MOST_BYTES = 16 * 2**20
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy


class Lab:
    """A lab by its address, such as http://127.0.0.1:5005."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def state(self, timeout_s: float = _SECONDS) -> dict[str, object]:
        """What it is doing. Raises OperationFailed where nobody answers."""
        return self._ask("state", None, timeout_s)

    def advance(self, seconds: float) -> None:
        """Turn its clock forward."""
        self._ask("advance", {"seconds": seconds})

    def speed(self, factor: float) -> None:
        """Simulated seconds per second from now on."""
        self._ask("speed", {"speed": factor})

    def fail(self, resource: str, reason: str, *, stack: str = ".*", phase: str = "create") -> None:
        """The next creation or deletion of the stack fails at that resource."""
        self._ask("fail", {"resource": resource, "reason": reason, "stack": stack, "phase": phase})

    def ice(self, instance_type: str, *, zone: str | None = None, after: int = 0) -> None:
        """No capacity for that type."""
        self._ask("ice", {"instance_type": instance_type, "zone": zone, "after": after})

    def fault(self, kind: str, *, service: str = ".*", action: str = ".*", call: int = 1, times: int = 1) -> None:
        """API calls are refused."""
        self._ask("fault", {"kind": kind, "service": service, "action": action, "call": call, "times": times})

    def operator(self, policy: Mapping[str, object]) -> tuple[str, str]:
        """A key and its secret that have the rights of the policy, as far as moto holds them, and no others."""
        made = self._ask("operator", {"policy": policy})
        return str(made["key"]), str(made["secret"])

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._ask("clear", {})

    def _ask(self, what: str, body: Mapping[str, object] | None, timeout_s: float = _SECONDS) -> dict[str, object]:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.endpoint}/fm/{what}", data, {"Content-Type": "application/json"})
        try:
            with _OPENER.open(asked, timeout=timeout_s) as answer:
                found = from_json(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            why = error.read(_MOST_BYTES).decode("utf-8", "replace")[:300]
            raise OperationFailed(f"the lab refused {what}", why=why, next="fmctl lab status") from None
        except (OSError, HTTPException, ValueError) as error:
            why = str(getattr(error, "reason", error))
            raise OperationFailed("the lab does not answer", why=why, next="fmctl lab start") from None
        if not isinstance(found, dict):
            raise OperationFailed("the lab does not answer", why="what answers is no lab", next="fmctl lab start")
        return found
