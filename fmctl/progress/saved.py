"""A followed run kept in a file: how far its log was read, and what it came to. The next reading is of news alone.

The file is of one log, one job and one fmctl: where any of them is another, where the log is no longer the one that was
read, or where the file is damaged, the log is read from its beginning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict, cast

from fmctl import __version__
from fmctl.base.errors import UnreadableFile
from fmctl.base.files import read_text, write_atomic
from fmctl.base.parse import from_json
from fmctl.base.read import part
from fmctl.domain.logged import Record
from fmctl.progress.feeds import Feed
from fmctl.progress.ranks import Ranks
from fmctl.progress.sketch import Level, Sketch
from fmctl.progress.summary import Summary

SCHEMA = "fmctl.followed/1"
_PARTS: Mapping[str, type[Sketch | Level | Ranks]] = {"sketch": Sketch, "level": Level, "ranks": Ranks}


class _Held(TypedDict):
    schema: str
    fmctl_version: str
    of: dict[str, object]
    feed: dict[str, object]
    total_steps: int | None
    summary: object


def keep(path: Path | str, feed: Feed, summary: Summary) -> None:
    """Write both, whole or not at all; only between two readings are they of one moment. Raises UnwritableFile."""
    held: _Held = {
        "schema": SCHEMA,
        "fmctl_version": __version__,
        "of": _of(feed, summary),
        "feed": feed.state(),
        "total_steps": feed.parser.total_steps,
        "summary": _packed({name: value for name, value in vars(summary).items() if name != "job"}),
    }
    text = json.dumps(held)
    write_atomic(path, json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "held": held}) + "\n")


def resume(path: Path | str, feed: Feed, summary: Summary) -> bool:
    """Bring both to where the file left them; whether they are. Neither is touched where they are not.

    Raises:
        UnreadableFile: there is a file of that name, and it is none of fmctl's: it is not to be written over.
    """
    held = _held(path)
    if held is None or held.get("fmctl_version") != __version__ or held.get("of") != _of(feed, summary):
        return False
    found = _unpacked(held["summary"])
    if not isinstance(found, dict) or found.keys() != vars(summary).keys() - {"job"} or not feed.resume(held["feed"]):
        return False
    feed.parser.total_steps = held["total_steps"]
    for name, value in found.items():
        setattr(summary, name, value)
    return True


def _held(path: Path | str) -> _Held | None:
    try:
        there = Path(path).exists()
    except OSError:  # a name too long: writing says so
        there = False
    if not there:
        return None
    text = read_text(path, what="state")
    if not text.strip():  # made beforehand, as mktemp does
        return None
    try:
        whole = part(from_json(text, odd=True))
        held = cast("_Held", whole["held"])
        schema, digest = held["schema"], whole["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = "it is not a followed run that fmctl kept"
        raise UnreadableFile(f"cannot read state {path}", why=why, next="--state with another file") from error
    same = schema == SCHEMA and digest == hashlib.sha256(json.dumps(held).encode()).hexdigest()
    return held if same else None


def _of(feed: Feed, summary: Summary) -> dict[str, object]:
    """What a kept run has to be of."""
    return {"source": feed.parser.source, "job": asdict(summary.job), "parts": sorted(map(sorted, _names()))}


def _names() -> list[list[str]]:
    """Fields of all that is kept: a summary with others cannot go on with these."""
    return [list(vars(part())) for part in _PARTS.values()] + [list(Record._fields)]


def _packed(value: object) -> object:
    """As JSON holds it, with a word for what JSON has no type for."""
    if isinstance(value, Record):
        return {"record": list(value)}
    if isinstance(value, Mapping):
        return {"map": [[_packed(key), _packed(one)] for key, one in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_packed(one) for one in value]}
    kind = next((name for name, part in _PARTS.items() if isinstance(value, part)), None)
    return value if kind is None else {kind: _packed(vars(value))}


def _unpacked(value: object) -> object:
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "record":
        return Record(*held)
    if kind == "tuple":
        return tuple(_unpacked(one) for one in held)
    if kind == "map":
        return {_unpacked(key): _unpacked(one) for key, one in held}
    part, values = _PARTS[kind](), _unpacked(held)
    assert isinstance(values, dict)
    for name, one in values.items():
        was = getattr(part, name)
        setattr(part, name, type(was)(one) if isinstance(was, dict) else one)  # an ordered one stays ordered
    return part
