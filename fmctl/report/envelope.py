"""The envelope around every JSON document: what it is, who wrote it, from what, and with which doubts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from fmctl import __version__

if TYPE_CHECKING:
    from fmctl.domain.rows.meta import ErrorDocument


def envelope(
    name: str,
    result: object,
    *,
    inputs: Mapping[str, object] | None = None,
    provenance: Mapping[str, object] | None = None,
    warnings: Iterable[str] = (),
) -> Any:
    """`result` as the document `fmctl.<name>/1`, a row of `fmctl.domain.rows`; what JSON cannot hold becomes null."""
    return {
        "schema": f"fmctl.{name}/1",
        "fmctl_version": __version__,
        "inputs": plain(inputs or {}),
        "provenance": plain(provenance or {}),
        "result": plain(result),
        "warnings": list(dict.fromkeys(warnings)),
    }


def plain(value: Any) -> Any:
    """Plain JSON types all the way down: no tuples, no NaN, no infinity, no integer in disguise."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return [plain(inner) for inner in value]


def error_document(code: str, exit_code: int, what: str, why: str | None, next_step: str | None) -> Any:
    """The document `fmctl.error/1`, the one object on stderr where the output is JSON."""
    error = {"code": code, "exit_code": exit_code, "what": what, "why": why, "next": next_step}
    document: ErrorDocument = envelope("error", error)
    return document
