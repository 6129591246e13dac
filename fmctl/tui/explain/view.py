"""Where the time, the memory and the money of one row go; and what would happen if a field were another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static, Tab, Tabs

from fmctl.base.errors import UsageError
from fmctl.domain.planrow import number_of, rows_there
from fmctl.report.explains import explain_answer
from fmctl.report.view import Answer, Section
from fmctl.tui.explain.pages import PAGES, Page, changes, headline, parts_of, picture, term_text
from fmctl.tui.explain.subject import Subject
from fmctl.tui.explain.terms import Terms
from fmctl.tui.explain.whatif import WhatIfForm, asked_of, changed_options, exact_options, prefilled
from fmctl.tui.plan.form import Form
from fmctl.tui.sections import Sections
from fmctl.tui.view import Answered, Entry, View
from fmctl.tui.words import command_line
from fmctl.usecases.session.items import Question

if TYPE_CHECKING:
    from fmctl.domain.rows.results import DiffDocument, ExplainDocument


_ROOMY = 36  # lines from which the first page has room for more than the step
_LEVERS = ("What would help most", "Ways to buy it")


class ExplainView(View):
    """One row explained."""

    NAME = "explain"
    HELP = """Every part of the step, the memory and the bill, with share, equation and source. Left and right turn the
    pages, up and down go through the parts. `w` opens the layout: change a field and see the difference at once."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "what_if", "what if", id="explain.whatif"),
        Binding("left,h", "page(-1)", "page before", id="explain.before", show=False),
        Binding("right,l", "page(1)", "next page", id="explain.next", show=False),
        Binding("d", "diff", "diff", id="explain.diff"),
    ]

    def __init__(self, subject: str = "", given: object = None) -> None:
        super().__init__(subject, given)
        self.original: Subject | None = None
        self.shown: Subject | None = None

    def body(self) -> ComposeResult:
        """Headline, pages, parts and the part that is opened."""
        yield Static("", id="headline", markup=False)
        yield Static("", id="changes", markup=False)
        with Vertical(id="what-if"):
            yield WhatIfForm(self.core_choices, {}, id="what-if-form")
        yield Tabs(*(Tab(page.name, id=page.name) for page in PAGES), id="pages")
        with Horizontal(id="explained"):
            with Vertical(id="parts-side"):
                with VerticalScroll(id="picture-box", can_focus=False):
                    yield Static("", id="picture", markup=False)
                yield Terms(id="terms")
                yield Sections(id="levers")
                yield Static("", id="more", markup=False)
            with VerticalScroll(id="term", classes="panel", can_focus=False):
                yield Static("", id="term-text", markup=False)
        yield Sections(id="none", classes="panel")

    def core_choices(self, kind: str) -> Sequence[str]:
        """The values of a field of the layout."""
        return self.core.catalogue.instance_names() if kind == "instances" else self.core.choices.get(kind, ())

    def on_mount(self) -> None:
        """Explain what was handed over, or the saved plan of that name."""
        super().on_mount()
        self.query_one("#what-if").display = False
        self.query_one("#changes").display = False
        self.action_again()

    def action_again(self) -> None:
        """Read the plan again."""
        found = self.attempt(self._found)
        self.query_one("#none").display = found is None
        for name in ("headline", "pages", "explained"):
            self.query_one(f"#{name}").display = found is not None
        if found is None:
            none = self.query_one("#none", Sections)
            none.show(
                (), "No plan is open.\n\n1 opens the plan screen, e there explains a row.\n3 lists the saved plans."
            )
            none.focus()
            return
        self.original = found
        self.query_one(Terms).focus()
        self._show(found)

    def _found(self) -> Subject | None:
        if isinstance(self.given, Subject):
            return self.given
        if not self.subject:
            return None
        document = self.core.load_plan(self.subject)
        rows = rows_there(document)
        if not rows:
            raise UsageError(f"{self.subject} has no rows", why="nothing fitted", next="plan again, and save it")
        return Subject(document, rows[0], asked_of(document), document["inputs"]["model"], self.subject)

    # One row on the screen.

    def _show(self, subject: Subject) -> None:
        self.shown = subject
        self.answer = explain_answer(subject.document, subject.row)
        self.title_text = self.answer.report().title.removeprefix("Explained: ")
        self.command = self._command(subject)
        self.query_one("#headline", Static).update(headline(subject.row))
        self._page()

    def _command(self, subject: Subject) -> str:
        if subject.saved_as:
            return command_line(["explain", subject.saved_as])
        return command_line(["explain", subject.model], exact_options(subject.row, subject.asked))

    @property
    def page(self) -> Page:
        """The page in front."""
        active = self.query_one(Tabs).active
        return next((page for page in PAGES if page.name == active), PAGES[0])

    def _page(self) -> None:
        if self.shown is None or self.answer is None:
            return
        page, terms = self.page, self.query_one(Terms)
        before = _values(self._before) if self._before is not None else {}
        terms.show(parts_of(cast("ExplainDocument", self.answer.document), page), before)
        terms.display = page.name != "levers"
        levers = self.query_one("#levers", Sections)
        levers.display = page.name == "levers"
        self.query_one("#term").display = page.name != "levers"
        if page.name == "levers":
            levers.show(self._levers(), "no levers are known for this row")
        self._picture()

    def _picture(self) -> None:
        if self.shown is None or self.answer is None:
            return
        width = self.query_one("#parts-side").size.width - 3
        self._draw_more(width)
        drawn = picture(self.shown.row, self.page, cast("ExplainDocument", self.answer.document), width)
        box = self.query_one("#picture-box")
        box.display = drawn is not None
        if drawn is not None:
            self.query_one("#picture", Static).update(drawn)

    def _draw_more(self, width: int) -> None:
        """Where the first page leaves room, memory and pipeline are drawn below the step."""
        more = self.query_one("#more", Static)
        more.display = self.page is PAGES[0] and self.size.height >= _ROOMY
        if more.display and self.shown is not None and self.answer is not None:
            document = cast("ExplainDocument", self.answer.document)
            drawn = [picture(self.shown.row, page, document, width) for page in PAGES[1:3]]
            more.update(Content("\n\n").join([one for one in drawn if one is not None]))

    @property
    def _before(self) -> Answer | None:
        if self.original is None or self.shown is self.original:
            return None
        return explain_answer(self.original.document, self.original.row)

    def _levers(self) -> list[Section]:
        if self.shown is None:
            return []
        from fmctl.report.runs import run_sections

        if not self.shown.row.get("whole_run"):
            line = "Levers are of whole runs: with tokens in the form of the plan screen they say what would help most."
            return [Section("What would help most", lines=(line,))]
        document = self.shown.document
        levers = document["result"].get("levers") if document["schema"] == "fmctl.plan/1" else None
        if number_of(self.shown.row) != 1 or levers is None:
            line = "Levers are worked out for the first row of a plan alone. esc, then row 1."
            return [Section("What would help most", lines=(line,))]
        sections = run_sections(self.shown.document["inputs"], self.shown.row, "The run", levers)
        return [section for section in sections if section.title in _LEVERS]

    def on_resize(self, event: events.Resize) -> None:
        """The picture is drawn anew."""
        super().on_resize(event)
        self.call_after_refresh(self._picture)

    @on(Tabs.TabActivated)
    def _turned(self) -> None:
        self._page()

    @on(Terms.Highlighted)
    def _opened(self, message: Terms.Highlighted) -> None:
        if self.shown is not None:
            self.query_one("#term-text", Static).update(term_text(message.part, self.shown.row))

    def action_page(self, by: int) -> None:
        """Turn a page."""
        tabs = self.query_one(Tabs)
        (tabs.action_next_tab if by > 0 else tabs.action_previous_tab)()

    # What if.

    def action_what_if(self) -> None:
        """Open or close the fields of the layout."""
        if self.original is None:
            return
        box = self.query_one("#what-if")
        box.display = not box.display
        self.set_class(box.display, "-editing")
        form = self.query_one(WhatIfForm)
        if box.display:
            form.fill(prefilled(exact_options(self.original.row, self.original.asked)), quiet=True)
            form.edit("tp")
        else:
            self._give_up()

    def _give_up(self) -> None:
        """The row as it was."""
        self.core.planning.cancel("what-if")
        self.query_one("#changes").display = False
        self.show_trouble(None)
        self.state = ""
        self.query_one(Terms).focus()
        if self.original is not None:
            self._show(self.original)

    @on(Input.Submitted)
    def _done(self) -> None:
        self.query_one(Terms).focus()

    @on(Form.Edited)
    def _edited(self, message: Form.Edited) -> None:
        if self.original is None:
            return
        exact = exact_options(self.original.row, self.original.asked)
        options = changed_options(exact, message.options)
        if options == exact:
            self.query_one("#changes").display = False
            self._show(self.original)
            return
        self.command = command_line(["explain", self.original.model], options)
        self.state = "estimating"
        self.ask(Question("estimate", self.original.model, options, channel="what-if"))

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        reply, original = message.reply, self.original
        if original is None or not self.awaits(message):
            return
        self.state = ""
        self.show_trouble(reply.trouble)
        rows = rows_there(reply.document) if reply.document is not None else ()
        if reply.document is None or not rows:
            self._say_before()
            return
        command = self.command
        self._show(Subject(reply.document, rows[0], original.asked, original.model))
        self.command = command
        shown = self.query_one("#changes", Static)
        shown.display = True
        shown.update(changes(cast("DiffDocument", self._diff().document)["result"]["fields"]))

    def _say_before(self) -> None:
        """Mark what stands here as the answer before: the fields ask for something that has none."""
        self.query_one("#changes").display = False
        if self.shown is not None:
            before = Content.styled("the answer before: ", "bold $text-warning")
            self.query_one("#headline", Static).update(Content.assemble(before, headline(self.shown.row)))

    def _diff(self) -> Answer:
        from fmctl.report.diffs import Side, diff_answer

        sides: list[Side] = [
            {"inputs": one.document["inputs"], "result": one.row, "warnings": one.document["warnings"]}
            for one in (self.original, self.shown) if one is not None
        ]  # fmt: skip
        return diff_answer(("now", "what if"), (sides[0], sides[1]))

    def action_diff(self) -> None:
        """Every field that the change changes."""
        if self.original is None or self.shown is self.original or self.shown is None:
            self.session.say("w first: change a field, then d shows everything that differs")
            return
        from fmctl.tui.diff import Sides, compared_rows

        before, after = self.original, self.shown
        options = (exact_options(before.row, before.asked), exact_options(after.row, after.asked))
        command = compared_rows(before.model, options)
        documents, rows = (before.document, after.document), (before.row, after.row)
        self.session.open("diff", given=Sides(("now", "what if"), documents, rows, command))

    def action_back(self) -> None:
        """Out of the what-if first, then to the screen before."""
        if self.query_one("#what-if").display:
            self.action_what_if()
        else:
            super().action_back()

    def action_launch(self) -> None:
        """Launch the saved plan."""
        if self.original is not None and self.original.saved_as:
            self.session.launch_plan(self.original.saved_as)
        else:
            self.session.say("save the plan first: S on the plan screen")

    def entries(self) -> Iterable[Entry]:
        """What the palette offers here."""
        yield "explain: what if", "change a field of the layout (w)", self.action_what_if
        for page in PAGES:
            yield f"explain: {page.name}", "a page of the explanation", partial(self._turn_to, page.name)

    def _turn_to(self, name: str) -> None:
        self.query_one(Tabs).active = name


def _values(answer: Answer) -> dict[str, object]:
    """Every term's value by name."""
    sections = cast("ExplainDocument", answer.document)["result"]["sections"]
    return {part["name"]: part["value"] for section in sections for part in section["parts"]}
