"""What every screen is: a title, a body, the command that prints the same answer, and the keys that work everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Static

from fmctl.base.errors import FmctlError, UsageError
from fmctl.report.view import Answer
from fmctl.tui.core import Core
from fmctl.tui.keys import Keys
from fmctl.tui.words import clean, cut
from fmctl.usecases.session.items import Question, Reply, Trouble

if TYPE_CHECKING:
    from fmctl.tui.room import Room

LEAST_WIDTH, LEAST_HEIGHT = 60, 15
_TOLD = 60  # cells of a copied command in the note about it: two lines; the command line shows the rest
WIDE = 100
"""Columns from which a detail panel appears."""
_WIDTHS = ((0, "-narrow"), (WIDE, "-wide"), (150, "-broad"))
_HEIGHTS = ((0, "-low"), (20, "-short"), (32, "-tall"))

T = TypeVar("T")
Entry = tuple[str, str, Callable[[], object]]


class Answered(Message):
    """A reply of the planner has arrived on this screen's thread."""

    def __init__(self, reply: Reply, channel: str) -> None:
        super().__init__()
        self.reply, self.channel = reply, channel


class View(Screen[None]):
    """One screen of the session. Derived screens yield `body()`, and set `answer`, `command` and `title_text`."""

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = list(_WIDTHS)  # noqa: RUF012 - as Textual declares them
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = list(_HEIGHTS)  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", id="view.help", key_display="?"),
        Binding("colon", "jump", "jump", id="view.jump", key_display=":"),
        Binding("y", "copy_command", "copy command", id="view.copy", show=False),
        Binding("x", "export", "export", id="view.export", show=False),
        Binding("r", "again", "refresh", id="view.refresh", show=False),
        Binding("L", "launch", "launch", id="view.launch", show=False),
        Binding("D", "teardown", "tear down", id="view.teardown", show=False),
        Binding("escape", "back", "back", id="view.back", show=False),
        Binding("q", "quit_session", "quit", id="view.quit"),
    ]
    command: reactive[str] = reactive("")
    title_text: reactive[str] = reactive("")
    state: reactive[str] = reactive("")

    def __init__(self, subject: str = "", given: object = None) -> None:
        """`subject` is what was named after the view; `given` what another screen hands over in place of it."""
        super().__init__()
        self._ready = self._troubled = False
        self.subject, self.given = subject, given
        self.answer: Answer | None = None
        self.awaited: dict[str, int] = {}

    @property
    def session(self) -> Room:
        """The application, as the screens know it."""
        found: Room = self.app  # type: ignore[assignment]
        return found

    @property
    def core(self) -> Core:
        """What the session was given."""
        return self.session.core

    def compose(self) -> ComposeResult:
        """Title, body, command, keys; and the sentence for a screen that is too small."""
        yield Static("", id="title", markup=False)
        with Container(id="body"):
            yield from self.body()
        yield Static("", id="trouble", markup=False)
        yield CommandLine(id="command")
        yield Keys(show_command_palette=False, compact=True)
        yield Static(
            f"fmctl needs a terminal of at least {LEAST_WIDTH} columns and {LEAST_HEIGHT} lines; make it larger, or q",
            id="too-small",
        )

    def body(self) -> ComposeResult:
        """What stands between the title and the command."""
        yield from ()

    def entries(self) -> Iterable[Entry]:
        """What the palette offers on this screen: (`area: verb`, what it does, callback)."""
        return ()

    def remembered(self) -> dict[str, object]:
        """What of this screen is kept for the next session."""
        return {}

    def recall(self, kept: dict[str, object]) -> None:
        """Take up what an earlier session kept; unusable parts are ignored."""

    # The parts around the body.

    def watch_command(self, command: str) -> None:
        """Show the command that prints the same answer."""
        if self._ready:
            self.query_one("#command", CommandLine).show(command, "demo " if self.core.demo else "")

    def watch_title_text(self) -> None:
        """Show what this screen is about."""
        self._show_title()

    def watch_state(self) -> None:
        """Show how far the answer is."""
        self._show_title()

    def _show_title(self) -> None:
        if not self._ready:
            return
        marks = [word for word, on in (("demo", self.core.demo), ("read-only", self.core.read_only)) if on]
        name = Content.styled(f" {self.NAME} ", "bold $text-primary")
        parts = [name, Content(clean(self.title_text))]
        parts += [Content.styled(f" [{mark}]", "bold $text-warning") for mark in marks]
        state = Content.styled(f"   {clean(self.state)}", "$foreground 60%") if self.state else Content("")
        self.query_one("#title", Static).update(Content.assemble(*parts, state), layout=False)

    def on_mount(self) -> None:
        """Show what was set before there was anything to show it in."""
        self._ready = True
        self.watch_command(self.command)
        self._show_title()

    def on_resize(self, event: events.Resize) -> None:
        """Below the least size there is one sentence."""
        tiny = event.size.width < LEAST_WIDTH or event.size.height < LEAST_HEIGHT
        self.set_class(tiny, "-tiny")
        self.query_one("#trouble").display = self._troubled and not tiny

    def show_trouble(self, trouble: Trouble | None) -> None:
        """A sentence with the next step, where something went wrong; None takes it away."""
        shown = self.query_one("#trouble", Static)
        shown.update("" if trouble is None else Content.assemble(
            (clean(trouble.what), "bold $text-error"),
            (f"\n  next: {clean(trouble.next)}" if trouble.next else "", "$text-accent"),
            (f"\n  why: {clean(trouble.why)}" if trouble.why else "", "$foreground"),  # last: it may be long
        ))  # fmt: skip
        self._troubled = trouble is not None
        shown.display = self._troubled and not self.has_class("-tiny")

    def ask(self, question: Question) -> None:
        """Ask the planner; replies arrive as `Answered`, those of older questions do not."""
        channel = question.channel

        def heard(reply: Reply) -> None:  # called by a listener thread: to post is all that is safe there
            self.post_message(Answered(reply, channel))

        self.awaited[channel] = self.core.planning.ask(question, heard)

    def awaits(self, message: Answered) -> bool:
        """Whether the reply belongs to the newest question of its channel."""
        return self.awaited.get(message.channel) == message.reply.number

    # Keys that work everywhere.

    def action_help(self) -> None:
        """Keys and a word for the focused widget."""
        from fmctl.tui.help import HelpScreen

        self.app.push_screen(HelpScreen(self, self.NAME, self.HELP))

    def action_jump(self) -> None:
        """Go to another screen by name."""
        from fmctl.tui.jump import JumpScreen

        def go(wanted: str | None) -> None:
            if wanted:
                self.session.open_named(wanted)

        self.app.push_screen(JumpScreen(self.session.places()), go)

    def action_copy_command(self) -> None:
        """Copy the command that prints the same answer."""
        if self.command:
            remark = "  # as shown in the demo, whose plans and clusters are there alone" if self.core.demo else ""
            self.app.copy_to_clipboard(self.command + remark)
            self.session.say(f"copied: {cut(self.command, _TOLD)}")

    def action_export(self) -> None:
        """Write this view to a file."""
        from fmctl.tui.export import ExportScreen

        self.app.push_screen(ExportScreen(self, self.NAME, self.answer, self.exports(), self.session.say))

    def action_again(self) -> None:
        """Ask the same again."""

    def action_launch(self) -> None:
        """Launch what is shown, where this screen shows something that can be."""
        self.session.say("nothing here can be launched; mark or save a plan first (1 opens the plan screen)")

    def action_teardown(self) -> None:
        """Tear down what is shown, where this screen shows a cluster."""
        self.session.say("nothing here can be torn down; :clusters lists what runs")

    def action_back(self) -> None:
        """One screen back; the first one stays."""
        self.session.go_back()

    def action_quit_session(self) -> None:
        """Leave; the session is kept. While something is under way that is said first, and a second time leaves."""
        going = [f"{task.kind} of {task.about}" for task in self.session.tasks.active()]
        if going and not self.session.tasks.warned:
            self.session.tasks.warned = True
            self.session.say(f"{', '.join(going)} under way: q again leaves; what AWS was asked for goes on there")
            return
        self.app.exit()

    def exports(self) -> Sequence[str]:
        """The formats that this view can be written in."""
        return ("svg", "md", "html", "csv", "json") if self.answer is not None else ("svg",)

    def attempt(self, action: Callable[[], T]) -> T | None:
        """The result of something that may be refused; None and a sentence on the screen where it was."""
        try:
            found = action()
        except FmctlError as error:
            self.show_trouble(Trouble.of(error))
            return None
        self.show_trouble(None)
        return found

    def refuse_read_only(self, what: str) -> None:
        """Raises UsageError where the session may neither spend nor destroy."""
        if self.core.read_only:
            raise UsageError(f"{what} is switched off", why="the session is read-only", next="fmctl ui")


class CommandLine(Static):
    """The shell command that gives this screen's answer."""

    HELP = "The command that prints the same answer in a shell. `y` copies it, from any widget that takes no text."

    def show(self, command: str, where: str = "") -> None:
        """Put it on the line; what is too long loses its end on the screen, never in the copy."""
        shown = Content.assemble((where, "$text-warning"), ("$ ", "$text-accent"), (clean(command), "$foreground 60%"))
        self.update(shown if command else Content(""), layout=False)
