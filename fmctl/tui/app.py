"""The application: screens out of a table, one planner, keys and themes as the user wants them, errors as sentences."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import Monochrome, NoColor
from textual.worker import Worker, WorkerState

from fmctl.base.errors import FmctlError, UsageError
from fmctl.tui import session, themes
from fmctl.tui.core import Core
from fmctl.tui.palette import PaletteProvider
from fmctl.tui.tasks import Tasks
from fmctl.tui.view import View
from fmctl.tui.views import VIEWS, load
from fmctl.tui.words import clean
from fmctl.usecases.session.items import Trouble

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.command import Provider
    from textual.filter import LineFilter

FIRST_VIEW = "plan"
_NO_COLOR = NoColor()
_SETTLED_S = 2.0  # by then the first screen stands; commands run without looking for cycles, and so does its start


class FmctlApp(App[None]):
    """`fmctl ui`."""

    TITLE = "fmctl"
    CSS_PATH = "fmctl.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {PaletteProvider}
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "quit", id="app.quit", show=False, priority=True),
        # First of all: a key that follows at once, as out of a paste or a macro, belongs to the next field already.
        Binding("tab", "app.focus_next", "next field", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", "field before", show=False, priority=True),
        Binding("ctrl+c", "quit_hint", "", id="app.interrupt", show=False, system=True),
        *(
            Binding(spec.key, f"open('{spec.name}')", spec.name, id=f"open.{spec.name}", show=False)
            for spec in VIEWS.values()
            if spec.key
        ),
    ]

    def __init__(self, core: Core, opened: str = "", *, ascii_only: bool = False, theme: str = "") -> None:
        """`opened` is `plan:NAME`, `cluster:NAME` or `model:NAME`; `theme` "" is the kept one."""
        super().__init__()
        self.core = core
        self.opened, self.ascii_only = opened, ascii_only
        self.trouble: Trouble | None = None
        self.tasks = Tasks(self)
        self.kept, self._word = session.restore(core.demo)
        self._filter: LineFilter | None = None
        for own in themes.OWN:
            self.register_theme(own)
        self.theme = self._theme(theme)
        if core.settings.switch("ui_animation") is False:
            self.animation_level = "none"
        self.set_keymap(self._keys())
        if ascii_only:
            self._use_ascii()
        if self.no_color:
            self.add_class("-plain")

    def on_mount(self) -> None:
        """Open what was asked for, else what the last session showed."""
        self.push_screen(self._made(FIRST_VIEW, "", None))
        self.set_timer(_SETTLED_S, self._tidy)
        if self._word:
            self.say(self._word)
        wanted = self.opened.replace(":", " ", 1) if self.opened else str(self.kept.get("view") or "")
        if wanted and wanted != FIRST_VIEW:
            self.call_after_refresh(self.open_named, wanted, quiet=not self.opened)

    def _tidy(self) -> None:
        """Look for cycles from now on, but not among what was there at the start: it takes too long."""
        gc.freeze()
        gc.enable()

    # Going from screen to screen.

    def open_named(self, wanted: str, quiet: bool = False) -> None:
        """Open `VIEW [SUBJECT]`; what cannot be opened is a sentence, or nothing where nobody asked for it now."""
        name, _, subject = wanted.strip().partition(" ")
        try:
            self.open(name, subject.strip())
        except FmctlError as error:
            if not quiet:
                self.say(Trouble.of(error).sentence(), error=True)

    def open(self, name: str, subject: str = "", given: object = None) -> None:
        """Show a screen; one that is open already comes to the front. Raises UnknownName, UsageError."""
        spec = VIEWS.get(name)
        view = load(name)
        if spec is not None and subject and not spec.subject:
            raise UsageError(f"{name} takes no name after it", next=f":{name}")
        for depth, screen in enumerate(reversed(self.screen_stack)):
            same = isinstance(screen, View) and type(screen) is view and given is None
            if same and subject in ("", getattr(screen, "subject", "")):
                for _ in range(depth):
                    self.pop_screen()
                return
        self.push_screen(self._made(name, subject, given))

    def action_open(self, name: str) -> None:
        """The key of a screen."""
        self.open_named(name)

    def plan_model(self, name: str) -> None:
        """Plan a model: the plan screen with that name in its form."""
        self.open(FIRST_VIEW)
        self.call_after_refresh(lambda: self.screen.query_one("Form").fill({"model": name}))  # type: ignore[attr-defined]

    def launch_plan(self, name: str) -> None:
        """Launch a saved plan, on the screen for it."""
        self.open_named(f"launch {name}")

    def go_back(self) -> None:
        """One screen back; the first one stays."""
        if len(self.screen_stack) > 2:  # the application's own empty screen lies below the first
            self.pop_screen()

    def places(self) -> Sequence[tuple[str, str]]:
        """Where `:` can go, with what is there: screens, then models and saved plans by name."""
        found = [(spec.name, spec.about) for spec in VIEWS.values() if not spec.subject or spec.key]
        found += [(f"explain {name}", "a saved plan") for name in self.core.saved_plans()]
        found += [(f"model {name}", "an architecture") for name in self.core.catalogue.model_names()]
        return found

    def _made(self, name: str, subject: str, given: object) -> View:
        view = load(name)(subject, given)
        kept = self.kept.get("views")
        if isinstance(kept, dict) and isinstance(kept.get(name), dict):
            view.recall(kept[name])
        return view

    # Words.

    def say(self, text: str, *, error: bool = False) -> None:
        """A short note at the edge of the screen, gone after a while."""
        self.notify(clean(text), severity="error" if error else "information", markup=False, timeout=6)

    def action_quit_hint(self) -> None:
        """Ctrl-C ends nothing by accident."""
        self.say("q or ctrl+q leaves; the session is kept")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Whatever goes wrong in the background is a sentence, and is written down."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            error = event.worker.error
            if not isinstance(error, FmctlError):
                session.log_error(told_in_full(error))
            self.say(Trouble.of(error).sentence(), error=True)

    def _handle_exception(self, error: Exception) -> None:
        """The last resort: no traceback on the terminal; the session ends with a sentence, and the log has the rest."""
        where = session.log_error(told_in_full(error))
        told = Trouble.of(error)
        self.trouble = Trouble(told.what, told.why, f"see {where}" if where else "report it", told.code)
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    # Looks and keys.

    def _theme(self, asked: str) -> str:
        if self.no_color and not asked:  # holds for this session alone: the kept theme stays what it was
            return themes.ANSI
        wanted = asked or self.core.settings.text("ui_theme") or str(self.kept.get("theme") or "")
        if wanted and wanted not in self.available_themes and (asked or self.core.settings.text("ui_theme")):
            from fmctl.base.errors import UnknownName

            raise UnknownName("theme", wanted, self.available_themes, next="fmctl ui --theme fmctl")
        return wanted if wanted in self.available_themes else themes.DARK.name

    def _keys(self) -> dict[str, str]:
        """The keymap out of `action=key` entries. Raises UsageError."""
        found = {}
        for entry in self.core.settings.texts("ui_keys"):
            action, equals, key = entry.partition("=")
            if not equals or not action.strip() or not key.strip():
                raise UsageError(
                    f"ui_keys '{entry}' is not action=key",
                    why="such as view.copy=ctrl+y",
                    next="fmctl config get ui_keys",
                )
            found[action.strip()] = key.strip()
        return found

    def _use_ascii(self) -> None:
        from fmctl.tui.ascii import AsciiFilter

        self._filter = AsciiFilter()
        self.add_class("-ascii")

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, and ASCII last of all. Under NO_COLOR the terminal's own colours, whatever the theme.

        Textual chooses how to drop colours before the theme is set, and its shades of grey make black of defaults.
        """
        found = super().get_line_filters()
        if self.no_color:
            found = [*(one for one in found if not isinstance(one, Monochrome)), _NO_COLOR]
        return [*found, self._filter] if self._filter is not None else found

    # The end.

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave, and keep the session while its screens still stand."""
        session.keep(self.state(), self.core.demo)
        super().exit(result, return_code, message)

    def state(self) -> dict[str, object]:
        """What the next session starts from."""
        stack = [screen for screen in self.screen_stack if isinstance(screen, View)]
        kept = self.kept.get("views")
        views = dict(kept) if isinstance(kept, dict) else {}
        views |= {screen.NAME: screen.remembered() for screen in stack if screen.remembered()}
        last = stack[-1] if stack else None
        shown = f"{last.NAME} {last.subject}".strip() if last is not None and last.given is None else FIRST_VIEW
        forced = self.no_color and self.theme == themes.ANSI
        return {"view": shown, "theme": self.kept.get("theme", "") if forced else self.theme, "views": views}

    def palette_entries(self) -> Iterable[tuple[str, str, Callable[[], object]]]:
        """What the palette offers everywhere: `area: verb`."""
        for spec in VIEWS.values():
            if spec.key or not spec.subject:
                yield f"view: {spec.name}", spec.about, partial(self.open_named, spec.name)
        for name in sorted(self.available_themes):
            yield f"theme: {name}", "colours", partial(setattr, self, "theme", name)
        yield "session: quit", "leave; form and view are kept", self.exit


def told_in_full(error: BaseException) -> str:
    """The traceback, for the log alone."""
    import traceback

    return "".join(traceback.format_exception(error))
