"""Price files: their columns, how they are read, and where the user's snapshots of AWS's own lists lie.

A snapshot is a folder `prices/<day>` in the user's data folder with the files of `pricing/`, in the same form: its rows
are read like any others, so that a newer one counts and an older day still finds what held then.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path

from fmctl.base.errors import UsageError, shorten
from fmctl.base.folders import data_folder
from fmctl.catalog.store import read_csv, unreadable
from fmctl.domain.hardware import Price, StoragePrice

INSTANCE_COLUMNS = ("instance", "region", "option", "usd_per_h", "date", "source", "note")
STORAGE_COLUMNS = ("item", "region", "unit", "usd", "date", "source", "note")
SNAPSHOTS = "prices"

DEAREST_USD = 1e6
"""Of an hour, a GB and month, or a request: far beyond any price."""


def usd_of(text: str) -> float:
    """A price above zero. Raises ValueError."""
    found = float(text)
    if not 0.0 < found <= DEAREST_USD:  # neither is NaN
        raise ValueError(f"{shorten(text, 40)} is no price")
    return found


@cache
def read_prices(path: Path) -> tuple[Price, ...]:
    """The rows of a file like pricing/instances.csv. Raises UnreadableFile."""
    return tuple(Price(usd_per_h=usd, **row) for row, usd in _rows(path, INSTANCE_COLUMNS, "usd_per_h"))


@cache
def read_storage_prices(path: Path) -> tuple[StoragePrice, ...]:
    """The rows of a file like pricing/storage.csv. Raises UnreadableFile."""
    return tuple(StoragePrice(usd=usd, **row) for row, usd in _rows(path, STORAGE_COLUMNS, "usd"))


def snapshot_files(name: str) -> tuple[Path, ...]:
    """The files `name` of all snapshots, oldest first; none where there is no data folder."""
    try:
        folder = data_folder(SNAPSHOTS)
    except UsageError:
        return ()
    return _listed(folder, name)


def snapshot_file(day: date, name: str) -> Path:
    """Where the snapshot of a day keeps its file `name`."""
    return data_folder(SNAPSHOTS) / day.isoformat() / name


def forget() -> None:
    """Read everything again: after a snapshot was written."""
    for cached in (_listed, read_prices, read_storage_prices):
        cached.cache_clear()


def price_text(rows: Iterable[Price]) -> str:
    """Rows as a file like pricing/instances.csv."""
    return _text(INSTANCE_COLUMNS, rows)


def storage_price_text(rows: Iterable[StoragePrice]) -> str:
    """Rows as a file like pricing/storage.csv."""
    return _text(STORAGE_COLUMNS, rows)


@cache
def _listed(folder: Path, name: str) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob(f"????-??-??/{name}")))


def _rows(path: Path, columns: tuple[str, ...], amount: str) -> Iterable[tuple[dict[str, str], float | None]]:
    for row in read_csv(path):
        try:
            texts = {name: row[name] for name in columns if name != amount}
            if not all(isinstance(text, str) for text in texts.values()):
                raise ValueError("it is too short")
            storage = amount == "usd"
            if texts["date"] or not storage:  # a guide's price of storage may say no day
                date.fromisoformat(texts["date"])
            free = storage and row[amount] and float(row[amount]) == 0.0  # a service may be free, an instance never
            yield texts, 0.0 if free else usd_of(row[amount]) if row[amount] else None
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable(path, ValueError(f"a row is not {','.join(columns)}: {error}")) from None


def _text(columns: tuple[str, ...], rows: Iterable[Price] | Iterable[StoragePrice]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (getattr(row, name) for name in columns)
        writer.writerow(["" if value is None else value for value in values])
    return out.getvalue()
