"""From a saved plan to a cluster: checks, files, rehearsal, consent, and what happens then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Unpack, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import ContentSwitcher, DataTable, Tab, Tabs

from fmctl.base.errors import UsageError
from fmctl.report.view import Answer, Section
from fmctl.targets.registry import kind
from fmctl.tui.background import Calls, Found, Heard
from fmctl.tui.clusters.logs import LogPanel
from fmctl.tui.clusters.parts import PageRows
from fmctl.tui.launch.files import FileBox, FolderDialog
from fmctl.tui.launch.form import LaunchForm
from fmctl.tui.running import Launching
from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows, TablePanel
from fmctl.tui.tasks import Task, TaskChanged
from fmctl.tui.view import View
from fmctl.tui.words import command_line
from fmctl.usecases.session.items import Trouble

if TYPE_CHECKING:
    from fmctl.domain.rows.operations import LaunchDocument
    from fmctl.domain.rows.render import RenderDocument
    from fmctl.tui.attributes import Attributes

FILES = ("cluster.yaml", "job.sbatch", "job.env")
PAGES = ("checks", *FILES, "rehearsal", "launch")
_SHORT = 48  # characters of a check that every screen has room for
_OPTIONS = {"capacity": "purchase"}


def page_id(page: str) -> str:
    """A page's name as an id."""
    return "page-" + page.replace(".", "-")


class TaskBox(Vertical):
    """What an operation says, and what it came to."""

    DEFAULT_CSS = """
    TaskBox { height: 1fr; }
    TaskBox Sections { display: none; height: 3fr; padding: 0 1; }
    """

    def __init__(self, empty: str, **attributes: Unpack[Attributes]) -> None:
        super().__init__(**attributes)
        self._empty = empty
        self._shown = 0

    def compose(self) -> ComposeResult:
        """The answer above the words that led to it."""
        yield Sections()
        yield LogPanel()

    def on_mount(self) -> None:
        """Say what to press."""
        self.query_one(LogPanel).box.add(self._empty.split("\n"))

    def show(self, task: Task) -> None:
        """How far it is."""
        box, said = self.query_one(LogPanel).box, list(task.lines)
        if len(said) < self._shown or not self._shown:
            box.clear()
            self._shown = 0
        box.add(said[self._shown :])
        self._shown = len(said)
        sections = self.query_one(Sections)
        sections.display = task.answer is not None
        if task.answer is not None:
            report = task.answer.report()
            sections.show((Section(report.title), *report.sections))


