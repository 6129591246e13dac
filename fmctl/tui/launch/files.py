"""The rendered files, to be read, edited and checked; an edited one is for `render`, never for a launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Unpack

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from fmctl.targets.registry import kind
from fmctl.tui.dialog import Dialog
from fmctl.tui.words import clean

if TYPE_CHECKING:
    from fmctl.tui.attributes import Attributes

_SETTLES_S = 0.6  # after the last key an edit is looked at


class FileText(TextArea):
    """One file."""

    HELP = """A rendered file. What is typed here is checked as `fmctl preflight` checks a rendering. An edited file can
    be written with `w`; a launch takes the plan's own: only its price and cap are known. `esc` leaves the text."""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "done", "to the page", show=False)]

    def action_done(self) -> None:
        """Leave the text."""
        self.screen.query_one("#pages").focus()


class FileBox(Vertical):
    """A file, and below it what is wrong with it."""

    DEFAULT_CSS = """
    FileBox { height: 1fr; }
    FileBox FileText { height: 1fr; border: none; padding: 0; }
    FileBox .file-said { height: auto; max-height: 6; padding: 0 1; }
    """

    class Edited(Message):
        """The text is another, and has been for a moment."""

        def __init__(self, box: FileBox) -> None:
            super().__init__()
            self.box = box

    def __init__(self, file: str, **attributes: Unpack[Attributes]) -> None:
        super().__init__(**attributes)
        self.file, self.original = file, ""
        self._waiting: Timer | None = None

    def compose(self) -> ComposeResult:
        """Text and words."""
        yield FileText(show_line_numbers=False, soft_wrap=False, compact=True, tab_behavior="focus")
        yield Static("", classes="file-said", markup=False)

    def show(self, text: str) -> None:
        """The rendering, in place of what stands there; an edit is kept."""
        area = self.query_one(FileText)
        edited = self.edited
        self.original = text
        if not edited:
            area.text = text
            self.say(())

    @property
    def text(self) -> str:
        """What stands there."""
        return self.query_one(FileText).text

    @property
    def edited(self) -> bool:
        """Whether it is another than was rendered."""
        return bool(self.original) and self.text != self.original

    def say(self, findings: Sequence[tuple[str, str]]) -> None:
        """What was found; that it was edited stands above."""
        by_hand = f"edited: w writes it for `{kind().command}` and sbatch by hand; "
        edited = f"{by_hand}L launches the plan's own rendering, whose price is known"
        parts = [Content.styled(edited, "$text-warning")] if self.edited else []
        colours = {"ERROR": "bold $text-error", "WARNING": "$text-warning"}
        parts += [Content.assemble((f"{level.lower()}: ", colours.get(level, "$text-muted")), clean(text))
                  for level, text in findings]  # fmt: skip
        self.query_one(".file-said", Static).update(Content("\n").join(parts) if parts else Content(""))

    @on(TextArea.Changed)
    def _typed(self, event: TextArea.Changed) -> None:
        event.stop()
        if self._waiting is not None:
            self._waiting.stop()
        if self.original:
            self._waiting = self.set_timer(_SETTLES_S, lambda: self.post_message(self.Edited(self)))


class FolderDialog(Dialog[str]):
    """Which folder files are written to."""

    TITLE_TEXT = "write the files"
    KEYS = "folder, enter · esc"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def body(self) -> ComposeResult:
        """The line."""
        yield Static("cluster.yaml, the job and what it needs, as they stand here, into:", markup=False)
        yield Input(self._folder, id="folder", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """Ready to be typed into."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _sent(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip() or None)
