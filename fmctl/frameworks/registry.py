"""The training frameworks, one line each; what stands in a folder is imported when it is asked for.

A folder holds `profile` (PROFILES: the constants, with `limits`: which layouts it can run), and, where `parts` names
them, `recipe` (RECIPE: how its program is told a layout) and `log` (LOG: how its lines are read). Names cost nothing:
completion lists them without NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fmctl.domain.framework import Framework
    from fmctl.frameworks.log import Log
    from fmctl.frameworks.recipe import Recipe


class Folder(NamedTuple):
    """A framework's package, the profiles that it has, and which of recipe and log."""

    package: str
    profiles: tuple[str, ...] = ()
    parts: tuple[str, ...] = ("recipe", "log")


# A profile is trained by the first recipe that names it, unless another is asked for.
FOLDERS: tuple[Folder, ...] = (
    Folder("fmctl.frameworks.megatron", ("megatron", "megatron-unfused")),
    Folder("fmctl.frameworks.megatron_bridge", parts=("recipe",)),
    Folder("fmctl.frameworks.torchtitan", ("torchtitan", "torchtitan-eager")),
    Folder("fmctl.frameworks.nanotron", ("nanotron",)),
    Folder("fmctl.frameworks.deepspeed", ("deepspeed",)),
    Folder("fmctl.frameworks.internevo", ("internevo",), parts=()),
    Folder("fmctl.frameworks.composer", ("composer",), parts=()),
)


class _Frameworks(Mapping[str, "Framework"]):
    """Profiles by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> Framework:
        folder = _folder_of(name)
        if folder is None:
            raise KeyError(name)
        return next(found for found in _profiles(folder.package) if found.name == name)

    def __iter__(self) -> Iterator[str]:
        return (name for folder in FOLDERS for name in folder.profiles)

    def __len__(self) -> int:
        return sum(len(folder.profiles) for folder in FOLDERS)


FRAMEWORKS: Mapping[str, Framework] = _Frameworks()


def recipes() -> tuple[Recipe, ...]:
    """Every recipe, in the order of the folders."""
    return tuple(_recipe(folder.package) for folder in FOLDERS if "recipe" in folder.parts)


def logs() -> tuple[Log, ...]:
    """Every log reader, in the order of the folders."""
    return tuple(_log(folder.package) for folder in FOLDERS if "log" in folder.parts)


def log_of(framework: str) -> Log:
    """How a profile's logs are read; a log that counts as most do where the framework has none of its own."""
    from fmctl.frameworks.log import Log

    folder = _folder_of(framework)
    return _log(folder.package) if folder is not None and "log" in folder.parts else Log()


def _folder_of(profile: str) -> Folder | None:
    return next((folder for folder in FOLDERS if profile in folder.profiles), None)


@cache
def _profiles(package: str) -> tuple[Framework, ...]:
    found: tuple[Framework, ...] = import_module(f"{package}.profile").PROFILES
    return found


@cache
def _recipe(package: str) -> Recipe:
    found: Recipe = import_module(f"{package}.recipe").RECIPE
    return found


@cache
def _log(package: str) -> Log:
    found: Log = import_module(f"{package}.log").LOG
    return found
