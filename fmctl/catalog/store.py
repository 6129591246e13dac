"""Where the catalogue's files lie, and how they are read: YAML and CSV, with errors that name the file.

In a checkout the data stand at its top (`models/`, `pricing/`); in an installed wheel they are inside the package.
"""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

from fmctl.base import files
from fmctl.base.errors import UnreadableFile
from fmctl.base.parse import NotParsed, from_yaml
from fmctl.catalog.names import data_path

_MOST_BYTES = 16 * 2**20


def data_dir(name: str) -> Path:
    """The folder of the data set `name` ("models", "pricing")."""
    return Path(data_path(name))


def read_text(path: Path) -> str:
    """The text of a file. Raises UnreadableFile."""
    return files.read_text(path, most=_MOST_BYTES)


def read_yaml(path: Path) -> object:
    """The document in a YAML file."""
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: Path) -> object:
    """The document in YAML text that came from `path`."""
    try:
        return from_yaml(text)
    except NotParsed as error:
        raise UnreadableFile(f"{path} is not valid YAML", why=str(error), next="correct the file") from None


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line."""
    text = read_text(path)
    try:
        return list(csv.DictReader(StringIO(text, newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UnreadableFile:
    """An error for a file whose content cannot be read."""
    return UnreadableFile(f"cannot read {path}", why=str(error), next="correct the file")
