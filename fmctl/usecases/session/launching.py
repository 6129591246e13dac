"""The session's way from a saved plan to a cluster: what `render`, `preflight` and `launch` run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fmctl.base.built import built
from fmctl.base.config import Settings
from fmctl.base.errors import FmctlError, UsageError, shorten
from fmctl.base.parse import NotParsed, from_yaml
from fmctl.report.view import Answer
from fmctl.usecases import launching, rendering
from fmctl.usecases.launching import Caller
from fmctl.usecases.options import Aws, Consent, Wanted
from fmctl.usecases.rendering import site_for
from fmctl.usecases.services import Services
from fmctl.usecases.session.items import Confirm, Say

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import LaunchDocument

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
        texts: dict[str, object] = {name: value for name, value in wanted.items() if value}
        return built(Wanted, texts | {name: texts[name] == "true" for name in _SWITCHES if name in texts})

    def rendered(self, plan: str, wanted: Mapping[str, str]) -> Answer:
        """See `tui.running.Launching`."""
        return rendering.render(plan, self.given(plan, wanted), self._settings, self._services).answer

    def preflight(self, plan: str, wanted: Mapping[str, str], hear: Callable[[Answer], None]) -> Answer:
        """See `tui.running.Launching`."""
        given = self.given(plan, wanted)
        heard = lambda answer, check: hear(answer)  # noqa: E731
        return launching.preflight(plan, given, self._aws, self._settings, self._services, heard)[0]

    def check_config(self, plan: str, wanted: Mapping[str, str], text: str) -> Sequence[tuple[str, str]]:
        """See `tui.running.Launching`."""
        try:
            parsed = from_yaml(text)
        except NotParsed as error:
            return (("ERROR", "not YAML: " + shorten(" ".join(str(error).split()), 200)),)
        if not isinstance(parsed, Mapping):
            return (("ERROR", "a cluster's configuration is a mapping of sections"),)
        site = site_for(self.given(plan, wanted), self._settings)
        target = self._services.operations.target(self._settings, self._aws.options(), site)
        try:
            target.ready()
        except FmctlError as error:
            unseen = f"{target.words.title} did not look: {error.what}; {error.next or ''}"
            return (("INFO", f"it is YAML; {unseen}"),)
        try:
            found = target.findings(plan, text, site.region)
        finally:
            target.close()
        return tuple((one.level, f"{one.kind}: {one.message}") for one in found)

    def rehearse(self, plan: str, wanted: Mapping[str, str], say: Say) -> Answer:
        """See `tui.running.Launching`."""
        from fmctl.adapters.itself import answered
        from fmctl.report.rehearsals import rehearsal_read

        return rehearsal_read(
            cast("LaunchDocument", answered(["launch", plan, *option_words(wanted), "--rehearse"], say))
        )

    def launch(self, plan: str, wanted: Mapping[str, str], say: Say, confirm: Confirm) -> Answer:
        """See `tui.running.Launching`."""
        consent = Consent(read_only=self._read_only)
        consent.refuse(self._settings)
        caller = Caller(
            lambda name, text: confirm(name, f"launch of {name}\n{text}"),
            say,
            lambda: say("checks before a launch"),
            lambda check: say(f"{check.state:8} {check.name}: {check.found}"),
        )
        given = self.given(plan, wanted)
        return launching.launch(plan, given, self._aws, consent, (self._services, self._settings), caller)

    def write(self, files: Mapping[str, str], folder: str) -> str:
        """See `tui.running.Launching`."""
        from fmctl.base.files import write_atomic

        if not folder.strip():
            raise UsageError("a folder is needed", why="its name is empty", next="./cluster")
        for name, text in files.items():
            write_atomic(Path(folder).expanduser() / name, text, parents=True)
        return f"wrote {', '.join(files)} to {folder}"


def option_words(wanted: Mapping[str, str]) -> list[str]:
    """Options by name as words of a command line."""
    words = []
    for name, value in wanted.items():
        option = "--" + {"capacity": "purchase"}.get(name, name).replace("_", "-")
        words += [option] * (value == "true") if name in _SWITCHES else [option, value] if value else []
    return words
