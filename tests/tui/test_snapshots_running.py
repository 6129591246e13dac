"""What the screens of clusters and launches look like at two sizes, and the dialogs that ask for a name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Tabs

from fmctl.tui.app import FmctlApp
from fmctl.tui.confirm import ConfirmName
from tests.tui.snapshot import held
from tests.tui.test_clusters import opened as cluster_opened
from tests.tui.test_launch import app as launch_app  # noqa: F401 - a fixture
from tests.tui.test_launch import opened as launch_opened
from tests.tui.test_launch import operations as operations  # noqa: PLC0414 - a fixture, which pytest finds by its name
from tests.tui.world import Operations, run, shown, until

Scene = Callable[[Pilot[None]], Awaitable[Any]]


@pytest.fixture
def app(launch_app: FmctlApp) -> FmctlApp:  # noqa: F811
    return launch_app


def page_of_cluster(page: str, words: str) -> Scene:
    async def scene(pilot: Pilot[None]) -> None:
        await cluster_opened(pilot, page)
        await until(pilot, lambda: words in shown(pilot))

    return scene


def page_of_launch(page: str) -> Scene:
    async def scene(pilot: Pilot[None]) -> None:
        await launch_opened(pilot, page)

    return scene


def asking(*keys: str) -> Scene:
    """The dialog after keys that would change a cluster."""

    async def scene(pilot: Pilot[None]) -> None:
        await cluster_opened(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmName))

    return scene


async def clusters(pilot: Pilot[None]) -> None:
    await pilot.press("5")
    await until(pilot, lambda: "live" in shown(pilot))


async def hours(pilot: Pilot[None]) -> None:
    await cluster_opened(pilot)
    await pilot.press("E")
    await until(pilot, lambda: "such as 12" in shown(pilot))


async def logs(pilot: Pilot[None]) -> None:
    """A log that is read whether or not a job is known yet."""
    view = await cluster_opened(pilot)
    view.log_source = "clustermgtd"
    view.query_one("#pages", Tabs).active = "logs"
    await until(pilot, lambda: "a line of clustermgtd" in shown(pilot))


async def other_log(pilot: Pilot[None]) -> None:
    await cluster_opened(pilot)
    await pilot.press("o")
    await until(pilot, lambda: "slurmctld" in shown(pilot))


async def consent(pilot: Pilot[None]) -> None:
    await launch_opened(pilot)
    await pilot.press("L")
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmName))


SCENES: dict[str, Scene] = {
    "clusters": clusters,
    "cluster": page_of_cluster("overview", "compute nodes"),
    "cluster-stack": page_of_cluster("stack", "WaitCondition"),
    "cluster-events": page_of_cluster("events", "create complete"),
    "cluster-jobs": page_of_cluster("jobs", "waits for enough free nodes"),
    "cluster-run": page_of_cluster("run", "no plan called"),
    "cluster-logs": logs,
    "dialog-logs": other_log,
    "launch": page_of_launch("checks"),
    "launch-files": page_of_launch("cluster.yaml"),
    "dialog-launch": consent,
    "dialog-teardown": asking("D"),
    "dialog-extend": asking("E", "1", "2", "enter"),
    "dialog-extend-hours": hours,
    "dialog-stop": asking("S"),
}


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("name", SCENES)
def test_screens_look_as_they_did(
    app: FmctlApp, operations: Operations, folders: Path, name: str, size: tuple[int, int]
) -> None:
    found = ""

    async def scenario(pilot: Pilot[None]) -> None:
        nonlocal found
        await SCENES[name](pilot)
        await pilot.pause(0.5)  # the line of keys comes a little later than the rest
        found = shown(pilot)

    run(app, scenario, size)
    held(name, size, found)
