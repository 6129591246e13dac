"""One cluster: how its stack comes up, what happens, its jobs, its run against the plan, its logs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import ContentSwitcher, Static, Tab, Tabs

from fmctl.operate.watch import Event
from fmctl.report.view import Answer, Section
from fmctl.tui.clusters.acting import Acting
from fmctl.tui.clusters.logs import LogPanel
from fmctl.tui.clusters.parts import EventBox, PageRows, RunBox, event_line, told_sections
from fmctl.tui.sections import Sections
from fmctl.tui.table import Rows, TablePanel
from fmctl.tui.tasks import TaskChanged
from fmctl.tui.words import clean, command_line
from fmctl.usecases.session.items import Measured, Part, Told, Trouble

PAGES = ("overview", "stack", "events", "jobs", "run", "logs")
_HEAD_LOG = "cfn-init"
EVERY_S = 5.0


class ClusterView(Acting):
    """One cluster, page by page."""

    NAME = "cluster"
    HELP = """One cluster. Left and right turn the pages: overview (state, money, alerts), stack (its resources in time,
    what is stuck first), events (as `fmctl watch`), jobs, run (step time and MFU against the plan), logs. Capital
    letters change something, and ask for the name first."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "page(-1)", "page before", id="cluster.before", show=False),
        Binding("right,l", "page(1)", "next page", id="cluster.next", show=False),
        Binding("o", "source", "other log", id="cluster.source"),
    ]
    DEFAULT_CSS = """
    ClusterView #pages { height: 2; }
    ClusterView ContentSwitcher { height: 1fr; }
    ClusterView #doing { height: auto; max-height: 3; padding: 0 1; color: $text-warning; display: none; }
    ClusterView #stack-said { height: auto; max-height: 6; padding: 0 1; }
    """

    def __init__(self, subject: str = "", given: object = None) -> None:
        super().__init__(subject, given)
        self.stop = threading.Event()
        self.answers: dict[str, Answer] = {}
        self.commands: dict[str, str] = {}
        self.troubles: dict[str, Trouble | None] = {}
        self.job: int | None = None
        self.log_source = "job"
        self._mark: Part = Part((), -1)
        self._told: list[Section] = []

    def body(self) -> ComposeResult:
        """Pages, and what is being done to the cluster."""
        yield Tabs(*(Tab(page, id=page) for page in PAGES), id="pages")
        with ContentSwitcher(initial="page-overview"):
            yield Sections(id="page-overview")
            with Vertical(id="page-stack"):
                yield Sections(id="stack-said")
                yield TablePanel(PageRows(id="stack"))
            yield EventBox(id="page-events")
            with Vertical(id="page-jobs"):
                yield TablePanel(PageRows(id="jobs"))
                yield Sections(id="jobs-said")
            yield RunBox(id="page-run")
            yield LogPanel(id="page-logs")
        yield Static("", id="doing", markup=False)

    def on_mount(self) -> None:
        """Ask for everything that is in front, again and again; events come by themselves."""
        super().on_mount()
        self.title_text, self.state = self.subject, "asking"
        self.query_one("#jobs-said").styles.height = "auto"
        self.commands = {
            "overview": command_line(["status", self.subject]), "stack": command_line(["watch", self.subject]),
            "events": command_line(["watch", self.subject]), "jobs": command_line(["jobs", self.subject]),
        }  # fmt: skip
        if not self.subject:
            self.state = ""
            self.query_one("#page-overview", Sections).show((), "No cluster is open; 5 lists them.")
            return
        self.query_one("#page-overview").focus()
        self.query_one("#page-overview", Sections).show((), "asking AWS ...")
        self.set_interval(EVERY_S, self.action_again)
        self._page_changed()
        self.calls.start("events", self._watched)

    def on_unmount(self) -> None:
        """Nobody watches any more."""
        self.stop.set()

    def chosen(self) -> str | None:
        """This cluster."""
        return self.subject or None

    @property
    def page(self) -> str:
        """The page in front."""
        return self.query_one("#pages", Tabs).active or PAGES[0]

    # Asking.

    def action_again(self) -> None:
        """Ask for the state, and for what the page in front shows."""
        if not self.subject:
            return
        name = self.subject
        clusters = self.attempt(lambda: self.clusters) if self.core.clusters is None else self.core.clusters
        if clusters is None:
            return
        self.aged()
        self.calls.start("status", lambda: clusters.status(name))
        if self.page in ("jobs", "run", "logs"):
            self.calls.start("jobs", lambda: clusters.jobs(name))
        asked: dict[str, Callable[[], object]] = {
            "stack": lambda: clusters.timeline(name),
            "overview": lambda: clusters.told(name),
        }
        if self.job is not None:
            job, mark = self.job, self._mark.mark
            asked["run"] = lambda: clusters.measured(name, job)
            if self.log_source == "job":
                asked["logs"] = lambda: (self.log_source, clusters.job_log(name, job, mark))
        if self.page == "logs" and (self.job is None or self.log_source != "job"):
            stream, after = (_HEAD_LOG if self.log_source == "job" else self.log_source), self._mark.at
            asked["logs"] = lambda: (self.log_source, clusters.cluster_log(name, stream, after))
        if self.page in asked:
            self.calls.start(self.page, asked[self.page])

    def _watched(self) -> None:
        tell = self.calls.hear("event")
        for event in self.clusters.events(self.subject, self.stop):
            tell(event)

    def heard(self, what: str, value: object) -> None:
        """Something happened."""
        assert isinstance(value, Event)
        self.query_one(EventBox).add([event_line(value)])
        if value.kind in ("stack", "nodes", "end"):
            self.action_again()

    def found(self, what: str, value: object, trouble: Trouble | None) -> None:
        """What a call came to."""
        if what == "events":
            if trouble is not None:
                self.query_one(EventBox).add([f"the watch ended: {trouble.sentence()}"])
            return
        self.troubles[what] = trouble
        self.looked(self.troubles.get("status") or self.troubles.get(self.page))
        if trouble is not None and what == "status" and "overview" not in self.answers:
            self.state = ""
            self.query_one("#page-overview", Sections).show((), "AWS could not be asked; r asks again.")
        if value is not None:
            getattr(self, f"_got_{what}")(value)

    def _got_status(self, answer: Answer) -> None:
        self.answers["overview"] = answer
        row = answer.rows[0]
        self.title_text = f"{self.subject}: {row['condition']}"
        self._show_overview()
        self._in_front()

    def _got_overview(self, told: Told) -> None:
        self._told = told_sections(told)
        self._show_overview()

    def _show_overview(self) -> None:
        task = self.session.tasks.find("teardown", self.subject)
        there = "overview" in self.answers and self.answers["overview"].rows[0]["condition"] != "missing"
        torn = () if task is None or task.answer is None or there else task.answer.report().sections
        status = self.answers["overview"].report().sections if "overview" in self.answers else ()
        self.query_one("#page-overview", Sections).show((*torn, *status, *self._told), "asking AWS ...")

    def _got_stack(self, answer: Answer) -> None:
        self.answers["stack"] = answer
        report = answer.report()
        said, rows = self.query_one("#stack-said", Sections), self.query_one("#stack", Rows)
        said.show((Section(lines=(report.title,)), *report.sections[:-1]))
        rows.show(
            report.sections[-1].table, [f"{row['resource']}/{row['began_s']}" for row in answer.rows], answer.rows
        )
        self._in_front()

    def _got_jobs(self, answer: Answer) -> None:
        self.answers["jobs"] = answer
        report = answer.report()
        table, rest = report.sections[0].table, report.sections[1:] if answer.rows else report.sections
        self.query_one("#jobs", Rows).show(table, [str(row["job"]) for row in answer.rows], answer.rows)
        self.query_one("#jobs-said", Sections).show(rest)
        numbers = [int(str(row["job"])) for row in answer.rows]
        running = [int(str(row["job"])) for row in answer.rows if row["state"] == "RUNNING"]
        if self.job is None and numbers:
            self._take_job((running or numbers)[0])
        self._in_front()

    def _got_run(self, measured: Measured) -> None:
        self.answers["run"] = measured.answer
        self.commands["run"] = command_line(measured.command)
        self.query_one(RunBox).show(measured)
        self._in_front()

    def _got_logs(self, found: tuple[str, Part]) -> None:
        source, part = found
        if source != self.log_source:  # another log was chosen meanwhile
            return
        self._mark = part
        self.query_one("#page-logs", LogPanel).box.add(part.lines)

    # Pages.

    def _in_front(self) -> None:
        """The answer and the command of the page in front are those of the screen."""
        self.answer = self.answers.get(self.page)
        logs = ["logs", self.subject, *(["--job", str(self.job), "--follow"] if self._of_job() else [self._stream()])]
        self.command = command_line(logs) if self.page == "logs" else self.commands.get(self.page, "")

    def _of_job(self) -> bool:
        return self.log_source == "job" and self.job is not None

    def _stream(self) -> str:
        return _HEAD_LOG if self.log_source == "job" else self.log_source

    def action_page(self, by: int) -> None:
        """Turn the pages."""
        at = (PAGES.index(self.page) + by) % len(PAGES)
        self.query_one("#pages", Tabs).active = PAGES[at]

    @on(Tabs.TabActivated)
    def _page_changed(self) -> None:
        self.query_one(ContentSwitcher).current = f"page-{self.page}"
        widget = {"stack": "#stack", "jobs": "#jobs", "logs": "#page-logs LogBox", "events": "#page-events LogBox"}
        self.query_one(widget.get(self.page, f"#page-{self.page}")).focus()
        self._in_front()
        self.action_again()

    @on(Rows.Opened)
    def _open_job(self) -> None:
        """Its run against the plan."""
        current = self.query_one("#jobs", Rows).current
        if self.page == "jobs" and current is not None:
            self._take_job(int(current))
            self.query_one("#pages", Tabs).active = "run"

    def _take_job(self, job: int) -> None:
        if job != self.job:
            self.job = job
            self._restart_log()

    def _restart_log(self) -> None:
        self._mark = Part((), -1)
        self.query_one("#page-logs", LogPanel).box.clear()

    def action_source(self) -> None:
        """Another log: the job's output, or a stream of the cluster's own."""
        from fmctl.tui.jump import PickScreen

        def take(chosen: str | None) -> None:
            if chosen:
                self.log_source = chosen
                self._restart_log()
                self.query_one("#pages", Tabs).active = "logs"
                self._in_front()
                self.action_again()

        streams = [(name, "of the cluster") for name in ("cfn-init", "slurmctld", "slurm_resume", "clustermgtd")]
        self.app.push_screen(PickScreen([("job", "what the job writes"), *streams], "which log"), take)

    # What is being done.

    def task_said(self, message: TaskChanged) -> None:
        """The newest words of an operation on this cluster."""
        task = message.task
        if task.about != self.subject:
            return
        doing = self.query_one("#doing", Static)
        doing.display = not task.over
        doing.update(clean(f"{task.kind}: {task.lines[-1] if task.lines else 'asking'}"))
        if task.lines and not task.over:
            self.query_one(EventBox).add([f"{task.kind}: {task.lines[-1]}"])
        if task.over:
            self._show_overview()
