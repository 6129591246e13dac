"""What a kind of input is: how it is drawn, how it is read, and what the result may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from fmctl.domain.state import Stored
from tests.budget._mutate import Mutator

ROOT = Path(__file__).parents[2]
DAY = date(2026, 11, 22)
AT = "2026-11-22T10:00:00+00:00"
ABOVE_ZERO = ("usd_per_h", "price_usd_per_h", "max_hours", "hidden", "vocab", "seq", "amount")


@dataclass(frozen=True)
class Kind:
    """What is read.

    `make` draws an input, `read` reads it. Names in `signed` may be negative, those in `odd` not finite.
    """

    make: Callable[[Mutator], Any]
    read: Callable[[Any], object]
    signed: frozenset[str] = frozenset()
    odd: frozenset[str] = frozenset()


def documents(dump: Callable[[object], str], *good: object) -> Callable[[Mutator], str]:
    """Inputs out of good documents."""
    return lambda m: m.text(m.random.choice(good), dump)


class Texts:
    """A state store in memory."""

    where = "memory"

    def __init__(self, **texts: str) -> None:
        self.texts = {key.replace("__", "/"): text for key, text in texts.items()}

    def read(self, key: str) -> Stored | None:
        text = self.texts.get(key)
        return None if text is None else Stored(text, "1")

    def create(self, key: str, text: str) -> Stored | None:
        return None if key in self.texts else self._put(key, text)

    def replace(self, key: str, text: str, version: str) -> Stored | None:
        return self._put(key, text)

    def keys(self, folder: str) -> tuple[str, ...]:
        return tuple(sorted(key for key in self.texts if key.startswith(folder)))

    def append(self, key: str, text: str, before: Stored | None) -> Stored | None:
        return self._put(key, ("" if before is None else before.text) + text)

    def _put(self, key: str, text: str) -> Stored:
        self.texts[key] = text
        return Stored(text, "1")


class Files:
    """Inputs as files: a new name each, so that nothing is remembered of the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()

    def __call__(self, text: str, name: str) -> Path:
        for old in self._folder.glob(f"*-{name}"):
            old.unlink()
        path = self._folder / f"{next(self._numbers)}-{name}"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return path


def walked(found: object, kind: Kind, name: str = "", depth: int = 0) -> Iterator[str]:
    """What in a result is no number that it can be."""
    if isinstance(found, bool) or found is None or isinstance(found, str | bytes) or depth > 40:
        return
    if isinstance(found, int | float | datetime):
        yield from _wrong(found, kind, name)
        return
    for key, one in _inner(found, name):
        yield from walked(one, kind, name if name in kind.signed else key, depth + 1)


def _wrong(found: float | datetime, kind: Kind, name: str) -> Iterator[str]:
    if isinstance(found, datetime):
        if found.tzinfo is None:
            yield f"{name} = {found} without zone"
    elif name not in kind.odd and not abs(found) <= 1e30:
        yield f"{name} = {str(found)[:40]}"
    elif (found < 0 and name not in kind.signed) or (found == 0 and name in ABOVE_ZERO):
        yield f"{name} = {found}"


def _inner(found: object, name: str) -> list[tuple[str, object]]:
    if hasattr(found, "_asdict"):
        return list(found._asdict().items())
    if isinstance(found, Mapping):
        return [(str(key), one) for key, one in found.items()]
    if isinstance(found, list | tuple | set | frozenset):
        return [(name, one) for one in found]
    return [(field, getattr(found, field)) for field in getattr(found, "__dataclass_fields__", ())]


def botocore(found: object, good: object) -> object:
    """What botocore makes of an answer: fields can be missing, and are of their types otherwise."""
    if isinstance(good, dict):
        given = found if isinstance(found, dict) else {}
        return {key: botocore(given[key], one) for key, one in good.items() if key in given}
    if isinstance(good, list):
        return [botocore(one, good[0]) for one in found] if isinstance(found, list) and good else []
    return str(found) if isinstance(good, str) else good
