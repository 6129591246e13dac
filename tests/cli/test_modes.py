"""What commands write is the user's alone, whatever the umask; what is for others to read, others may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SITE = "region: us-east-1\ncompute_subnet: subnet-0123456789abcdef0\nhead_subnet: subnet-0123456789abcdef1\n"


@pytest.fixture(autouse=True)
def open_to_all() -> Iterator[None]:
    """A umask that takes nothing away."""
    old = os.umask(0)
    yield
    os.umask(old)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def test_plans_settings_and_renderings_are_the_users_alone(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a")
    cli.ok("config", "set", "store", str(tmp_path / "store"))
    cli.ok("render", "a", "--site", "site.yaml", "-O", "made/by/us")
    for folder in ("data", "settings", "made"):
        found = modes(tmp_path / folder)
        assert found
        for path, mode in found.items():
            assert mode == (0o700 if (tmp_path / folder / path).is_dir() else 0o600), path
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("data", "settings", "made")} == {0o700}


@pytest.mark.parametrize("form", ["html", "json", "csv", "md"])
def test_answers_in_a_file_are_the_users_alone(cli: Any, tmp_path: Path, form: str) -> None:
    cli.ok("jobs", "live", "-o", form, "-O", "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_what_is_for_others_is_readable_and_never_writable(cli: Any, tmp_path: Path) -> None:
    cli.ok("completion", "bash", "-O", "fmctl.bash")
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a")
    cli.ok("observe", "render", "a", "-O", "watched")
    found = [tmp_path / "fmctl.bash", *(tmp_path / "watched").iterdir()]
    assert len(found) > 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o644}


def test_a_plan_saved_again_keeps_the_rights_that_its_owner_gave_it(cli: Any, tmp_path: Path) -> None:
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a")
    plan = next((tmp_path / "data").rglob("a.json"))
    plan.chmod(0o640)
    cli.ok("plan", "llama-3.1-70b", "--nodes", "8", "--save", "a")
    assert stat.S_IMODE(plan.stat().st_mode) == 0o640


def test_a_rehearsals_store_is_gone_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fmctl.usecases import lab

    class Target:
        closed = False

        def close(self) -> None:
            self.closed = True

    class Running:
        endpoint = "http://127.0.0.1:1"

    target, folder = Target(), tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(lab.process, "lab_folder", lambda: folder)
    monkeypatch.setattr(lab, "_running", Running)
    monkeypatch.setattr("fmctl.targets.registry.kind", lambda name: type("K", (), {"connect": lambda *a: target})())
    site = type("S", (), {"target": "parallelcluster"})()
    with pytest.raises(KeyboardInterrupt), lab.ports(site, {}) as ports:  # type: ignore[arg-type]
        ports.store.create("clusters/a.json", "{}")
        assert {mode & 0o077 for mode in modes(folder).values()} == {0}
        raise KeyboardInterrupt
    assert list(folder.iterdir()) == []
    assert target.closed
