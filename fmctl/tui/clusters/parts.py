"""Parts of the screen of one cluster: its events, and its run against the plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from fmctl.operate.watch import Event
from fmctl.report.view import Column, Section, Table
from fmctl.report.words import si
from fmctl.tui.clusters.curve import Curve
from fmctl.tui.clusters.logs import LogPanel
from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows
from fmctl.usecases.session.items import Measured, Told

if TYPE_CHECKING:
    from fmctl.domain.rows.progress import ProgressDocument


def event_line(event: Event) -> str:
    """An event of `fmctl watch`, in fewer columns."""
    name, status = event.as_dict()["name"], event.status.lower().replace("_", " ")
    return f"{event.at:%H:%M:%S} {name:18} {status:18} {event.text}".rstrip()


def told_sections(told: Told | None) -> list[Section]:
    """Power and alerts of a Prometheus; how to set one where there is none."""
    if told is None:
        return [Section(lines=("power and alerts: fmctl config set prometheus_url URL shows what a Prometheus says",))]
    power = "no power is metered" if told.power_w is None else f"{si(told.power_w, 'W')} for all GPUs, as metered"
    columns = (Column("alert"), Column("state"), Column("", keep=1))
    rows = tuple((name, state, words) for state, name, words in told.alerts)
    alerts = Section("Alerts", Table(columns, rows)) if rows else Section(lines=("no alert is pending or firing",))
    return [Section("Power", lines=(power,)), alerts]


class PageRows(Rows):
    """Rows on a page: left and right turn the pages, as everywhere on such a screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "screen.page(-1)", "page before", show=False),
        Binding("right,l", "screen.page(1)", "next page", show=False),
    ]


class EventBox(LogPanel):
    """The stream of `fmctl watch`."""

    def add(self, lines: Iterable[str]) -> None:
        """What happened."""
        self.box.add(lines)


class RunBox(Vertical, can_focus=True):
    """Step time and MFU as curves over the plan's intervals, and every figure beside its prediction."""

    HELP = """Step time and MFU of the job, step by step. The band is the 80 % interval of the plan, the line in it what
    was predicted. Below: every figure beside its prediction, and the likeliest reasons where one is outside."""
    SCOPED_CSS = False  # it depends on how wide the screen is
    DEFAULT_CSS = """
    RunBox { height: 1fr; }
    RunBox .curve-title { height: 1; padding: 0 1; color: $text-primary; text-style: bold; }
    RunBox #figures { height: 2fr; padding: 0 1; }
    .-broad RunBox #curves, .-wide RunBox #curves { layout: horizontal; }
    RunBox #curves { height: 1fr; }
    RunBox #curves Vertical { width: 1fr; height: 1fr; }
    .-narrow RunBox #mfu-side { display: none; }
    """

    def compose(self) -> ComposeResult:
        """Two curves and the figures."""
        with Vertical(id="curves"):
            with Vertical():
                yield Static("step time", classes="curve-title")
                yield Curve("step_s", id="curve-step")
            with Vertical(id="mfu-side"):
                yield Static("MFU", classes="curve-title")
                yield Curve("mfu", id="curve-mfu")
        yield Sections(id="figures")

    def on_mount(self) -> None:
        """What to wait for."""
        self.query_one("#figures", Sections).show((), "No job yet; what runs here is listed on the page before.")

    def show(self, measured: Measured) -> None:
        """The run so far."""
        figures = {one["name"]: one for one in cast("ProgressDocument", measured.answer.document)["result"]["figures"]}
        steps = [(point.step, point.step_s) for point in measured.points if point.step_s is not None]
        shares = [(point.step, point.mfu) for point in measured.points if point.mfu is not None]
        self.query_one("#curve-step", Curve).show(steps, figures.get("step_s"))
        self.query_one("#curve-mfu", Curve).show(shares, figures.get("mfu"))
        self.query_one("#figures", Sections).show(measured.answer.report().sections)
