"""What the lab's process and those who start it agree on: files, names, fake keys. No moto here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, TypedDict, cast

from fmctl.base.parse import from_json
from fmctl.base.read import Fields, number, part

HOST = "127.0.0.1"
STATE, SITE, IMAGES, LOG = "state.json", "site.yaml", "images.json", "server.log"
MODULE = "fmctl.adapters.lab.server"
FAKE_KEY, FAKE_SECRET = "lab-not-a-real-key", "lab-not-a-real-secret"


class Held(TypedDict):
    """Capacity that the account holds of a type."""

    id: str
    zone: str
    count: int


class Seed(TypedDict):
    """What stands in the account from the start, by ids; subnets by zone, capacity by instance type."""

    region: str
    vpc: str
    public_subnet: str
    private_subnets: dict[str, str]
    key: str
    placement_group: str
    security_group: str
    file_system: str
    bucket: str
    munge_secret: str
    reservations: dict[str, Held]
    blocks: dict[str, Held]
    not_offered: list[str]


@dataclass(frozen=True, slots=True)
class Running:
    """A lab that was started."""

    pid: int
    port: int
    token: str  # its own, so that another process with its pid is not taken for it
    site: str
    speed: float
    seed: Seed

    @property
    def endpoint(self) -> str:
        """Its address; an IP, because S3 puts a bucket's name in front of a host's name."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a shell exports to talk to it."""
        region = self.seed["region"]
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": FAKE_KEY,
            "AWS_SECRET_ACCESS_KEY": FAKE_SECRET,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": HOST,
        }

    def as_text(self) -> str:
        """The state file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Running | None:
        """Out of the state file; None where it is not one."""
        try:
            raw = part(from_json(text))
            return cls(**cast("dict[str, Any]", raw)) if _typed(raw) else None
        except (KeyError, TypeError, ValueError):
            return None


def _typed(raw: Fields) -> bool:
    """Whether the fields of the state file are of their kinds."""
    texts_are = all(isinstance(raw.get(name), str) for name in ("token", "site"))
    numbers = all(0 < (number(raw.get(name)) or 0) < most for name, most in (("pid", 2**31), ("port", 2**16)))
    whole = all(isinstance(raw.get(name), int) for name in ("pid", "port"))
    speed, region = number(raw.get("speed")), part(raw.get("seed")).get("region")
    return texts_are and numbers and whole and speed is not None and 0 <= speed <= 1e6 and isinstance(region, str)


def site_text(seed: Seed, account: str) -> str:
    """A site file (domain.cluster.Site) for the lab: head and compute nodes in the first zone's private subnet."""
    import yaml

    zone = min(seed["private_subnets"])
    subnet = seed["private_subnets"][zone]
    site = {
        "region": seed["region"],
        "compute_subnet": subnet,
        "head_subnet": subnet,
        "account": account,
        "key_name": seed["key"],
        "bucket": seed["bucket"],
    }
    head = [f"# fmctl's lab, zone {zone}: a local, emulated AWS. Nothing here is a real account.", *_capacity(seed)]
    return "".join(f"{line}\n" for line in head) + str(yaml.safe_dump(site, sort_keys=False))


def _capacity(seed: Seed) -> list[str]:
    """What is reserved where, for whoever wants another zone or a reservation."""
    found = [(kind, "odcr", one) for kind, one in seed["reservations"].items()]
    found += [(kind, "capacity-block", one) for kind, one in seed["blocks"].items()]
    subnets = seed["private_subnets"]
    return [
        f"# {one['count']} x {kind}, {purchase} {one['id']}, compute_subnet {subnets[one['zone']]} ({one['zone']})"
        for kind, purchase, one in found
    ]
