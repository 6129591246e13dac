"""The launch screen: checks as they are done, files, rehearsal, consent; and nothing without the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fmctl.adapters import itself
from fmctl.base.errors import OperationFailed
from fmctl.domain.ports import Finding
from fmctl.operate import store
from fmctl.tui.app import FmctlApp
from fmctl.tui.confirm import ConfirmName
from fmctl.tui.launch.files import FileBox
from fmctl.tui.table import Rows
from fmctl.tui.worker import ThreadPlanning
from fmctl.usecases.session.answers import answer
from fmctl.usecases.session.items import Question
from tests.tui.conftest import SMALL
from tests.tui.world import Operations, operating_core, run, shown, until

SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
account: "123456789012"
key_name: a-key
"""


@pytest.fixture
def operations(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Operations:
    """A world with a saved plan `small` and a site."""
    options = {name: value for name, value in SMALL.items() if name != "model"} | {"nodes": "2"}
    document, trouble = answer(Question("plan", SMALL["model"], options), lambda *_: None, lambda: False)
    assert document is not None and trouble is None
    store.save("small", document, "2026-11-22T12:00:00+00:00")
    (folders / "site.yaml").write_text(SITE)
    monkeypatch.setenv("FMCTL_SITE", str(folders / "site.yaml"))
    return Operations()


@pytest.fixture
def app(operations: Operations) -> FmctlApp:
    return FmctlApp(operating_core(operations, ThreadPlanning(answer)))


async def opened(pilot: Pilot[None], page: str = "checks") -> Any:
    pilot.app.open_named("launch small")  # type: ignore[attr-defined]
    view = await until(pilot, lambda: pilot.app.screen if getattr(pilot.app.screen, "NAME", "") == "launch" else None)
    await until(pilot, lambda: not view.state and "cluster.yaml" in view.answers)
    while view.page != page:
        await pilot.press("right")
        await pilot.pause()
    return view


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_the_checklist_is_the_answer_of_preflight(app: FmctlApp, size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        heard: list[Any] = []
        wanted = app.core.launching.preflight("small", {}, heard.append)  # type: ignore[union-attr]
        assert view.answer.document["result"] == wanted.document["result"]
        assert [len(one.rows) for one in heard] == list(range(1, len(wanted.rows) + 1))  # one by one
        assert view.query_one("#checks", Rows).row_count == len(wanted.rows)
        assert view.command == "fmctl preflight small"
        text = shown(pilot)
        assert "account" in text and "nothing was spent or changed" in text
        assert "reservation  none" in text  # the longest label does not run into its value

    run(app, scenario, size)


def test_the_files_are_those_of_render_and_the_command_writes_them(app: FmctlApp, folders: Path) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot, "cluster.yaml")
        rendered = {one["name"]: one["text"] for one in view.answer.document["result"]["files"]}
        for page in ("cluster.yaml", "job.sbatch", "job.env"):
            box = view.query_one(f"#page-{page.replace('.', '-')}", FileBox)
            assert box.text == rendered[page]
        assert view.command == f"fmctl render small -O ./{view.cluster}"
        await pilot.press("w")
        await pilot.press("enter")
        await until(pilot, (folders / view.cluster / "job.env").exists)
        assert (folders / view.cluster / "cluster.yaml").read_text() == rendered["cluster.yaml"]

    run(app, scenario)


def test_an_edit_is_checked_and_never_launched(app: FmctlApp, operations: Operations) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot, "cluster.yaml")
        box = view.query_one("#page-cluster-yaml", FileBox)
        await pilot.press("tab")
        await pilot.press(*"[broken")
        await until(pilot, lambda: "not YAML" in shown(pilot))
        assert "L launches the plan's own" in shown(pilot)
        area = box.query_one("FileText")
        operations.world.findings = (Finding("ERROR", "SubnetValidator", "no such subnet"),)
        area.text = box.original + "\n# mine\n"  # type: ignore[attr-defined]
        await until(pilot, lambda: "SubnetValidator: no such subnet" in shown(pilot))
        await pilot.press("escape")
        assert view.focused.id == "pages"

    run(app, scenario, (110, 30))


@pytest.mark.parametrize("typed", ["", "smal", "fm-smallx", "y"])
def test_a_wrong_name_launches_nothing(app: FmctlApp, operations: Operations, typed: str) -> None:
    made = list(operations.world.made)

    async def scenario(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, ConfirmName))
        await pilot.press(*typed, "enter")
        await pilot.pause(0.1)
        if isinstance(app.screen, ConfirmName):
            await pilot.press("escape")
        await until(pilot, lambda: not list(app.tasks.active()))
        assert "was not launched" in shown(pilot)

    run(app, scenario)
    assert operations.world.made == made


