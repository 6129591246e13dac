"""`ui --demo`: the whole session on the local AWS, in folders of its own; no account, no credentials, nothing spent."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.base.config import Settings, resolve
from fmctl.base.errors import OperationFailed
from fmctl.domain.planrow import row_named
from fmctl.usecases.options import Asked, Search, Wanted
from fmctl.usecases.plans import plan_document
from fmctl.usecases.services import Services
from fmctl.usecases.session.items import Say
from fmctl.usecases.session.launching import Launching

if TYPE_CHECKING:
    from datetime import datetime

    from fmctl.adapters.lab.client import Lab
    from fmctl.adapters.lab.head import Simulated, SimulatedHead
    from fmctl.domain.cluster import Site
    from fmctl.domain.lab import LabState
    from fmctl.domain.ports import Head, Survey
    from fmctl.domain.rows.results import EstimateRow
    from fmctl.operate.state import StateStore
    from fmctl.operate.steps import Ports
    from fmctl.targets.target import Target

PLAN = "demo"
_MODEL = "llama-3.1-8b"
_OPTIONS = Asked(nodes="2", instances="p5.48xlarge", tokens="2B"), Search()
_SPEED = 60.0  # simulated seconds per second: a cluster is there in a quarter of a minute


class Demo:
    """The lab as the session's account.

    Attributes:
        services: those of the commands, with clusters in the lab.
        started: whether this session started the lab, and so ends it.
    """

    def __init__(self, services: Services, say: Say) -> None:
        """Find or start the lab, and point the environment at it. Raises OperationFailed where moto is missing."""
        from fmctl.adapters.lab.client import Lab

        found = services.lab.status()
        self.started = found is None
        if found is None:
            say("starting the local AWS for the demo")
            found = services.lab.start(0, _SPEED)
        self._enter(found)
        lab = Lab(str(found["endpoint"]))
        self.services = replace(services, operations=DemoOperations(services, lab, found["speed"]))

    def _enter(self, found: LabState) -> None:
        from fmctl.adapters.lab.installed import installed
        from fmctl.base.folders import state_folder

        for name, value in installed().items():  # what the user installed serves the demo too
            os.environ.setdefault(name, value)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        self.folder = state_folder("demo")
        os.environ.update(found["environment"])
        os.environ |= {"FMCTL_DATA": str(self.folder), "FMCTL_SITE": str(found["site"])}
        for name in ("FMCTL_STORE", "FMCTL_PROFILE", "FMCTL_REGION", "FMCTL_HEAD"):
            os.environ.pop(name, None)

    def prepare(self, settings: Settings) -> None:
        """A saved plan to launch, where there is none yet."""
        from fmctl.operate import store
        from fmctl.report.results import plan_document as document_of
        from fmctl.usecases.calibration import provenance
        from fmctl.usecases.requests import plan_request

        if PLAN in store.plan_names():
            return
        request = plan_request(_MODEL, *_OPTIONS, settings, self.services)
        found = self.services.planner.search(request)
        document = document_of(found, request, provenance(request, self.services))
        store.save(PLAN, document, self.services.now().isoformat(timespec="seconds"))

    def launching(self, settings: Settings, read_only: bool) -> Launching:
        """Launches into the lab: a site of its own for each instance type."""
        return DemoLaunching(self.services, settings, {}, read_only)

    def close(self) -> None:
        """End the lab, where it was started here; clusters in it are gone with it."""
        if self.started:
            for path in (self.folder / "clusters", self.folder / "journals", self.folder / "locks"):
                for file in path.glob("*") if path.is_dir() else ():
                    file.unlink(missing_ok=True)
            self.services.lab.stop()


class DemoLaunching(Launching):
    """Where the lab holds capacity of the plan's instance type, its cluster goes; the site field may stay as it is."""

    _one = threading.Lock()

    def given(self, plan: str, wanted: Mapping[str, str]) -> Wanted:
        """See `Launching.given`."""
        found = super().given(plan, wanted)
        if found.site is not None:
            return found
        document, _ = plan_document(plan)
        row = row_named(document, found.row)
        instance = self._services.catalogue.load_instance(str(row["instance"]))
        site, (purchase, reservation) = self._services.lab.site_for(instance)
        with self._one:  # two screens' calls at once would write one file
            path = _site_file(self._settings.text("site") or "", site, instance.name)
        return replace(found, site=path, capacity=found.capacity or purchase,
                       reservation=found.reservation or reservation)  # fmt: skip


