"""`launch --rehearse`: the whole launch against a local AWS, its resources and cost shown, then torn down again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError
from fmctl.domain.planrow import row_named
from fmctl.usecases.options import Wanted
from fmctl.usecases.plans import plan_document, shared_store
from fmctl.usecases.policies import granted
from fmctl.usecases.rendering import arch_of, asked_for
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from datetime import datetime

    from fmctl.domain.lab import LabState
    from fmctl.domain.planrow import PlanOrEstimate
    from fmctl.operate.steps import Ports
    from fmctl.report.view import Answer

Say = Callable[[str], None]
CANNOT_PROVE = (
    "that AWS has the capacity, or the account the quota and the rights",
    "that the AMI boots, drivers load and NCCL talks over EFA",
    "how fast file systems and networks really are",
)


def rehearse(services: Services, plan_name: str, wanted: Wanted, settings: Settings, say: Say) -> Answer:
    """Start a lab where none runs, launch PLAN in it with the real target, look, tear down, stop the lab."""
    from fmctl.domain.policy import document as document_of
    from fmctl.frameworks.choice import teller
    from fmctl.operate import launch as launches
    from fmctl.operate.actions import condition
    from fmctl.operate.teardown import teardown
    from fmctl.report.rehearsals import Rehearsal, rehearsal_answer
    from fmctl.targets.registry import kind
    from fmctl.targets.spec import spec

    document, notes = plan_document(plan_name, shared_store(settings, services))
    name = plan_name.rpartition("/")[2].removesuffix(".json")
    with _lab(services, say) as lab:
        instance = services.catalogue.load_instance(_instance(document, wanted))
        site, capacity = services.lab.site_for(instance)
        asked = replace(asked_for(wanted, settings), purchase=capacity[0], reservation=capacity[1])
        made = spec(document, site, asked, name)
        files = kind(site.target).render(made, instance, teller(arch_of(made, services), made.recipe))
        # With the rights that `fmctl policy operator` prints, and no others, as far as moto holds them.
        rights = services.lab.operator(document_of(granted("operator", made).statements))
        with _environment(lab["environment"] | rights), services.lab.ports(site, settings) as its:
            ports = replace(its, clock=_Telling(its, made.name, say), say=say)
            say(f"rehearsing {made.name} in {lab['endpoint']}; nothing of it is a real account")
            resources = ports.target.resources(made.name, files.config, site.region)
            began = ports.clock.now()
            launched = launches.launch(made, files, ports, confirm=lambda steps, money: True)
            events = ports.target.parts(made.name)
            took = (ports.clock.now() - began).total_seconds()
            status = condition(ports.target.state(made.name))
            torn = teardown(made.name, ports, confirm=lambda steps, actual: True)
    kinds = Counter(resource.type for resource in resources)
    seen = Rehearsal(made, files.digest, kinds, launched, status, len(events), took, torn)
    return rehearsal_answer(seen, CANNOT_PROVE, notes)


class _Telling:
    """The lab's clock, which says what happened to the stack while somebody waited."""

    def __init__(self, ports: Ports, cluster: str, say: Say) -> None:
        self._clock, self._target, self._cluster, self._say = ports.clock, ports.target, cluster, say
        self._last: str | None = None

    def now(self) -> datetime:
        """See `domain.ports.Clock`."""
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """See `domain.ports.Clock`."""
        self._clock.sleep(seconds)
        with suppress(FmctlError):  # the stack is gone in the end
            for event in self._target.parts(self._cluster, self._last):
                self._last = event.id
                self._say(f"{event.at:%H:%M:%S} {event.name} {event.status}")


def _instance(document: PlanOrEstimate, wanted: Wanted) -> str:
    return str(row_named(document, wanted.row)["instance"])


@contextmanager
def _lab(services: Services, say: Say) -> Iterator[LabState]:
    """A lab that runs: the user's own, left as it is, or one for this rehearsal, stopped after it."""
    found = services.lab.status()
    if found is not None:
        yield found
        return
    say("starting a local AWS")
    found = services.lab.start(0, 1.0)
    try:
        yield found
    finally:
        services.lab.stop()


@contextmanager
def _environment(given: dict[str, str]) -> Iterator[None]:
    """The process's AWS variables are the lab's for a while; no real credential is within reach."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in kept:
        del os.environ[name]
    os.environ.update(given)
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(kept)