def test_consent_shows_account_and_money_and_the_name_launches(app: FmctlApp, operations: Operations) -> None:
    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        await pilot.press("L")
        await until(pilot, lambda: isinstance(app.screen, ConfirmName))
        text = shown(pilot)
        row = app.core.load_plan("small")["result"]["rows"][0]
        assert "account 123456789012" in text and "us-east-1" in text and "stays after teardown" in text
        assert f"{row['nodes']} x {row['instance']}" in text
        assert f"${row['nodes'] * 55.04:,.2f} an hour" in text and "then AWS deletes it" in text
        await pilot.press(*view.cluster, "enter")
        await until(pilot, lambda: not list(app.tasks.active()))
        assert f"stack {view.cluster}" in operations.world.made
        await until(pilot, lambda: f"{view.cluster} runs" in shown(pilot))
        await pilot.press("o")
        await until(pilot, lambda: f"{view.cluster}: ready" in shown(pilot))

    run(app, scenario, (100, 30))


def test_read_only_launches_nothing_and_says_why(operations: Operations) -> None:
    app = FmctlApp(operating_core(operations, ThreadPlanning(answer), read_only=True))

    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        await pilot.press("L")
        await pilot.pause()
        assert app.screen is view and not list(app.tasks.active())
        assert "launching is switched off" in shown(pilot) and "[read-only]" in shown(pilot)

    run(app, scenario)


def test_a_failed_check_stops_the_launch_before_it_asks(app: FmctlApp, operations: Operations) -> None:
    operations.survey_answers.limit = 8.0

    async def scenario(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("L")
        await until(pilot, lambda: "checks fail" in shown(pilot))
        assert not isinstance(app.screen, ConfirmName) and "quota" in shown(pilot)

    run(app, scenario)


def test_a_rehearsal_tells_its_events_and_ends_in_the_command_s_answer(
    app: FmctlApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    result = {
        "cluster": "small", "rehearsed": True, "condition": "ready", "instance": "p5.48xlarge", "nodes": 2,
        "usd_per_h": 110.08, "cap_usd": 776.0, "resources": [{"type": "AWS::EC2::Instance", "count": 1}],
        "stack_events": 7, "simulated_s": 900.0, "torn_down": True, "leftovers": [],
        "cannot_prove": ["that it is real"],
    }  # fmt: skip

    def answered(words: Any, say: Any) -> Any:
        asked.append(list(words))
        say("09:00:00 HeadNode CREATE_COMPLETE")
        return {"result": result, "warnings": []}

    monkeypatch.setattr(itself, "answered", answered)

    async def scenario(pilot: Pilot[None]) -> None:
        view = await opened(pilot)
        await pilot.press("R")
        await until(pilot, lambda: "that it is real" in shown(pilot))
        assert "HeadNode CREATE_COMPLETE" in shown(pilot) and "torn down" in shown(pilot)
        assert view.command == "fmctl launch small --rehearse" and asked == [["launch", "small", "--rehearse"]]

    run(app, scenario, (100, 40))


def test_what_goes_wrong_in_a_rehearsal_is_a_sentence(app: FmctlApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def answered(words: Any, say: Any) -> Any:
        raise OperationFailed("the lab needs moto's server", why="it is not installed", next="pip install 'fmctl[lab]'")

    monkeypatch.setattr(itself, "answered", answered)

    async def scenario(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("R")
        await until(pilot, lambda: "the lab needs moto's server" in shown(pilot))
        assert "pip install 'fmctl[lab]'" in shown(pilot)

    run(app, scenario)


def test_without_a_site_it_says_what_to_type(operations: Operations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FMCTL_SITE")
    app = FmctlApp(operating_core(operations, ThreadPlanning(answer)))

    async def scenario(pilot: Pilot[None]) -> None:
        app.open_named("launch small")
        await until(pilot, lambda: "it is not said where the cluster goes" in shown(pilot))
        await pilot.press(*"site.yaml", "enter")
        await until(pilot, lambda: "nothing was spent or changed" in shown(pilot))
        assert app.screen.command == "fmctl preflight small --site site.yaml"  # type: ignore[attr-defined]

    run(app, scenario)
