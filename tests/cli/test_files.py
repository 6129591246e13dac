"""Files that never end, never answer or are none: every command says so, at once, and a teardown goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fmctl.base.errors import UnreadableFile
from fmctl.catalog.price_files import read_prices, read_storage_prices
from fmctl.operate.state.files import FileStore
from tests.budget.fuzz import in_time
from tests.cli.test_hostile import assert_one_error

ASKED = {
    "site": ("render", "a", "--site", "%s"), "plan": ("render", "%s.json"), "model": ("models", "show", "%s.yaml"),
    "config": ("models", "import", "%s.json"), "measured": ("validate", "--data", "%s"), "explained": ("explain",
    "%s.json"),
    "log": ("progress", "a", "--log", "%s"),
}  # fmt: skip


@pytest.fixture(params=["pipe", "device", "folder"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def make(path: Path) -> Path:
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        return path

    return make


@pytest.mark.parametrize("what", ASKED)
def test_what_is_no_file_is_an_error_of_every_command(cli: Any, given: Any, tmp_path: Path, what: str) -> None:
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a")
    words = ASKED[what]
    given(tmp_path / ("given" + next(word for word in words if "%s" in word)[2:]))
    with in_time(5.0):
        ran = cli(*(word.replace("%s", str(tmp_path / "given")) for word in words))
    assert_one_error(ran)
    assert "next:" in ran.err


@pytest.mark.parametrize("name", ["fmctl.toml", "pyproject.toml"])
def test_settings_of_a_folder_that_are_no_file_stop_nothing(cli: Any, given: Any, tmp_path: Path, name: str) -> None:
    given(tmp_path / name)
    with in_time(5.0):
        assert cli("instances", "list").code == 0
        ran = cli("teardown", "live", "--yes")
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("words", [
    ("status", "--store", "a\0b"), ("config", "set", "site", "\udcff"), ("config", "set", "site", "a\0b"),
    ("render", "a\0b.json"), ("models", "list", "-O", "a\0b"), ("models", "show", "\udcff.yaml"), ("plan",
    "llama-3.1-8b", "--save", "\udcff"),
    ("history", "--store", "\udcff"), ("status", "\0"), ("report", "a\0b"), ("logs", "live", "--head", "ssh://a\0b"),
])  # fmt: skip
def test_bytes_that_no_name_can_have_are_an_error(cli: Any, words: tuple[str, ...]) -> None:
    ran = cli(*words)
    assert "internal" not in ran.err, ran.err
    assert "Traceback" not in ran.err


def test_a_store_of_files_reads_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    os.mkfifo(tmp_path / "plans" / "a.json")
    with in_time(5.0), pytest.raises(UnreadableFile):
        FileStore(tmp_path).read("plans/a.json")
    assert FileStore(tmp_path).read("plans/b.json") is None


@pytest.mark.parametrize("row", [
    "p5.48xlarge,us-east-1,on-demand,NaN,2026-11-22,s,", "p5.48xlarge,us-east-1,on-demand,-1,2026-11-22,s,",
    "p5.48xlarge,us-east-1,on-demand,inf,2026-11-22,s,", "p5.48xlarge,us-east-1,on-demand,0,2026-11-22,s,",
    "p5.48xlarge,us-east-1,on-demand,55,,s,", "p5.48xlarge,us-east-1,on-demand,55,tomorrow,s,", "p5.48xlarge,us-east-1",
    "p5.48xlarge,us-east-1,on-demand,1e9,2026-11-22,s,",
])  # fmt: skip
def test_a_price_on_file_that_is_none_is_refused(tmp_path: Path, row: str) -> None:
    path = tmp_path / "instances.csv"
    path.write_text(f"instance,region,option,usd_per_h,date,source,note\n{row}\n")
    with pytest.raises(UnreadableFile, match="instances"):
        read_prices(path)
    path = tmp_path / "storage.csv"
    path.write_text("item,region,unit,usd,date,source,note\nefa,*,any,0,2026-01-01,s,\n")
    assert read_storage_prices(path)[0].usd == 0.0
