"""What the documents name is there: files, folders, tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "NOMENCLATURE.md", "docs/assumptions.md", "docs/recipes.md",
         "docs/chaos.md")  # fmt: skip
# A path with a folder and one of our endings, within backticks; what follows a colon is a name inside the file.
_PATH = re.compile(r"`(?:[a-z]+ )?((?:[\w<>.-]+/)+[\w.-]+\.(?:py|md|yaml|csv|json))(?:: \w+)?[^`]*`")
# What is not ours: files of other programs, and of the user.
_THEIRS = re.compile(r"^(observe|cluster|~|nemo|examples|configs?|recipes|megatron|runs)/|<")


def named(page: str) -> list[str]:
    """Paths of ours that a page names."""
    found = _PATH.findall((ROOT / page).read_text(encoding="utf-8"))
    return [path for path in found if not _THEIRS.search(path)]


def is_there(path: str) -> bool:
    """Whether it is a path from the top, from the package, or from a room of the tests."""
    return any((start / path).exists() for start in (ROOT, ROOT / "fmctl", ROOT / "tests", ROOT / "tests/unit"))


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    assert [path for path in named(page) if not is_there(path)] == []


def test_the_pages_name_many() -> None:
    assert len(named("ARCHITECTURE.md")) > 40
