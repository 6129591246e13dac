"""What a launch needs before anything is asked or made: a name, an end, and tags to know its stack by."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.base.errors import UsageError
from fmctl.domain.cluster import ClusterSpec
from fmctl.operate.actions import Rendering
from fmctl.operate.records import check_name

MOST_HOURS = 24.0 * 366


def check_launchable(spec: ClusterSpec, rendering: Rendering) -> None:
    """A name, an end, and tags in the YAML by which the stack will be known. Raises UsageError."""
    import yaml

    check_name(spec.name)
    if not 0 < spec.max_hours <= MOST_HOURS:
        raise UsageError(f"{spec.name} needs an end: {spec.max_hours} hours are none", next="--max-hours 24")

    try:
        parsed = yaml.safe_load(rendering.config)
    except yaml.YAMLError as error:
        raise UsageError("the rendered cluster is not YAML", why=str(error).split("\n", 1)[0]) from None
    listed = parsed.get("Tags") if isinstance(parsed, Mapping) else None
    given = {str(tag.get("Key")): str(tag.get("Value")) for tag in listed or () if isinstance(tag, Mapping)}
    missing = [key for key, value in rendering.tags.items() if given.get(key) != value]
    if missing or not rendering.tags:
        why = f"the YAML lacks {', '.join(missing)}" if missing else "the rendering names no tags"
        raise UsageError("a launch needs tags to know its stack by", why=why, next="fmctl render again")
