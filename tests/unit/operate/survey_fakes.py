"""A survey of an account that is a table: what a preflight finds there is what a test puts there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fmctl.domain.ports import Identity, Lustre, Reservation, Subnet
from fmctl.targets.parallelcluster.checks import ACTIONS

PRIVATE = Subnet("subnet-a", "vpc-1", "us-east-1a", "use1-az1", 4000, "nat", False)
HEAD = replace(PRIVATE, id="subnet-h", free_addresses=200)
WHO = Identity("123456789012", "arn:aws:iam::123456789012:user/x", "us-east-1")


@dataclass
class FakeSurvey:
    """An account as a table; what is set to an exception is raised."""

    who: Any = WHO
    zones: Any = ("us-east-1a", "us-east-1b")
    subnets: Mapping[str, Any] = field(default_factory=lambda: {"subnet-a": PRIVATE, "subnet-h": HEAD})
    limit: Any = 10_000.0
    used: int = 0
    reserved: Any = None
    lustre: Any = None
    ami: Any = "ami-1"
    key: Any = "ed25519"
    actions: Any = field(default_factory=lambda: dict.fromkeys(ACTIONS, True))

    @staticmethod
    def _say(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    def identity(self) -> Identity:
        return self._say(self.who)

    def offered_zones(self, instance: str) -> tuple[str, ...]:
        return self._say(self.zones)

    def subnet(self, subnet_id: str) -> Subnet | None:
        return self._say(self.subnets.get(subnet_id))

    def quota(self, code: str) -> float | None:
        return self._say(self.limit)

    def running_vcpus(self, families: Sequence[str], spot: bool) -> int:
        return self.used

    def reservation(self, reservation_id: str) -> Reservation | None:
        return self._say(self.reserved)

    def file_system(self, file_system_id: str) -> Lustre | None:
        return self._say(self.lustre)

    def official_image(self, name: str) -> str | None:
        return self._say(self.ami)

    def key_type(self, name: str) -> str | None:
        return self._say(self.key)

    def allowed(self, actions: Sequence[str]) -> Mapping[str, bool]:
        return self._say(self.actions)
