"""What is to go wrong: resources that fail, capacity that is not there, API calls that are refused."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from fmctl.base.printing import printable

Phase = Literal["create", "delete"]
Kind = Literal["throttling", "error", "timeout", "expired", "denied"]
KINDS: tuple[Kind, ...] = ("throttling", "error", "timeout", "expired", "denied")
_PATTERNS = ("resource", "stack", "instance_type", "service", "action")
_NUMBERS = ("after", "call", "times", "seconds", "seen")
_LONGEST, _MOST = 500, 1_000_000


class BadRule(ValueError):
    """A rule that says nothing, or something impossible."""


def _check(name: str, value: object) -> None:
    """Hold a value of a rule to its kind: what it says is printed, compared and counted. Raises BadRule."""
    if name in _NUMBERS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= float(str(value)) <= _MOST or (name != "seconds" and not isinstance(value, int)):
            raise BadRule(f"{name} is a number from 0 to {_MOST:g}")
    elif not (name == "zone" and value is None) and not (isinstance(value, str) and len(value) <= _LONGEST):
        raise BadRule(f"{printable(name)[:60]} is a text of at most {_LONGEST} characters")
    elif isinstance(value, str) and not value.isprintable():
        raise BadRule(f"{printable(name)[:60]} has characters that nobody can read")


@dataclass(slots=True)
class ResourceFault:
    """The next creation (or deletion) of a stack fails at the resource whose logical id `resource` finds."""

    resource: str
    reason: str
    stack: str = ".*"
    phase: Phase = "create"


@dataclass(slots=True)
class IceRule:
    """No capacity for a type, in one zone or all, after `after` more instances have started."""

    instance_type: str
    zone: str | None = None
    after: int = 0


@dataclass(slots=True)
class ApiFault:
    """The calls `call` to `call + times - 1` (counted from now) of an API action are refused."""

    service: str = ".*"
    action: str = ".*"
    call: int = 1
    times: int = 1
    kind: Kind = "throttling"
    seconds: float = 70.0
    seen: int = 0

    def hits(self, service: str, action: str) -> bool:
        """Whether this call is one of those; counts it."""
        if not (re.fullmatch(self.service, service) and re.fullmatch(self.action, action)):
            return False
        self.seen += 1
        return self.call <= self.seen < self.call + self.times


@dataclass(slots=True)
class Faults:
    """All rules in force."""

    resources: list[ResourceFault] = field(default_factory=list)
    ice: list[IceRule] = field(default_factory=list)
    api: list[ApiFault] = field(default_factory=list)

    def add(self, kind: str, body: dict[str, Any]) -> None:
        """A rule as the control endpoint got it. Raises BadRule."""
        for name, value in body.items():
            _check(name, value)
        try:
            rule = {"fail": ResourceFault, "ice": IceRule, "fault": ApiFault}[kind](**body)
            for text in (body[name] for name in _PATTERNS if isinstance(body.get(name), str)):
                re.compile(text)
        except (TypeError, re.error, RecursionError) as error:
            raise BadRule(str(error)[:200]) from None
        if isinstance(rule, ResourceFault):
            self.resources.append(rule)
        elif isinstance(rule, IceRule):
            self.ice.append(rule)
        elif rule.kind not in KINDS:
            raise BadRule(f"kind is one of {', '.join(KINDS)}")
        else:
            self.api.append(rule)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.resources.clear()
        self.ice.clear()
        self.api.clear()

    def take(self, stack: str, phase: Phase) -> list[ResourceFault]:
        """The rules for this stack; each serves once."""
        taken = [rule for rule in self.resources if rule.phase == phase and re.fullmatch(rule.stack, stack)]
        self.resources = [rule for rule in self.resources if rule not in taken]
        return taken

    def refuses(self, instance_type: str, zone: str, count: int = 1) -> bool:
        """Whether `count` instances get no capacity; those that do are counted."""
        rules = [r for r in self.ice if re.fullmatch(r.instance_type, instance_type) and r.zone in (None, zone)]
        if any(rule.after < count for rule in rules):
            return True
        for rule in rules:
            rule.after -= count
        return False

    def hit(self, service: str, action: str) -> ApiFault | None:
        """The rule that refuses this call, if one does; every rule counts the call."""
        hits = [rule for rule in self.api if rule.hits(service, action)]
        return hits[0] if hits else None

    def as_document(self) -> dict[str, object]:
        """All rules as JSON."""
        return asdict(self)
