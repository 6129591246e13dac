"""Find a plan: the form above, the ranking below it; every edit plans again and no key waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import DataTable, Input

from fmctl.report.shown import shown_plan
from fmctl.tui.diff import Sides, compared_rows
from fmctl.tui.explain.subject import Subject
from fmctl.tui.explain.whatif import exact_options
from fmctl.tui.jump import NameScreen
from fmctl.tui.plan.form import BY_NAME, Form
from fmctl.tui.plan.panels import PANELS, arrangements, why_sections
from fmctl.tui.plan.scatter import Scatter, points_of
from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows, TablePanel
from fmctl.tui.view import WIDE, Answered, Entry, View
from fmctl.tui.words import command_line
from fmctl.usecases.session.items import Question, Reply, Trouble

if TYPE_CHECKING:
    from fmctl.domain.rows.results import PlanDocument, PlanRow

DEFAULT_MODEL = "llama-3.1-70b"
_BAR = 12
_PATIENCE_S = 0.4
_BREATH_S = 0.015
_ROOMY_WIDTH = 78  # columns from which the whole ranking has room, where nothing stands beside it
# What goes first where it is tight, by its number; the layout last, which is what tells rows apart.
_SPARED = {"MFU": 4, "tokens/s": 3, "step": 3, "margin": 4, "time": 2, "cost": 2, "layout": 1}
SORT_FIELDS = {
    "#": ("rank",), "step": ("step_s",), "MFU": ("mfu",), "time": ("wall_p50_s", "run_s"), "GPUs": ("gpus",),
    "cost": ("comparable_usd", "run_usd", "usd_per_billion_tokens"), "margin": ("margin_bytes",),
    "tokens/s": ("tokens_per_s",), "rate": ("usd_per_h",), "energy/10⁶ tok": ("wh_per_million_tokens",),
    "goodput": ("goodput",), "CO2e": ("tco2e",),
}  # fmt: skip


class PlanView(View):
    """The first screen."""

    NAME = "plan"
    HELP = """Fill in the form: every edit plans again in the background; partial answers come first and say so.
    `tab` and `shift+tab` go through the fields, `esc` goes to the ranking, `f` or `i` back to the form."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f,i", "form", "form", id="plan.form"),
        Binding("d", "diff", "diff", id="plan.diff"),
        Binding("e", "explain", "explain", id="plan.explain"),
        Binding("p", "panel", "panel", id="plan.panel"),
        Binding("S", "save", "save", id="plan.save", show=False),
        Binding("ctrl+t", "table", "ranking", id="plan.table", show=False),
    ]

    def __init__(self, subject: str = "", given: object = None) -> None:
        super().__init__(subject, given)
        self.kept: dict[str, object] = {}
        self.document: PlanDocument | None = None
        self.way = 0
        self._detailed: PlanRow | None = None
        self._asking: Timer | None = None

    def recall(self, kept: dict[str, object]) -> None:
        """Form and sorting of the last session."""
        form = kept.get("form")
        if isinstance(form, dict):
            kept = kept | {"form": {k: v for k, v in form.items() if k in BY_NAME and isinstance(v, str)}}
            self.kept = kept

    def remembered(self) -> dict[str, object]:
        """Form and sorting."""
        rows = self.query_one(Rows)
        return {"form": self.query_one(Form).options, "sort": [rows.sorted_by, rows.reverse]}

    def body(self) -> ComposeResult:
        """Form, ranking, detail."""
        kept = self.kept.get("form")
        values = kept if isinstance(kept, dict) and kept else {"model": DEFAULT_MODEL}
        yield Form(self._choices, values, id="form")
        with Horizontal(id="answer"):
            with Vertical(id="left"):
                rows = Rows(id="ranking")
                rows.sort_fields = SORT_FIELDS
                yield TablePanel(rows, classes="panel", id="ranking-panel")
                yield Scatter(classes="panel", id="plot")
            yield Sections("row", classes="panel", id="detail")
            yield Sections("why not", classes="panel", id="why")

    def on_resize(self, event: events.Resize) -> None:
        """Where it is tight the ranking leaves out what the panel of the row shows too, never the state of memory."""
        super().on_resize(event)
        self._arrange()
        tight = event.size.width >= WIDE or event.size.width < _ROOMY_WIDTH
        self.query_one(Rows).spare(_SPARED if tight else {})

    def _choices(self, kind: str) -> Sequence[str]:
        if kind == "model":
            return self.core.catalogue.model_names()
        if kind == "instances":
            return self.core.catalogue.instance_names()
        return self.core.choices.get(kind, ())

    def on_mount(self) -> None:
        """Ask for what the form says."""
        super().on_mount()
        sort = self.kept.get("sort")
        rows = self.query_one(Rows)
        rows.empty = "the first answer is on its way"
        rows.show(None, ())
        if isinstance(sort, list) and len(sort) == 2 and isinstance(sort[0], str):
            rows.sorted_by, rows.reverse = sort[0], bool(sort[1])
        rows.focus()
        self.action_again()

    # Asking.

    @on(Form.Edited)
    def _edited(self) -> None:
        """Ask once for what is typed in one breath."""
        self.state = "searching"
        if self._asking is not None:
            self._asking.stop()
        self._asking = self.set_timer(_BREATH_S, self.action_again)

    def action_again(self) -> None:
        """Plan what the form says."""
        options = self.query_one(Form).options
        model = options.pop("model", "")
        self.command = command_line(["plan", model or "MODEL"], options)
        self.title_text = model
        if not model:
            self.core.planning.cancel("plan")
            self.state = ""
            self.show_trouble(Trouble("no model is named", next="type one into the first field; down lists them"))
            return
        self.state = "searching"
        self.ask(Question("plan", model, options))

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        if message.channel != "plan" or not self.awaits(message):
            return
        reply = message.reply
        if reply.document is not None and reply.document["schema"] == "fmctl.plan/1":
            self._show(reply.document, reply.last)
        if not reply.last:
            # On the panel, not in the title: a change up there would have the whole form drawn again each time.
            words = progress_words(reply.done, reply.total, reply.document is not None)
            self.query_one("#ranking-panel").border_subtitle = words
            return
        self.state = "" if reply.trouble is None else "no answer"
        if reply.trouble is None or reply.document is not None:
            self.show_trouble(reply.trouble)
        else:  # half a word is no mistake yet
            self.set_timer(_PATIENCE_S, partial(self._unanswered, reply))

    def _unanswered(self, reply: Reply) -> None:
        """Say what is wrong with the form, once nobody types on."""
        if self.awaited.get("plan") != reply.number:
            return
        self.show_trouble(reply.trouble)
        if self.document is None:
            rows = self.query_one(Rows)
            rows.empty = "no answer: f goes to the form, the line below says what is wrong with it"
            rows.show(None, ())
        if self.document is not None:
            self.query_one("#ranking-panel").border_title = "the answer before: the form has to be mended first"

    def _show(self, document: PlanDocument, whole: bool) -> None:
        self.document = document
        self.answer = answer = shown_plan(document)
        report = answer.report()
        table = report.sections[0].table if document["result"]["rows"] else None
        keys = [key_of(row) for row in document["result"]["rows"]]
        self.query_one(Rows).empty = "no layout: the line below says why and what to try; p turns to the reasons"
        self.query_one(Rows).show(table, keys, answer.rows)
        points, axes, unplaced = points_of(document["result"]["rows"], keys)
        self.query_one(Scatter).show(points, axes, unplaced)
        result = document["result"]
        panel = self.query_one("#ranking-panel")
        panel.border_title = f"by {result['objective']}"
        if whole:
            panel.border_subtitle = f"{result['evaluated']:,} layouts evaluated, {result['fitting']:,} fit"
            self.query_one("#why", Sections).show(why_sections(document, answer.warnings))
            self._detailed = None  # levers and sources come with the whole answer
        self._detail()

    # What stands where.

    def _arrange(self) -> None:
        ways = arrangements(self.size.width, self.size.height)
        shown = ways[self.way % len(ways)]
        for name in PANELS:
            self.query_one(f"#{'ranking-panel' if name == 'ranking' else name}").display = name in shown
        for hidden_before in self.query(Sections):
            hidden_before.freshen()
        self.query_one("#left").display = bool({"ranking", "plot"} & set(shown))

    def action_panel(self) -> None:
        """The next arrangement of ranking, plot, row and reasons."""
        ways = arrangements(self.size.width, self.size.height)
        self.way = (self.way + 1) % len(ways)
        self._arrange()
        first = ways[self.way][0] if len(ways[self.way]) < 3 else "ranking"
        self.query_one({"ranking": "Rows"}.get(first, f"#{first}")).focus()

    # The row under the cursor.

    @property
    def current(self) -> PlanRow | None:
        """The row under the cursor, as the document has it."""
        key = self.query_one(Rows).current
        return self._row(key) if key is not None else None

    def _row(self, key: str) -> PlanRow | None:
        rows = self.document["result"]["rows"] if self.document is not None else []
        return next((row for row in rows if key_of(row) == key), None)

    @on(DataTable.RowHighlighted)
    def _detail(self) -> None:
        from fmctl.report.estimates import row_report

        row, detail = self.current, self.query_one("#detail", Sections)
        if row is None or self.document is None:
            self._detailed = None
            detail.show((), "no row")
            return
        if row == self._detailed:
            return
        self._detailed = row
        self.query_one(Scatter).choose(key_of(row))
        report = row_report(self.document, row)
        detail.border_title = f"{row['instance']} x{row['nodes']}"
        detail.show(report.sections)

    @on(Scatter.Chosen)
    def _chosen(self, message: Scatter.Chosen) -> None:
        self.query_one(Rows).put_cursor(message.key)
        if message.opened:
            self.call_after_refresh(self.action_explain)

    @on(Rows.Opened)
    def action_explain(self) -> None:
        """Where the time, memory and money of this row go."""
        row = self.current
        if row is not None and self.document is not None:
            given = Subject(self.document, row, self._asked(), self.title_text)
            self.session.open("explain", given=given)

    def action_diff(self) -> None:
        """The two marked rows side by side."""
        marked = [row for key in self.query_one(Rows).marked if (row := self._row(key)) is not None]
        if len(marked) != 2 or self.document is None:
            self.session.say("mark two rows with space first")
            return
        names = (f"row {marked[0]['rank']}", f"row {marked[1]['rank']}")
        document = self.document
        options = (exact_options(marked[0], self._asked()), exact_options(marked[1], self._asked()))
        command = compared_rows(self.title_text, options)
        self.session.open("diff", given=Sides(names, (document, document), (marked[0], marked[1]), command))

    def action_launch(self) -> None:
        """Launch the row under the cursor: the plan is kept under a name first, since a launch takes saved ones."""
        row = self.current
        rank = str(row["rank"]) if row is not None else "1"
        why = "a launch takes a saved plan: first the name to save it under"
        self._save(lambda name: self.session.open("launch", name, {"row": rank}), why)

    def action_save(self) -> None:
        """Keep the plan under a name, as `plan --save` does."""
        self._save(lambda name: None)

    def _save(self, then: Callable[[str], None], title: str = "save the plan under a name") -> None:
        document = self.document
        if document is None or not document["result"]["rows"] or self.state:
            self.session.say("there is nothing to save yet: wait for the whole answer")
            return

        def save(name: str | None) -> None:
            if name:
                said = self.attempt(lambda: self.core.save_plan(name, document))
                if said:
                    self.session.say(said)
                    self.command = command_line(["plan", self.title_text], self._asked() | {"save": name})
                    then(name)

        saved = [(name, "saved already: it will be replaced") for name in self.core.saved_plans()]
        self.app.push_screen(NameScreen(saved, title), save)

    def _asked(self) -> dict[str, str]:
        return {name: value for name, value in self.query_one(Form).options.items() if name != "model"}

    def action_form(self) -> None:
        """Into the form."""
        self.query_one(Form).edit("model")

    def action_table(self) -> None:
        """Into the ranking."""
        self.query_one(Rows).focus()

    @on(Input.Submitted)
    def action_back(self) -> None:
        """Out of the form into the ranking."""
        self.query_one(Rows).focus()

    def entries(self) -> Iterable[Entry]:
        """What the palette offers here."""
        yield "plan: explain", "where the row's time and money go (e)", self.action_explain
        yield "plan: save", "keep it under a name (S)", self.action_save
        yield "plan: panels", "the next arrangement of ranking, plot, row and reasons (p)", self.action_panel
        yield "plan: why not", "why layouts were rejected", partial(self._turn_to, "why")
        yield "plan: plot", "cost against finish", partial(self._turn_to, "plot")
        yield "plan: diff", "two marked rows side by side (d)", self.action_diff
        for name, spec in BY_NAME.items():
            yield f"form: {spec.label}", spec.help, partial(self.query_one(Form).edit, name)

    def _turn_to(self, panel: str) -> None:
        ways = arrangements(self.size.width, self.size.height)
        self.way = next(i for i, way in enumerate(ways) if panel in way)
        self._arrange()
        self.query_one(f"#{panel}").focus()


def progress_words(done: int, total: int, rows: bool) -> str:
    """How far a search is: a bar of letters and what the rows are worth until it ends."""
    filled = _BAR * done // max(total, 1)
    said = "partial answer" if rows else "nothing fits so far"
    return f"[{'#' * filled}{'-' * (_BAR - filled)}] {said}: {done} of {total} clusters searched"


def key_of(row: PlanRow) -> str:
    """What names a row from one answer to the next: the cluster and the layout."""
    return f"{row['instance']}/{row['nodes']}/" + ",".join(str(value) for value in row["layout"].values())
