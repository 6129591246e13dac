"""A framework is known in its folder and its line of the registry: nothing else asks for one by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module

import pytest

from fmctl.domain.framework import Limits
from fmctl.frameworks.log import Log
from fmctl.frameworks.recipe import Recipe
from fmctl.frameworks.registry import FOLDERS, FRAMEWORKS, Folder, logs, recipes
from tests.unit.house.scan import HOME, code_of, files

NAME = re.compile(r"megatron|titan|nanotron|deepspeed|internevo|composer\b|llm-foundry", re.IGNORECASE)
# Where a name may stand in code, and why.
ALLOWED = {
    "frameworks/registry.py": "the registry",
    "base/settings.py": "the default of a setting",
    "domain/software.py": "versions of packages that a site names; one of them is Megatron-Bridge",
    "validation/": "the dialects in which published runs are written down",
}
# Words for people, by which an option is explained.
HELP = {"cli/cluster_options.py": "the help of --recipe"}


def named() -> Iterator[str]:
    """Places that name a framework, outside the folders."""
    folders = {folder.package.rpartition(".")[2] for folder in FOLDERS}
    for place, path in files():
        if (place.startswith("frameworks/") and place.split("/")[1] in folders) or place.startswith(tuple(ALLOWED)):
            continue
        yield from (place for text in code_of(path) if NAME.search(text))


def test_no_framework_is_named_outside_its_folder() -> None:
    assert set(named()) == set(HELP)


def test_what_is_allowed_is_needed() -> None:
    for place in ALLOWED:
        paths = [HOME / place] if place.endswith(".py") else sorted((HOME / place).rglob("*.py"))
        assert any(NAME.search(text) for path in paths for text in code_of(path)), place


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.package.rpartition(".")[2])
def test_a_folder_holds_what_the_registry_says(folder: Folder) -> None:
    there = {path.stem for path in (HOME.parent / folder.package.replace(".", "/")).glob("*.py")}
    assert set(folder.parts) == there & {"recipe", "log"}
    assert ({"profile", "limits"} <= there) == bool(folder.profiles)
    if folder.profiles:
        assert tuple(one.name for one in import_module(f"{folder.package}.profile").PROFILES) == folder.profiles
        assert isinstance(import_module(f"{folder.package}.limits").LIMITS, Limits)


def test_recipes_train_profiles_that_there_are() -> None:
    assert all(isinstance(recipe, Recipe) and set(recipe.profiles) <= set(FRAMEWORKS) for recipe in recipes())
    assert all(isinstance(log, Log) and {*log.measured_as, *log.flags} <= set(FRAMEWORKS) for log in logs())
    assert len({recipe.name for recipe in recipes()}) == len(recipes())


def test_every_limit_tells_frameworks_apart() -> None:
    for one in fields(Limits):
        assert len({getattr(framework.limits, one.name) for framework in FRAMEWORKS.values()}) > 1, one.name
