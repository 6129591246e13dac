"""`fmctl __complete KIND [PREFIX]`: completion values, one per line, without the command line or numpy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from fmctl.base.outputs import OUTPUTS
from fmctl.cli.values import FIELDS


def complete(args: Sequence[str]) -> int:
    """Print the values of a kind that begin with the prefix; nothing, quietly, for anything else.

    A prefix with commas completes its last part and keeps the rest: `p5.48xlarge,p6` gives `p5.48xlarge,p6-...`.
    """
    kind, prefix = (*args, "", "")[:2]
    head, comma, last = prefix.rpartition(",")
    try:
        values = _KINDS[kind]() if kind in _KINDS else []
        found = [head + comma + value for value in values if value.startswith(last)]
        sys.stdout.write("".join(f"{value}\n" for value in found if _plain(value)))
        sys.stdout.flush()
    except BrokenPipeError:
        from fmctl.cli.streams import discard_stdout

        discard_stdout()
    except Exception:  # a shell in the middle of a line has no use for an error
        return 0
    return 0


def _plain(value: str) -> bool:
    """Whether a shell takes the value for nothing but a word: it lands in the line that somebody types."""
    return value.isprintable() and all(c.isalnum() or c in "._-+:,/@=" for c in value)


def _models() -> Sequence[str]:
    from fmctl.catalog import model_names

    return model_names()


def _instances() -> Sequence[str]:
    from fmctl.catalog import instance_names

    return instance_names()


def _plans() -> Sequence[str]:
    from fmctl.operate.store import plan_names

    return plan_names()


def _runs() -> Sequence[str]:
    from fmctl.operate.runs import run_names
    from fmctl.operate.state.files import FileStore

    return run_names(FileStore())


def _calibrations() -> Sequence[str]:
    from fmctl.operate.calibrations import SHIPPED, names

    return [*names(), SHIPPED]


def _subjects() -> Sequence[str]:
    return [*_plans(), *_models()]


def _settings() -> Sequence[str]:
    from fmctl.base.settings import SETTINGS

    return list(SETTINGS)


def _frameworks() -> Sequence[str]:
    from fmctl.frameworks.registry import FRAMEWORKS

    return list(FRAMEWORKS)


_KINDS: Mapping[str, Callable[[], Sequence[str]]] = {
    "models": _models,
    "instances": _instances,
    "plans": _plans,
    "runs": _runs,
    "calibrations": _calibrations,
    "subjects": _subjects,
    "fields": lambda: FIELDS,
    "formats": lambda: list(OUTPUTS),
    "frameworks": _frameworks,
    "settings": _settings,
}
