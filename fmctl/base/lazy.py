"""Modules imported when the first of their functions is called: start-up pays for what it runs alone."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for a module wherever its functions are called as methods; hand it out typed by a Protocol.

    Args:
        home: the module that has what is asked for.
        elsewhere: names that another place has, as `module:attribute`.
    """

    def __init__(self, home: str, **elsewhere: str) -> None:
        self._home, self._elsewhere = home, elsewhere

    def __getattr__(self, name: str) -> Any:
        module, _, attribute = self._elsewhere.get(name, f"{self._home}:{name}").partition(":")
        return getattr(import_module(module), attribute)


def lazily(home: str, **elsewhere: str) -> Any:
    """The functions of a module as an object of whatever Protocol the caller says it is. See `Lazy`."""
    return Lazy(home, **elsewhere)


class _Later:
    def __init__(self, place: str, given: tuple[object, ...]) -> None:
        self._place, self._given, self._made = place, given, None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            module, _, kind = self._place.partition(":")
            self._made = getattr(import_module(module), kind)(*self._given)
        return getattr(self._made, name)


def later(place: str, *given: object) -> Any:
    """An object of a class, `module:Class`, imported and made when it is first asked for anything."""
    return _Later(place, given)
