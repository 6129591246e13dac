"""Saved plans: one JSON file each in the user's data folder, written whole, sealed with a digest.

The digest covers what a launch would rely on (inputs, layouts, prices): an edited file still shows, and says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fmctl.base.errors import UnknownName, UnreadableFile, UsageError, shorten
from fmctl.base.files import read_text, write_atomic
from fmctl.base.folders import data_folder
from fmctl.base.parse import NotParsed, from_json
from fmctl.domain.digest import sealed

if TYPE_CHECKING:
    from fmctl.domain.planrow import PlanOrEstimate

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_SUFFIX = ".json"


def plans_folder() -> Path:
    """Where plans are kept. Raises UsageError where no home folder is known."""
    return data_folder("plans")


def check_name(name: str, what: str = "plan", example: str = "--save llama-70b-p5") -> str:
    """The name, if a plan (or another thing that is saved by name) may have it. Raises UsageError."""
    if NAME.fullmatch(name) is None or ".." in name:
        why = (
            "a name is 1 to 64 letters, digits, dots, dashes and underscores, beginning and ending in a letter or digit"
        )
        raise UsageError(f"'{shorten(name)}' cannot be the name of a {what}", why=why, next=example)
    return name


def plan_names() -> list[str]:
    """Names of the saved plans, sorted; none where there is no folder."""
    return names_in(plans_folder)


def names_in(folder: Callable[[], Path]) -> list[str]:
    """Names of what is saved in a folder, sorted; none where there is no folder, or no home for it."""
    try:
        entries = os.listdir(folder())  # noqa: PTH208 - no Path per file: this answers the completion
    except (OSError, UsageError):
        return []
    names = (entry.removesuffix(_SUFFIX) for entry in entries if entry.endswith(_SUFFIX))
    return sorted(name for name in names if NAME.fullmatch(name))


def save(name: str, document: Mapping[str, object], saved_at: str) -> Path:
    """Keep a plan document under a name, replacing what had it.

    Args:
        name: see `check_name`.
        document: `fmctl.plan/1`.
        saved_at: ISO date and time.

    Raises:
        UsageError: a name that no plan may have.
        UnwritableFile: the folder or the disk said no.
    """
    path = plans_folder() / f"{check_name(name)}{_SUFFIX}"
    text = json.dumps(sealed(document, name, saved_at), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(path, text, parents=True)
    return path


def load(name: str) -> PlanOrEstimate:
    """A saved plan's document.

    Raises:
        UnknownName: no plan of that name.
        UnreadableFile: it is damaged, or from a version that wrote something else.
    """
    known = plan_names()
    if name not in known:
        raise UnknownName("plan", name, known, next="fmctl plan MODEL --save NAME")
    return read_document(plans_folder() / f"{name}{_SUFFIX}")


def read_document(path: Path) -> PlanOrEstimate:
    """A plan or estimate document from a file, checked against its schema. Raises UnreadableFile."""
    found = parse(read_text(path, what="document"), str(path))
    from fmctl.documents import check

    document: PlanOrEstimate = check(found, str(path))
    return document


def parse(text: str, where: str, *, odd: bool = False) -> object:
    """JSON text as Python; `where` names it in the error, `odd` is that of `from_json`. Raises UnreadableFile."""
    try:
        return from_json(text, odd=odd)
    except NotParsed as error:
        raise UnreadableFile(
            f"{where} is not a document of fmctl",
            why=f"it is not JSON: {error}",
            next="fmctl plan MODEL -o json -O FILE",
        ) from None
