"""Where the catalogue's files lie, and how they are read: YAML and CSV, with errors that name the file.

In a checkout the data stand at its top (`models/`, `pricing/`); in an installed wheel they are inside the package.
"""

from __future__ import annotations

import csv
from pathlib import Path

from fmctl.base.errors import UnreadableFile
from fmctl.catalog.names import data_path

SAFE_FOR_C = 20_000
"""Characters up to which the C parser is used: it recurses without a limit, and 50,000 open brackets crash it."""
LONGEST_YAML = 1_000_000


def data_dir(name: str) -> Path:
    """The folder of the data set `name` ("models", "pricing")."""
    return Path(data_path(name))


def read_text(path: Path) -> str:
    """The text of a file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def read_yaml(path: Path) -> object:
    """The document in a YAML file."""
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: Path) -> object:
    """The document in YAML text that came from `path`."""
    import yaml  # a tenth of the start-up budget: only when a file is read

    if len(text) > LONGEST_YAML:
        raise UnreadableFile(f"cannot read {path}", why=f"it is longer than {LONGEST_YAML} characters")
    loader = yaml.SafeLoader if len(text) > SAFE_FOR_C else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found: object = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise UnreadableFile(f"{path} is not valid YAML", why=why, next="correct the file") from None
    return found


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UnreadableFile:
    """An error for a file that cannot be read, with the system's reason in plain words."""
    if isinstance(error, OSError):
        why = error.strerror or str(error)
    elif isinstance(error, UnicodeDecodeError):
        why = "it is not UTF-8 text"
    else:
        why = str(error)
    return UnreadableFile(f"cannot read {path}", why=why, next="check the path and its permissions")
