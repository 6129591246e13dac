"""The local AWS as the use cases reach it: `services.LabControl` over the process of the lab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from fmctl.adapters.lab import process
from fmctl.base.errors import OperationFailed
from fmctl.domain.purchase import BLOCK, ON_DEMAND

if TYPE_CHECKING:
    from fmctl.adapters.lab.settings import Running
    from fmctl.base.config import Settings
    from fmctl.domain.cluster import Site
    from fmctl.domain.hardware import Instance
    from fmctl.domain.lab import LabState
    from fmctl.operate.steps import Ports


def start(port: int, speed: float) -> LabState:
    """See `LabControl`."""
    return _state(process.start(port, speed))


def stop() -> LabState | None:
    """See `LabControl`."""
    found = process.stop()
    return None if found is None else _state(found)


def status() -> LabState | None:
    """See `LabControl`."""
    found = process.running()
    return None if found is None else _state(found)


def _state(found: Running) -> LabState:
    return cast("LabState", process.described(found))


def site_for(instance: Instance) -> tuple[Site, tuple[str, str | None]]:
    """See `LabControl`."""
    from fmctl.domain.cluster import site_with
    from fmctl.targets.sites import read_site

    found = _running()
    kind, site = instance.member_type or instance.name, read_site(found.site)
    block, reserved = found.seed["blocks"].get(kind), found.seed["reservations"].get(kind)
    held = reserved or block
    if held is None:
        return site, (ON_DEMAND.name, None)
    subnet = found.seed["private_subnets"][held["zone"]]
    site = site_with(site, compute_subnet=subnet, head_subnet=subnet)
    return site, ((ON_DEMAND.name, None) if reserved else (BLOCK.name, held["id"]))


def operator(policy: Mapping[str, object]) -> dict[str, str]:
    """See `LabControl`."""
    from fmctl.adapters.lab.client import Lab

    key, secret = Lab(_running().endpoint).operator(policy)
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


@contextmanager
def ports(site: Site, settings: Settings) -> Iterator[Ports]:
    """See `LabControl`."""
    import tempfile
    from pathlib import Path

    from fmctl.adapters.aws.session import Session
    from fmctl.adapters.lab.client import Lab
    from fmctl.adapters.lab.clock_port import LabClock
    from fmctl.operate.state.files import FileStore
    from fmctl.operate.steps import Ports
    from fmctl.targets.registry import kind

    lab = Lab(_running().endpoint)
    clock = LabClock(lab)
    # Beside the lab, which clears up after one that was killed when it starts again.
    with tempfile.TemporaryDirectory(prefix=process.REHEARSAL, dir=process.lab_folder()) as folder:
        target = kind(site.target).connect(Session(), settings, site, clock.sleep)
        try:
            yield Ports(target=target, clock=clock, store=FileStore(Path(folder)))
        finally:
            target.close()


def _running() -> Running:
    found = process.running()
    if found is None:
        raise OperationFailed("no lab runs", next="fmctl lab start")
    return found
