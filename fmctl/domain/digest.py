"""The digest by which a plan is known: of what it relies on, in one canonical spelling."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_ROW = ("instance", "nodes", "framework", "layout", "workload")


def plan_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 over inputs, layouts and prices."""
    from hashlib import sha256  # start-up: most commands digest nothing

    relied = {
        "inputs": document["inputs"],
        "prices": document["provenance"].get("prices", []),
        "rows": [{key: row[key] for key in _ROW} for row in document["result"]["rows"]],
    }
    canonical = json.dumps(relied, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + sha256(canonical.encode()).hexdigest()


def plan_seal(document: Mapping[str, Any]) -> str:
    """SHA-256 over all that a saved plan says, prices and hours too: by which a change of any of it shows."""
    from hashlib import sha256

    told = {key: value for key, value in document.items() if key != "saved"}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return "sha256:" + sha256(canonical.encode()).hexdigest()


def sealed(document: Mapping[str, Any], name: str, saved_at: str) -> dict[str, Any]:
    """The document as it is saved under a name; saved_at: ISO date and time."""
    digests = {"digest": plan_digest(document), "seal": plan_seal(document)}
    return {**document, "saved": {"name": name, "saved_at": saved_at, **digests}}


def intact(document: Mapping[str, Any]) -> bool:
    """Whether a saved document still is what was saved; a document that was never saved is.

    One that an older fmctl saved has a digest alone, which leaves out what things cost.
    """
    saved = document.get("saved")
    if not isinstance(saved, Mapping):
        return True
    seal = saved.get("seal")
    return saved.get("digest") == plan_digest(document) and seal in (None, plan_seal(document))
