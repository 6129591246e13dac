"""Whether a configuration carries the tags by which its stack will be known."""

from __future__ import annotations

from collections.abc import Mapping

from fmctl.base.errors import UsageError
from fmctl.base.parse import NotParsed, from_yaml
from fmctl.targets.target import Rendering


def check_tags(rendering: Rendering) -> None:
    """Raises UsageError where the YAML lacks a tag of the rendering, or is none."""
    try:
        parsed = from_yaml(rendering.config)
    except NotParsed as error:
        raise UsageError("the rendered cluster is not YAML", why=str(error).split("\n", 1)[0]) from None
    listed = parsed.get("Tags") if isinstance(parsed, Mapping) else None
    given = {str(tag.get("Key")): str(tag.get("Value")) for tag in listed or () if isinstance(tag, Mapping)}
    missing = [key for key, value in rendering.tags.items() if given.get(key) != value]
    if missing or not rendering.tags:
        why = f"the YAML lacks {', '.join(missing)}" if missing else "the rendering names no tags"
        raise UsageError("a launch needs tags to know its stack by", why=why, next="fmctl render again")
