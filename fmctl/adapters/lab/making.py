"""Resources are made by a creation or an update, never by somebody who looks.

Moto makes a resource when it is first asked for. Somebody who describes a stack while it is made, or after its
resources went, would make them again: a launch template that no stack has any more, whose name is in use for good.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from moto.cloudformation.models import Stack
from moto.cloudformation.parsing import ResourceMap
from moto.ec2.models import ec2_backends
from moto.ec2.models.launch_templates import LaunchTemplate

from fmctl.adapters.lab.patch import patch
from fmctl.adapters.lab.resources import standing_in

_NOW = threading.local()  # makes: whether this thread is in a creation or an update


@contextmanager
def making() -> Iterator[None]:
    """While this lasts, this thread makes what it asks for."""
    before = _makes()
    _NOW.makes = True
    try:
        yield
    finally:
        _NOW.makes = before


def _makes() -> bool:
    return bool(getattr(_NOW, "makes", False))


def remember(resources: ResourceMap) -> None:
    """Keep what there was for those who look later: outputs of a stack that goes stay what they were."""
    patch(resources, "lab_gone", {**gone(resources), **resources._parsed_resources})


def gone(resources: ResourceMap) -> Mapping[str, Any]:
    """What is remembered."""
    found: Mapping[str, Any] = getattr(resources, "lab_gone", {})
    return found


def install(stacks: Callable[[], Iterable[Stack]]) -> None:
    """Patch the map of a stack's resources. stacks: all that there are."""
    make = ResourceMap.__getitem__

    def __getitem__(self: ResourceMap, key: str) -> Any:  # noqa: N807
        if key in self._parsed_resources or key not in self._resource_json_map or _makes():
            return make(self, key)
        wanted = self._resource_json_map[key]
        if wanted.get("Condition") and not self.lazy_condition_map[wanted["Condition"]]:
            return None
        return gone(self).get(key) or standing_in(key, wanted, self._region_name, self._account_id)

    patch(ResourceMap, "__getitem__", __getitem__)
    _free_names(stacks)


def _free_names(stacks: Callable[[], Iterable[Stack]]) -> None:
    """A launch template that a stack left behind gives up its name to the next stack's."""
    create = LaunchTemplate.create_from_cloudformation_json

    def create_anew(name: str, template: dict[str, Any], account: str, region: str, **rest: Any) -> LaunchTemplate:
        ec2 = ec2_backends[account][region]
        left = ec2.launch_template_name_to_ids.get(template.get("Properties", {}).get("LaunchTemplateName", ""))
        if left is not None:
            held = (one for stack in stacks() for one in stack.resource_map._parsed_resources.values())
            made_by_stack = getattr(ec2.launch_templates[left], "lab_of_stack", False)
            if made_by_stack and not any(getattr(one, "id", None) == left for one in held):
                ec2.delete_launch_template("", left)
        made: LaunchTemplate = create(name, template, account, region, **rest)
        patch(made, "lab_of_stack", True)
        return made

    patch(LaunchTemplate, "create_from_cloudformation_json", staticmethod(create_anew))
