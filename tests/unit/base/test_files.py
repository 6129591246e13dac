from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fmctl.base.errors import ExitCode, UnreadableFile, UnwritableFile
from fmctl.base.files import read_text, write_atomic


def test_writes_and_replaces_leaving_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_atomic(path, "one\n")
    write_atomic(path, "zwei \u00e4\n")
    assert read_text(path) == "zwei \u00e4\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("umask", "shared", "file", "folder"),
    [(0, False, 0o600, 0o700), (0o027, False, 0o600, 0o700), (0, True, 0o644, 0o755), (0o027, True, 0o640, 0o750)],
)
def test_a_new_file_is_the_users_alone_unless_it_is_for_others(
    tmp_path: Path, umask: int, shared: bool, file: int, folder: int
) -> None:
    old = os.umask(umask)
    try:
        write_atomic(tmp_path / "a" / "b" / "new", "x", parents=True, shared=shared)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a" / "b" / "new").stat().st_mode) == file
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "a", tmp_path / "a" / "b")} == {folder}


def test_an_existing_file_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o600)
    write_atomic(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_atomic("/dev/null", "gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_missing_folders_are_made_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    with pytest.raises(UnwritableFile) as caught:
        write_atomic(path, "x")
    assert caught.value.exit_code == ExitCode.FAILED
    assert str(path) in caught.value.what
    assert caught.value.why == "No such file or directory"
    write_atomic(path, "x", parents=True)
    assert path.read_text() == "x"


def test_when_writing_fails_the_old_file_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnwritableFile, match="cannot write"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("folder", "why"), [("/proc", "No such file or directory"), ("file", "Not a directory")], ids=["forbidden", "file"]
)
def test_a_folder_that_takes_no_file_is_one_clear_error(tmp_path: Path, folder: str, why: str) -> None:
    """Root may write nearly everywhere, but not into /proc, and nobody into a file."""
    (tmp_path / "file").write_text("old")
    for parents in (False, True):
        with pytest.raises(UnwritableFile, match="cannot write") as caught:
            write_atomic(tmp_path / folder / "x", "y", parents=parents)
        assert caught.value.why in (why, "Permission denied", "File exists", "Read-only file system")
    assert (tmp_path / "file").read_text() == "old"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(UnwritableFile):
        write_atomic(tmp_path, "x")
    with pytest.raises(UnreadableFile):
        read_text(tmp_path)


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"abc\xff\xfe")
    with pytest.raises(UnreadableFile) as caught:
        read_text(tmp_path / "binary", what="plan")
    assert caught.value.code == "unreadable-file"
    assert caught.value.what.startswith("cannot read plan ")
    assert "byte 3" in (caught.value.why or "")
    for nowhere in (tmp_path / "none", Path("a\0b")):
        with pytest.raises(UnreadableFile):
            read_text(nowhere)


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbf{}")
    assert read_text(tmp_path / "bom") == "{}"