def _site_file(general: str, site: Site, instance: str) -> str:
    """The lab's site file with the subnets of one instance type, beside it."""
    import yaml

    from fmctl.base.files import read_text, write_atomic
    from fmctl.base.parse import from_yaml
    from fmctl.base.read import part

    own = site.parallelcluster
    told = dict(part(from_yaml(read_text(general, what="site")))) | {
        "compute_subnet": own.compute_subnet,
        "head_subnet": own.head_subnet,
    }
    path = Path(general).with_name(f"site-{instance}.yaml")
    write_atomic(path, yaml.safe_dump(told))
    return str(path)


class DemoOperations:
    """`services.Operations` in the lab: its clock, and a head node that is simulated."""

    def __init__(self, services: Services, lab: Lab, speed: float) -> None:
        from fmctl.adapters.lab.clock_port import LabPace

        self._services, self._real = services, services.operations
        self._clock = LabPace(lab, speed)
        self._heads: dict[str, tuple[datetime, SimulatedHead]] = {}

    def ports(self, settings: Settings, options: Mapping[str, str | None], site: Site | None, read_only: bool) -> Ports:
        """See `Operations`."""
        return replace(self._real.ports(settings, options, site, read_only), clock=self._clock)

    def survey(self, settings: Settings, options: Mapping[str, str | None], site: Site) -> Survey:
        """See `Operations`."""
        return self._real.survey(settings, options, site)

    def target(self, settings: Settings, options: Mapping[str, str | None], site: Site) -> Target:
        """See `Operations`."""
        return self._real.target(settings, options, site)

    def store(self, settings: Settings, options: Mapping[str, str | None]) -> StateStore:
        """See `Operations`."""
        return self._real.store(settings, options)

    def head(self, settings: Settings, options: Mapping[str, str | None], how: str, cluster: str | None) -> Head:
        """See `Operations`; the job of the cluster's plan runs on it. Raises OperationFailed before it is there."""
        from fmctl.adapters.lab.head import SimulatedHead
        from fmctl.operate.records import read_record
        from fmctl.targets.target import Condition
        from fmctl.usecases.session.runs import plan_row

        ports = self.ports(settings, options, None, True)
        record = read_record(ports.store, cluster or "")
        state = ports.target.state(cluster or "")
        if record is None or state is None or state.condition != Condition.READY:
            raise OperationFailed("the head node does not answer", why=f"{cluster} is not up", next="wait a little")
        kept = self._heads.get(record.name)
        if kept is None or kept[0] != state.created:
            row = plan_row(plan_document(record.plan)[0], record)[1]
            self._heads[record.name] = kept = (
                state.created,
                SimulatedHead(_job(row), self._clock.now(), self._clock.now),
            )
        return kept[1]


def _job(row: EstimateRow) -> Simulated:
    from fmctl.adapters.lab.head import Simulated
    from fmctl.progress.compare import job_of

    job, step_s = job_of(row), float(row["time"]["step_s"])
    work = row["workload"]
    batch = round(work["tokens_per_step"] / work["seq_len"])
    tflops = (job.model_flop or 0.0) / step_s / max(row["gpus"], 1) / 1e12
    return Simulated(f"{row['model']}", row["nodes"], step_s, job.total_steps or 10**6, batch, tflops)


def entered(services: Services, say: Say) -> tuple[Demo, Settings]:
    """The demo, and the settings as they are in it."""
    demo = Demo(services, say)
    settings = resolve()
    demo.prepare(settings)
    return demo, settings
