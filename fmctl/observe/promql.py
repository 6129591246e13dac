"""PromQL put together safely: whatever a user named is one quoted string, in rules, dashboards and templates."""

from __future__ import annotations

from collections.abc import Mapping

_PLAIN = frozenset(" !#%&'()*+,-./:;<=>?@^_`|~")


def quoted(value: str) -> str:
    r"""A PromQL string literal of any text.

    Beside what PromQL needs, `$`, `[`, `{` and `}` become `\xNN`: Grafana would read $name and [[name]] as variables,
    and alert templates {{ as their own.
    """
    return '"' + "".join(c if c.isalnum() or c in _PLAIN else _escaped(c) for c in value) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def selector(labels: Mapping[str, str]) -> str:
    """{name="value", ...}: equal to each."""
    return "{" + ",".join(f"{name}={quoted(value)}" for name, value in labels.items()) + "}"


def with_any(sel: str, label: str, values: tuple[int | str, ...], negate: bool = False) -> str:
    """The selector, and the label one (or none) of these plain words or numbers."""
    words = "|".join(str(value) for value in values)
    return f'{sel[:-1]},{label}{"!~" if negate else "=~"}"{words}"}}'


def span(seconds: float) -> str:
    """A duration of whole seconds, at least one."""
    return f"{max(1, round(seconds))}s"


def number(value: float) -> str:
    """A number as PromQL reads it, all digits kept."""
    return f"({value!r})" if value < 0 else repr(float(value))


def literal(text: str) -> str:
    """Text of a user inside an annotation: the template engine prints it and reads nothing in it."""
    return text.replace("{", '{{"{"}}')
