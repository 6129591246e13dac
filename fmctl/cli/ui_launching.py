"""The session's way from a saved plan to a cluster: what `render`, `preflight` and `launch` run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, PermissionDenied, UsageError, shorten
from fmctl.cli.rendering import asked_for, plan_document, rendering_of, shared_store, site_for
from fmctl.report.view import Answer
from fmctl.tui.running import Confirm, Say
from fmctl.usecases.options import Aws, Wanted
from fmctl.usecases.services import Services

if TYPE_CHECKING:
    from fmctl.operate.checks import Check

_SWITCHES = ("static", "no_efa")


class Launching:
    """`fmctl.tui.running.Launching` over the services of the commands."""

    def __init__(
        self, services: Services, settings: Settings, options: Mapping[str, str | None], read_only: bool
    ) -> None:
        self._services, self._settings, self._read_only = services, settings, read_only
        self._aws = Aws(**{name: options.get(name) for name in ("profile", "region", "store")})

    def given(self, plan: str, wanted: Mapping[str, str]) -> Wanted:
        """The options as the commands take them."""
        texts: dict[str, Any] = {name: value for name, value in wanted.items() if value}
        return Wanted(**texts | {name: texts[name] == "true" for name in _SWITCHES if name in texts})

    def rendered(self, plan: str, wanted: Mapping[str, str]) -> Answer:
        """See `tui.running.Launching`."""
        from fmctl.report.renders import render_answer
        from fmctl.targets.parallelcluster.spec import spec

        given = self.given(plan, wanted)
        asked = asked_for(given, self._settings)
        document, notes = plan_document(plan, shared_store(self._settings, self._services))
        made = spec(document, site_for(given, self._settings), asked, Path(plan).stem)
        return render_answer(rendering_of(made, document, self._services), made, asked.rank, notes)

    def preflight(self, plan: str, wanted: Mapping[str, str], hear: Callable[[Answer], None]) -> Answer:
        """See `tui.running.Launching`."""
        return self._checked(plan, wanted, lambda answer, check: hear(answer))[0]

    def check_config(self, plan: str, wanted: Mapping[str, str], text: str) -> Sequence[tuple[str, str]]:
        """See `tui.running.Launching`."""
        import yaml

        try:
            parsed = yaml.safe_load(text)
        except yaml.YAMLError as error:
            return (("ERROR", "not YAML: " + shorten(" ".join(str(error).split()), 200)),)
        if not isinstance(parsed, Mapping):
            return (("ERROR", "a cluster's configuration is a mapping of sections"),)
        site = site_for(self.given(plan, wanted), self._settings)
        try:
            pcluster = self._services.operations.pcluster(self._settings, site.pcluster_version)
        except FmctlError as error:
            return (("INFO", f"it is YAML; ParallelCluster did not look: {error.what}; {error.next or ''}"),)
        try:
            found = pcluster.validate(plan, text, site.region)
        finally:
            pcluster.close()
        return tuple((one.level, f"{one.kind}: {one.message}") for one in found)

    def rehearse(self, plan: str, wanted: Mapping[str, str], say: Say) -> Answer:
        """See `tui.running.Launching`."""
        from fmctl.adapters.itself import answered
        from fmctl.report.rehearsals import rehearsal_read

        return rehearsal_read(answered(["launch", plan, *option_words(wanted), "--rehearse"], say))

    def launch(self, plan: str, wanted: Mapping[str, str], say: Say, confirm: Confirm) -> Answer:
        """See `tui.running.Launching`."""
        from fmctl.cli.operations import refuse_stale, specified, stop_on_fail
        from fmctl.operate import controller
        from fmctl.report.clusters import confirmation, launch_answer

        if self._read_only:
            raise PermissionDenied("nothing is spent or destroyed under read-only", next="without --read-only")
        spec, _, files, stale = specified(self._services, plan, self.given(plan, wanted), self._settings, self._aws)
        refuse_stale(plan, stale)
        ports = self._services.operations.ports(self._settings, self._aws.options(), spec.site, False)
        ports = replace(ports, say=say)
        steps, _ = controller.plan_launch(spec, files, ports)
        if any(step.name == "create" for step in steps):
            say("checks before a launch")
            tell = lambda answer, check: say(f"{check.state:8} {check.name}: {check.found}")  # noqa: E731
            stop_on_fail(self._checked(plan, wanted, tell)[1])

        def asked(steps: Any, money: Any) -> bool:
            return confirm(spec.name, f"launch of {spec.name}\n" + confirmation(spec.name, money, steps))

        return launch_answer(controller.launch(spec, files, ports, confirm=asked))

    def write(self, files: Mapping[str, str], folder: str) -> str:
        """See `tui.running.Launching`."""
        from fmctl.base.files import write_atomic

        if not folder.strip():
            raise UsageError("a folder is needed", why="its name is empty", next="./cluster")
        for name, text in files.items():
            write_atomic(Path(folder).expanduser() / name, text, parents=True)
        return f"wrote {', '.join(files)} to {folder}"

    def _checked(
        self, plan: str, wanted: Mapping[str, str], hear: Callable[[Answer, Check], None]
    ) -> tuple[Answer, tuple[Check, ...]]:
        from fmctl.cli.operations import checked, specified
        from fmctl.operate.preflight import worst
        from fmctl.report.clusters import preflight_answer

        spec, instance, files, _ = specified(self._services, plan, self.given(plan, wanted), self._settings, self._aws)
        found: tuple[Check, ...] = ()
        for check in checked(self._services, spec, instance, files, self._settings, self._aws):
            found = (*found, check)
            hear(preflight_answer(spec, found, worst(found)), check)
        return preflight_answer(spec, found, worst(found)), found


def option_words(wanted: Mapping[str, str]) -> list[str]:
    """Options by name as words of a command line."""
    words = []
    for name, value in wanted.items():
        option = "--" + {"capacity": "purchase"}.get(name, name).replace("_", "-")
        words += [option] * (value == "true") if name in _SWITCHES else [option, value] if value else []
    return words
