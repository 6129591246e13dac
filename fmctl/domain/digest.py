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