class LaunchView(View):
    """One plan on its way to a cluster."""

    NAME = "launch"
    HELP = """From a saved plan to a cluster. `c` looks at everything that a launch relies on and spends nothing;
    the next pages are the rendered files; `R` launches into a local AWS, where nothing is real; `L` launches, after it
    has shown account, price and cap and the cluster's name was typed. `i` goes to the options, left and right turn the
    pages."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "check", "check", id="launch.check"),
        Binding("R", "rehearse", "rehearse", id="launch.rehearse"),
        Binding("L", "launch", "launch", id="launch.launch"),
        Binding("w", "write", "write files", id="launch.write"),
        Binding("i", "options", "options", id="launch.options"),
        Binding("o", "cluster", "cluster", id="launch.cluster"),
        Binding("left,h", "page(-1)", "page before", id="launch.before", show=False),
        Binding("right,l", "page(1)", "next page", id="launch.next", show=False),
    ]
    SCOPED_CSS = False
    DEFAULT_CSS = """
    LaunchView.-short #checks-said { max-height: 6; }
    LaunchView #pages { height: 2; }
    LaunchView ContentSwitcher { height: 1fr; }
    LaunchView #checks-said { height: auto; max-height: 8; padding: 0 1; }
    """

    def __init__(self, subject: str = "", given: object = None) -> None:
        super().__init__(subject, given)
        self.calls = Calls(self)
        self.answers: dict[str, Answer] = {}
        self.cluster = subject

    def body(self) -> ComposeResult:
        """Options, pages, and what each shows."""
        site = self.core.settings.text("site")
        yield LaunchForm({"site": Path(site).name} if site else {}, self.given if isinstance(self.given, dict) else {})
        yield Tabs(*(Tab(page, id=page.replace(".", "-")) for page in PAGES), id="pages")
        with ContentSwitcher(initial=page_id(PAGES[0])):
            with Vertical(id=page_id("checks")):
                yield TablePanel(PageRows(id="checks"))
                yield Sections(id="checks-said")
            for file in FILES:
                yield FileBox(file, id=page_id(file))
            yield TaskBox(
                f"R launches this plan into a local AWS with the real {kind().title}, looks, and tears it down again.\n"
                "Nothing of it is a real account, and nothing is spent.", id=page_id("rehearsal"),
            )  # fmt: skip
            yield TaskBox(
                "L launches. Before anything is made it shows account, region, nodes, price, cap and what stays,\n"
                "and asks for the cluster's name; the default is No.", id=page_id("launch"),
            )  # fmt: skip
        yield Sections(id="none", classes="panel")

    def on_mount(self) -> None:
        """Render and look at once, where a plan and a site are named."""
        super().on_mount()
        self.title_text = self.subject
        none = self.query_one("#none", Sections)
        none.display = not self.subject
        for part in ("LaunchForm", "#pages", "ContentSwitcher"):
            self.query_one(part).display = bool(self.subject)
        if not self.subject:
            none.show((), "No plan is open.\n\n3 lists the saved plans, L there launches one.")
            none.focus()
            return
        self.query_one("#pages").focus()
        self._commands()
        for task in (self.session.tasks.find(what, self.subject) for what in ("rehearse", "launch")):
            if task is not None:
                self._show_task(task)
        if "site" in self.wanted() or self.core.settings.text("site"):
            self.action_check()
        else:
            self.show_trouble(Trouble(
                "it is not said where the cluster goes", "a site file holds region, subnets and file system",
                "i, type its name, enter (fmctl schema site says what it holds)",
            ))  # fmt: skip
            self.query_one("#launch-site").focus()

    @property
    def launching(self) -> Launching:
        """Where launches are asked for. Raises UsageError in a session that only plans."""
        if self.core.launching is None:
            raise UsageError("this session launches nothing", next="fmctl ui")
        return self.core.launching

    @property
    def page(self) -> str:
        """The page in front."""
        active = self.query_one("#pages", Tabs).active
        return next((page for page in PAGES if page.replace(".", "-") == active), PAGES[0])

    def wanted(self) -> dict[str, str]:
        """The options as they are typed."""
        return self.query_one(LaunchForm).wanted()

    # Looking.

    def action_check(self) -> None:
        """Render, and look at everything that a launch relies on."""
        launching = self.attempt(lambda: self.launching)
        if launching is None:
            return
        self._commands()
        plan, wanted = self.subject, self.wanted()
        self.calls.start("rendered", lambda: launching.rendered(plan, wanted))
        if self.calls.start("checks", lambda: launching.preflight(plan, wanted, self.calls.hear("checks"))):
            self.state = "checking"

    action_again = action_check

    @on(LaunchForm.Settled)
    def _settled(self) -> None:
        self.query_one("#pages").focus()
        self.action_check()

    @on(FileBox.Edited)
    def _edited(self, message: FileBox.Edited) -> None:
        box = message.box
        box.say(())
        if box.file == FILES[0] and box.edited:
            plan, wanted, text = self.subject, self.wanted(), box.text
            launching = self.launching
            self.calls.start("config", lambda: launching.check_config(plan, wanted, text))

    @on(Heard)
    def _call_heard(self, message: Heard) -> None:
        if self.is_mounted:
            assert isinstance(message.value, Answer)
            self._show_checks(message.value)

    @on(Found)
    def _call_found(self, message: Found) -> None:
        if not self.is_mounted:
            return
        if message.what == "checks":
            self.state = ""
        if message.trouble is not None or message.what == "checks":
            self.show_trouble(message.trouble)
        if isinstance(message.value, Answer):
            (self._show_files if message.what == "rendered" else self._show_checks)(message.value)
        elif message.what == "config" and message.value is not None:
            found = cast("Sequence[tuple[str, str]]", message.value) or [("INFO", f"{kind().title} accepts it")]
            self.query_one(f"#{page_id(FILES[0])}", FileBox).say(found)

    def _show_files(self, answer: Answer) -> None:
        result = cast("RenderDocument", answer.document)["result"]
        self.cluster = str(result["cluster"])
        for one in result["files"]:
            if one["name"] in FILES:
                self.query_one(f"#{page_id(one['name'])}", FileBox).show(one["text"])
        for file in FILES:
            self.answers[file] = answer
        self._commands()

    def _show_checks(self, answer: Answer) -> None:
        self.answers["checks"] = answer
        report = answer.report()
        self.title_text = report.title
        rows = self.query_one("#checks", Rows)
        rows.show(report.sections[0].table, [f"{i} {row['check']}" for i, row in enumerate(answer.rows)], answer.rows)
        self._show_check()
        self._commands()

    @on(DataTable.RowHighlighted, "#checks")
    def _show_check(self) -> None:
        """The check under the cursor in full, above what is to be done."""
        answer = self.answers.get("checks")
        if answer is None:
            return
        current = self.query_one("#checks", Rows).current
        row = answer.rows[int(current.split()[0])] if current else None
        lines = (f"{row['check']}: {row['found']}",) if row and len(str(row["found"])) > _SHORT else ()
        said = [*answer.report().sections[:0:-1], *([Section(lines=lines)] if lines else [])]
        self.query_one("#checks-said", Sections).show(said)

    # Doing.

    def action_rehearse(self) -> None:
        """Launch into a local AWS."""
        launching = self.attempt(lambda: self.launching)
        if launching is None:
            return
        plan, wanted = self.subject, {k: v for k, v in self.wanted().items() if k not in ("site", "reservation")}
        self._turn("rehearsal")
        if self.session.tasks.start("rehearse", plan, lambda say, yes: launching.rehearse(plan, wanted, say)) is None:
            self.session.say("the rehearsal is under way")

    def action_launch(self) -> None:
        """Launch, after everything was shown and the name was typed."""

        def may() -> Launching:
            self.refuse_read_only("launching")
            return self.launching

        launching = self.attempt(may)
        if launching is None:
            return
        plan, wanted = self.subject, self.wanted()
        self._turn("launch")
        if any(self.query_one(f"#{page_id(file)}", FileBox).edited for file in FILES):
            self.session.say("edited files are not launched: this launches the plan's own rendering; w writes yours")
        if self.session.tasks.start("launch", plan, lambda say, yes: launching.launch(plan, wanted, say, yes)) is None:
            self.session.say("the launch is under way")

    @on(TaskChanged)
    def _task_changed(self, message: TaskChanged) -> None:
        if message.task.about == self.subject:
            self._show_task(message.task)

    def _show_task(self, task: Task) -> None:
        page = {"rehearse": "rehearsal", "launch": "launch"}.get(task.kind)
        if page is None:
            return
        self.query_one(f"#{page_id(page)}", TaskBox).show(task)
        if task.answer is not None:
            self.answers[page] = task.answer
        if task.over:
            self.show_trouble(task.trouble)
            if task.kind == "launch" and task.answer is not None:
                done = cast("LaunchDocument", task.answer.document)["result"]["done"]
                self.session.say(f"{self.cluster} runs; o opens it" if done else "nothing was launched")
        self._commands()

    def action_write(self) -> None:
        """Write the files as they stand here."""
        boxes = [self.query_one(f"#{page_id(file)}", FileBox) for file in FILES]
        if not all(box.original for box in boxes):
            self.session.say("nothing is rendered yet; c renders")
            return
        files = {box.file: box.text for box in boxes}
        launching = self.launching
        rendered = cast("RenderDocument", self.answers[FILES[0]].document)["result"]["files"]
        files |= {one["name"]: one["text"] for one in rendered if one["name"] not in files}

        def take(folder: str | None) -> None:
            if folder:
                said = self.attempt(lambda: launching.write(files, folder))
                if said:
                    self.session.say(said)

        self.app.push_screen(FolderDialog(f"./{self.cluster}"), take)

    def action_options(self) -> None:
        """Type in the form."""
        self.query_one("#launch-site").focus()

    def action_cluster(self) -> None:
        """Watch the cluster come up."""
        self.session.open("cluster", self.cluster)

    # Pages.

    def action_page(self, by: int) -> None:
        """Turn the pages."""
        self._turn(PAGES[(PAGES.index(self.page) + by) % len(PAGES)])

    def _turn(self, page: str) -> None:
        self.query_one("#pages", Tabs).active = page.replace(".", "-")

    @on(Tabs.TabActivated)
    def _page_changed(self) -> None:
        self.query_one(ContentSwitcher).current = page_id(self.page)
        self._commands()

    def _commands(self) -> None:
        """The command and the answer of the page in front."""
        words = {"checks": ["preflight"], "rehearsal": ["launch"], "launch": ["launch"]}.get(self.page, ["render"])
        wanted = {_OPTIONS.get(name, name): value for name, value in self.wanted().items()}
        if self.page == "rehearsal":
            wanted.pop("site", None)
        line = command_line([*words, self.subject], wanted)
        ends = {"rehearsal": " --rehearse"} | dict.fromkeys(FILES, f" -O ./{self.cluster}")
        self.command = line + ends.get(self.page, "")
        self.answer = self.answers.get(self.page)
