"""Where the cluster of a plan goes and until when: the options of `launch` as fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from fmctl.domain.purchase import BLOCK, ODCR, ON_DEMAND, SPOT
from fmctl.tui.plan.form import FieldSpec

FIELDS = (
    FieldSpec("site", "site", "a file: fmctl schema site", "Where in AWS it goes: a YAML file of subnets and storage."),
    FieldSpec("max_hours", "max hours", "as the plan", "Hours after which AWS deletes the cluster, whatever happens."),
    FieldSpec("cluster_name", "name", "the plan's", "What the cluster is called."),
    FieldSpec("row", "row", "1", "Row of the plan that is launched."),
    FieldSpec("capacity", "purchase", "as priced", f"How nodes are bought: {ON_DEMAND}, {SPOT}, {ODCR} or {BLOCK}."),
    FieldSpec("reservation", "reservation", "none", f"Id of the reservation that {ODCR} and {BLOCK} use."),
)


class LaunchField(Input):
    """One option of `launch`."""

    HELP = "One option of `fmctl launch`."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "done", "to the page", show=False),
        Binding("ctrl+u", "clear_field", "clear", show=False),
    ]

    def __init__(self, spec: FieldSpec, default: str, value: str) -> None:
        super().__init__(
            "" if value == spec.empty else value, placeholder=default or spec.empty, compact=True,
            id=f"launch-{spec.name}", select_on_focus=False,
        )  # fmt: skip
        self.spec = spec
        self.help_text = f"{spec.help} `enter` looks at everything again; `esc` goes back to the page."

    def action_done(self) -> None:
        """Leave the form."""
        self.screen.query_one("#pages").focus()

    def action_clear_field(self) -> None:
        """Empty it: the default holds."""
        self.value = ""


class LaunchForm(Container):
    """All options; `Settled` once one was sent."""

    SCOPED_CSS = False
    DEFAULT_CSS = """
    LaunchForm { height: auto; layout: grid; grid-size: 2; grid-gutter: 0 1; padding: 0 1; }
    .-wide LaunchForm { grid-size: 3; }
    .-broad LaunchForm { grid-size: 6; }
    LaunchField { width: 1fr; }
    """

    class Settled(Message):
        """The options are as they shall be."""

    def __init__(self, defaults: Mapping[str, str], values: Mapping[str, str]) -> None:
        """By option: `defaults` are what holds while nothing is typed, `values` what stands there at first."""
        super().__init__()
        self._defaults, self._values = defaults, values

    def compose(self) -> ComposeResult:
        """Label and line, for each."""
        for spec in FIELDS:
            with Horizontal(classes="field"):
                yield Label(spec.label, classes="field-label")
                yield LaunchField(spec, self._defaults.get(spec.name, ""), self._values.get(spec.name, ""))

    def wanted(self) -> dict[str, str]:
        """What is typed, by option."""
        return {one.spec.name: one.value.strip() for one in self.query(LaunchField) if one.value.strip()}

    @on(Input.Submitted)
    def _sent(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Settled())
