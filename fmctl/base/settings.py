"""Every setting, declared once: name, type, default, what it is for. `fmctl config` and the documentation read this.

A folder is not trusted: whoever fills it (a clone, an archive, /tmp) may not choose programs, accounts, addresses that
secrets go to, or what stands for consent. Such a setting says in `own` what it decides, and counts in the user's own
file, the environment and flags alone; all others a folder's file may set too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from fmctl.base.errors import UnknownName, UsageError, shorten
from fmctl.base.outputs import OUTPUTS
from fmctl.base.units import parse_list, parse_number

Kind = Literal["text", "texts", "number", "switch"]

DEFAULT_FRAMEWORK = "megatron"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Setting:
    """One setting: its name in files and flags, its type, what holds when nobody sets it, and what it is for.

    `own` is what it decides that no folder may; "" where a folder may set it. `harmless` is a value that it may still.
    """

    name: str
    type: Kind
    default: object
    doc: str
    env: tuple[str, ...] = ()
    choices: Collection[str] = ()
    own: str = ""
    harmless: object = None


def _setting(
    name: str, kind: Kind, default: object, doc: str, *choices: str, also: tuple[str, ...] = (), own: str = "",
    harmless: object = None,
) -> Setting:  # fmt: skip
    return Setting(name, kind, default, doc, (f"FMCTL_{name.upper()}", *also), choices, own, harmless)


# fmt: off
SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        _setting(
            "region", "text", "us-east-1", "AWS region that prices and capacity are looked up in",
            also=("AWS_REGION", "AWS_DEFAULT_REGION"), own="where clusters are looked for",
        ),
        _setting(
            "profile", "text", None, "AWS profile, as the AWS CLI means it", also=("AWS_PROFILE",),
            own="whose account pays",
        ),
        _setting("instances", "texts", (), "instance types that plan looks at when none are named"),
        _setting("framework", "text", DEFAULT_FRAMEWORK, "training framework: fusions, overlaps, buffers and defaults"),
        _setting("precision", "text", "bf16", "arithmetic of the matrix products", "bf16", "fp8", "mxfp8", "nvfp4"),
        Setting("output", "text", "table", "output format", ("FMCTL_OUTPUT",), OUTPUTS),
        _setting("color", "text", "auto", "colour on a terminal", "auto", "always", "never"),
        _setting(
            "read_only", "switch", False, "refuse everything that spends money or destroys",
            own="whether money may be spent", harmless=True,
        ),
        _setting("calibration", "text", None, "name of the fitted constants to predict with (fmctl calibrate --name)"),
        _setting(
            "max_hours", "number", None, "hours after which a launched cluster ends, whatever happens",
            own="what a launch may cost at most",
        ),
        _setting(
            "pcluster_python", "text", None, "Python interpreter that has aws-parallelcluster (fmctl pcluster status)",
            own="a program that runs with your credentials",
        ),
        _setting(
            "site", "text", None, "file that says where in AWS clusters go (fmctl schema site)",
            own="account, network, image and head node of a launch",
        ),
        _setting(
            "store", "text", None, "where clusters and journals are kept: a folder or s3://bucket/prefix",
            own="which clusters are known",
        ),
        _setting(
            "head", "text", None, "how head nodes are reached: ssm, ssh://HOST or local",
            own="the machine that jobs and their secrets go to",
        ),
        _setting(
            "job_user", "text", None, "user of a head node whom jobs belong to, in place of its image's",
            own="whose jobs and files they are on a head node",
        ),
        _setting(
            "prometheus_url", "text", None, "Prometheus that has the metrics of the nodes, for progress",
            own="the address that a token goes to",
        ),
        _setting("objective", "text", "cost", "what plan ranks by", "cost", "time", "energy", "goodput", "throughput"),
        _setting("purchase", "texts", (), "ways of paying that plan looks at when none are named"),
        _setting("power_usage_effectiveness", "number", None, "facility over server power, in place of the region's"),
        _setting("ui_theme", "text", None, "colours of the full-screen session (ctrl+p in it lists them)"),
        _setting("ui_ascii", "switch", False, "nothing but ASCII on the full screen"),
        _setting("ui_animation", "switch", True, "movement on the full screen"),
        _setting(
            "ui_keys", "texts", (), "keys of the full screen, as action=key: view.copy=ctrl+y,table.mark=m",
            own="what a key does that you know",
        ),
        _setting("carbon_g_per_kwh", "number", None, "grams of CO2 equivalent per kWh, in place of the region's"),
    )
}
# fmt: on


def find(name: str) -> Setting:
    """The setting of that name, dashes and underscores alike. Raises UnknownName."""
    setting = SETTINGS.get(name.replace("-", "_"))
    if setting is None:
        raise UnknownName("setting", name, SETTINGS, next="fmctl config list")
    return setting


def check(name: str, value: object, source: str) -> object:
    """The value in the setting's own type, out of text or TOML.

    Raises:
        UsageError: it is of another type, or none of the choices.
    """
    setting = find(name)
    try:
        found = _READERS[setting.type](value, setting.name)
    except UsageError as error:
        raise UsageError(error.what, why=f"{error.why} (set by {source})", next=error.next) from None
    if setting.choices and found not in setting.choices:
        raise UsageError(
            f"{name} '{shorten(str(found))}' is not one of {', '.join(setting.choices)}", why=f"set by {source}"
        )
    return found


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(value, name, "a text")
    return value.strip()


def _texts(value: object, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(parse_list(value, what=name))
    if isinstance(value, list | tuple):
        return tuple(_text(one, name) for one in value)
    raise _wrong(value, name, "a list of texts")


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(value, name, "a number")
    return parse_number(str(value), what=name)


def _switch(value: object, name: str) -> bool:
    word = str(value).strip().lower()
    if not isinstance(value, bool | str | int) or word not in _TRUE + _FALSE:
        raise _wrong(value, name, "true or false")
    return word in _TRUE


def _wrong(value: object, name: str, accepted: str) -> UsageError:
    return UsageError(f"{name} '{shorten(str(value))}' is not {accepted}", why="it is of another type")


_READERS = {"text": _text, "texts": _texts, "number": _number, "switch": _switch}
