"""`render`: what goes where, exit codes, pipes; the texts themselves are tested in tests/unit/targets."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmctl.domain.purchase import launched
from fmctl.usecases.choices import CAPACITIES

SITE = """\
region: us-east-1
compute_subnet: subnet-0123456789abcdef0
head_subnet: subnet-0123456789abcdef1
account: "111122223333"
"""
FILES = ("cluster.yaml", "job.sbatch", "job.env")


@pytest.fixture
def saved(cli: Any, tmp_path: Path) -> Any:
    """A saved plan `a` of two rows, and site.yaml in the working folder."""
    cli.ok("plan", "llama-3.1-70b", "--instances", "p5.48xlarge", "--nodes", "8,16", "--tokens", "1T", "--save", "a")
    (tmp_path / "site.yaml").write_text(SITE)
    return cli


def render(cli: Any, *more: str) -> Any:
    return cli("render", "a", "--site", "site.yaml", *more)


def document(cli: Any, *more: str) -> Any:
    ran = render(cli, "--json", *more)
    assert ran.code == 0, ran.err
    return ran.json()


def test_purchases_are_those_of_the_domain() -> None:
    assert launched() == CAPACITIES


def test_a_folder_gets_three_files_and_stdout_nothing(saved: Any, tmp_path: Path) -> None:
    ran = render(saved, "-O", "new/out")
    assert (ran.code, ran.out) == (0, "")
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == sorted(FILES)
    assert "wrote cluster.yaml, job.sbatch, job.env for fm-a to new/out" in ran.err
    assert yaml.safe_load((tmp_path / "new/out/cluster.yaml").read_text())["Region"] == "us-east-1"
    assert render(saved, "-O", "new/out", "-q").err == ""


def test_what_is_rendered_is_for_its_owner_alone(saved: Any, tmp_path: Path) -> None:
    was = os.umask(0)
    try:
        assert render(saved, "-O", "out").code == 0
    finally:
        os.umask(was)
    assert {stat.S_IMODE((tmp_path / "out" / name).stat().st_mode) for name in FILES} == {0o600}


def test_without_a_folder_everything_is_on_stdout(saved: Any) -> None:
    ran = render(saved)
    assert [line for line in ran.out.splitlines() if line.startswith("# ==> ")] == [f"# ==> {n} <==" for n in FILES]


def test_the_document_holds_the_files_and_their_digest(saved: Any, tmp_path: Path) -> None:
    found = document(saved, "-O", "out")
    assert found["schema"] == "fmctl.render/1"
    files = {one["name"]: one["text"] for one in found["result"]["files"]}
    assert files == {name: (tmp_path / "out" / name).read_text() for name in FILES}
    assert found["result"]["digest"].startswith("sha256:")
    assert document(saved)["result"]["digest"] == found["result"]["digest"]
    assert document(saved, "--idle-minutes", "7")["result"]["digest"] != found["result"]["digest"]
    assert "111122223333" not in json.dumps(found)


def test_options_reach_the_cluster(saved: Any) -> None:
    found = document(
        saved, "--row", "2", "--cluster-name", "mine", "--purchase", "odcr", "--reservation", "cr-0123456789abcdef0",
        "--max-hours", "12.5", "--idle-minutes", "5", "--static", "--no-efa",
    )  # fmt: skip
    assert found["inputs"] | {"plan_digest": ""} == {
        "plan": "a", "plan_digest": "", "rank": 2, "cluster": "mine", "region": "us-east-1", "purchase": "odcr",
        "reservation": "cr-0123456789abcdef0", "max_hours": 12.5, "idle_minutes": 5, "static": True, "efa": False,
    }  # fmt: skip
    assert found["result"]["nodes"] == 16


def test_site_and_hours_may_be_settings_of_the_user(saved: Any, tmp_path: Path) -> None:
    (tmp_path / "settings" / "fmctl").mkdir(parents=True)
    (tmp_path / "settings" / "fmctl" / "config.toml").write_text('site = "site.yaml"\nmax_hours = 9\n')
    found = saved.ok("render", "a", "--json").json()
    assert (found["inputs"]["region"], found["inputs"]["max_hours"]) == ("us-east-1", 9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("render", "a"), "--site site.yaml"),
        (("render", "a", "--site", "gone.yaml"), "cannot read site gone.yaml"),
        (("render", "aa", "--site", "site.yaml"), "no plan called 'aa'"),
        (("render", "gone.json", "--site", "site.yaml"), "cannot read"),
        (("render", "a", "--site", "site.yaml", "--row", "3"), "no row 3"),
        (("render", "a", "--site", "site.yaml", "--purchase", "odcr"), "needs one reservation"),
        (("render", "a", "--site", "site.yaml", "--purchase", "reserved-1y"), "no purchase option"),
        (("render", "a", "--site", "site.yaml", "--max-hours", "0.1"), "max hours 0.1"),
        (("render", "a", "--site", "site.yaml", "--idle-minutes", "9999"), "the most is 1,440"),
        (("render", "a", "--site", "site.yaml", "--cluster-name", "$(id)"), "--cluster-name"),
        (("render", "a", "--site", "site.yaml", "-O", ""), "--out needs a folder"),
    ],
)
def test_what_cannot_be_rendered_is_one_error(saved: Any, words: tuple[str, ...], said: str) -> None:
    ran = saved(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("fmctl: error:") == 1
    assert said in ran.err


def test_a_folder_that_cannot_be_made_is_exit_1(saved: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = render(saved, "-O", "file/out")
    assert ran.code == 1
    assert "cannot write" in ran.err


def test_a_plan_that_was_edited_is_rendered_with_a_warning(saved: Any, tmp_path: Path) -> None:
    path = tmp_path / "data" / "plans" / "a.json"
    path.write_text(path.read_text().replace('"dp": 2', '"dp": 1'))
    assert "fmctl: warning: a was changed after it was saved" in render(saved).err
    assert "a was changed after it was saved" in document(saved)["warnings"]


def test_documents_in_files_are_plans_too(saved: Any, tmp_path: Path) -> None:
    saved.ok("plan", "llama-3.1-70b", "--nodes", "8", "--json", "-O", "my.json")
    saved.ok("estimate", "llama-3.1-70b", "--nodes", "8", "--json", "-O", "estimate.json")
    for name in ("my", "estimate"):
        found = saved.ok("render", f"{name}.json", "--site", "site.yaml", "--json").json()
        assert found["inputs"]["plan"] == name


def test_rows_and_queries(saved: Any) -> None:
    assert render(saved, "--fields", "name", "-o", "csv").out.split() == ["name", *FILES]
    assert render(saved, "--query", "result.cluster").out == "fm-a\n"
    assert "## cluster.yaml" in render(saved, "-o", "md").out


def test_reader_that_goes_away_and_full_disk(saved: Any, tmp_path: Path) -> None:
    command = f"{sys.executable} -m fmctl render a --site site.yaml -q"
    for tail, code in (("| true", 0), ("> /dev/full", 1), (">&-", 1)):
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{command} {tail}"], capture_output=True, text=True, check=False,
            timeout=60, env={**os.environ, "FMCTL_DATA": str(tmp_path / "data")}, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


def test_rendering_loads_no_cloud_library(saved: Any, tmp_path: Path) -> None:
    probe = (
        "import sys; from fmctl.__main__ import main; main(['render', 'a', '--site', 'site.yaml', '-q']); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert not {"boto3", "botocore", "textual", "rich"} & set(done.stderr.split())


def test_a_row_that_its_program_cannot_run_names_the_next_that_it_can(saved: Any) -> None:
    document = saved.ok(
        "plan", "llama-3.1-70b", "--instances", "p5.48xlarge", "--nodes", "8,16", "--framework", "nanotron", "--json"
    ).json()  # fmt: skip
    for second, said in (("selective", "no row of this plan can be run"), ("full", "--row 2")):
        for row, recompute in zip(document["result"]["rows"], ("selective", second), strict=True):
            row["layout"]["recompute"] = recompute  # as an older fmctl planned it
        Path("c.json").write_text(json.dumps(document))
        ran = saved("render", "c.json", "--site", "site.yaml")
        assert ran.code == 2
        assert "nanotron cannot run this layout" in ran.err and "recomputes all layers whole or none" in ran.err
        assert said in ran.err


def test_another_program_is_asked_for_by_name(saved: Any) -> None:
    assert "JOB_RECIPE=''\n" in saved.ok("render", "a", "--site", "site.yaml", "--recipe", "megatron-bridge").out
    ran = render(saved, "--recipe", "megatron-brige")
    assert ran.code == 2 and "megatron-bridge" in ran.err
