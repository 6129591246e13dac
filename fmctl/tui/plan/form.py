"""The form: options of `plan` as fields, completed from what there is; every edit is a new question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label

from fmctl.base.settings import DEFAULT_FRAMEWORK
from fmctl.domain.purchase import ON_DEMAND
from fmctl.tui.words import clean

if TYPE_CHECKING:
    from fmctl.tui.attributes import Attributes


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: its option, its label, what stands in it while it is empty, what it means, and what it completes."""

    name: str
    label: str
    empty: str
    help: str
    choices: str = ""
    many: bool = False


FIELDS = (
    FieldSpec("model", "model", "llama-3.1-70b", "A preset, a YAML file or a Hugging Face config.json.", "model"),
    FieldSpec("tokens", "tokens", "e.g. 15T", "Tokens of the whole run, such as 15T; deadline and budget need it."),
    FieldSpec("seq_len", "sequence", "8192", "Tokens in one sequence."),
    FieldSpec("global_batch", "batch", "chosen", "Sequences per optimizer step."),
    FieldSpec("deadline", "deadline", "e.g. 60d", "Latest end of the run: a time such as 60d, or a date."),
    FieldSpec("budget", "budget", "e.g. 4M", "The most that the run may cost, in USD, such as 4M."),
    FieldSpec("objective", "objective", "cost", "What the ranking goes by.", "objective"),
    FieldSpec("instances", "instances", "p5 to p6-b200", "Instance types, with commas.", "instances", True),
    FieldSpec("nodes", "nodes", "2 to 128", "Instances: 8, 8..256 (powers of two) or 8,12,16."),
    FieldSpec("regions", "regions", "us-east-1", "Regions to price in, with commas.", "regions", True),
    FieldSpec("purchase", "purchase", ON_DEMAND.name, "Ways to pay, with commas.", "purchase", True),
    FieldSpec("start", "start", "now", "First day of the run, a date."),
    FieldSpec("framework", "framework", DEFAULT_FRAMEWORK, "Training framework.", "framework"),
    FieldSpec("precision", "precision", "bf16", "Arithmetic of the matrix products.", "precision", True),
    FieldSpec("top", "rows", "10", "Rows to show."),
)
BY_NAME = {spec.name: spec for spec in FIELDS}


class LastWord(Suggester):
    """Completes what follows the last comma."""

    def __init__(self, choices: Sequence[str], many: bool) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._choices, self._many = choices, many

    async def get_suggestion(self, value: str) -> str | None:
        """The first choice that begins like the last word."""
        before, comma, word = value.rpartition(",") if self._many else ("", "", value)
        bare = word.lstrip()
        if not bare:
            return None
        found = next((choice for choice in self._choices if choice.startswith(bare.lower())), None)
        return None if found is None else f"{before}{comma}{word[: len(word) - len(bare)]}{found}"


class Field(Input):
    """One option. What is typed counts at once."""

    HELP = "One option of `fmctl plan`."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "pick", "list of choices", id="form.pick", show=False),
        Binding("ctrl+u", "clear_field", "clear", show=False),
        Binding("enter", "submit", "to the table", show=False),
    ]

    def __init__(self, spec: FieldSpec, choices: Sequence[str]) -> None:
        super().__init__(
            placeholder=spec.empty, compact=True, id=f"field-{spec.name}", select_on_focus=False,
            suggester=LastWord(choices, spec.many) if choices else None,
        )  # fmt: skip
        self.spec, self.choices = spec, choices
        listed = " `down` lists the choices, `right` takes the one that is shown." if choices else ""
        self.help_text = f"{spec.help}{listed} Empty: as `fmctl plan` would choose. Every edit plans again at once."

    def on_mount(self) -> None:
        """What is longer than the field is read from its beginning, while nobody types in it."""
        self.cursor_position = 0

    def on_key(self, event: events.Key) -> None:
        """Clear in the order of typing: a binding would be looked up after letters that were typed later."""
        if event.key == "ctrl+u":
            event.stop()
            event.prevent_default()
            self.action_clear_field()

    def on_focus(self) -> None:
        """Typing goes on at the end."""
        self.cursor_position = len(self.value)

    def on_blur(self) -> None:
        """Read from the beginning again."""
        self.cursor_position = 0

    def action_clear_field(self) -> None:
        """Empty it: the default holds."""
        self.value = ""

    def action_pick(self) -> None:
        """Choose out of a list that narrows as one types."""
        from fmctl.tui.jump import ChoiceScreen

        if not self.choices:
            self.screen.focus_next()
            return
        before, comma, word = self.value.rpartition(",") if self.spec.many else ("", "", self.value)

        def take(chosen: str | None) -> None:
            if chosen is not None:
                self.value = f"{before}{comma}{chosen}"
                self.cursor_position = len(self.value)

        core = self.screen.core if self.spec.choices == "instances" else None  # type: ignore[attr-defined]
        about = core.catalogue.accelerator_names() if core is not None else {}
        places = [(name, about.get(name, "")) for name in self.choices]
        typed = "" if word.strip() in self.choices else word.strip()
        self.app.push_screen(ChoiceScreen(places, self.spec.label, typed), take)


class Form(Container):
    """All fields in a grid; as wide a screen as there is, as few lines as it takes."""

    SPECS: ClassVar[tuple[FieldSpec, ...]] = FIELDS

    class Edited(Message):
        """The form says something else now."""

        def __init__(self, form: Form, options: dict[str, str]) -> None:
            super().__init__()
            self.form, self.options = form, options

    def __init__(
        self, choices_of: Callable[[str], Sequence[str]], values: Mapping[str, str], **attributes: Unpack[Attributes]
    ) -> None:
        super().__init__(**attributes)
        self._choices_of, self._values = choices_of, dict(values)
        self._quiet = False

    def compose(self) -> ComposeResult:
        """A label and a line for each field."""
        for spec in self.SPECS:
            with Horizontal(classes="field"):
                yield Label(spec.label, classes="field-label")
                field = Field(spec, self._choices_of(spec.choices) if spec.choices else ())
                with field.prevent(Input.Changed):
                    field.value = clean(self._values.get(spec.name, ""))
                yield field

    @property
    def options(self) -> dict[str, str]:
        """What is filled in, by the names of the options; the model among them."""
        found = {field.spec.name: field.value.strip() for field in self.query(Field)}
        return {name: value for name, value in found.items() if value}

    def fill(self, values: Mapping[str, str], *, quiet: bool = False) -> None:
        """Put values in, all others empty, and say so once, or not at all."""
        with self.prevent(Input.Changed):
            for field in self.query(Field):
                field.value = clean(values.get(field.spec.name, ""))
        if not quiet:
            self.post_message(self.Edited(self, self.options))

    def edit(self, name: str) -> None:
        """Put the cursor into a field."""
        self.query_one(f"#field-{name}", Field).focus()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self, self.options))
