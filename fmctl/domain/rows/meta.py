"""Settings, schemas and the command line itself. Made of `fmctl.documents.meta` by tests/golden/rows.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from fmctl.domain.rows.base import Envelope


class SettingRow(TypedDict):
    """A setting, its value, and where the value came from."""

    name: str
    value: object
    origin: str
    type: str
    choices: list[str]
    doc: str
    own: NotRequired[str | None]


class PassedRow(TypedDict):
    """A file that is not read and why, or the settings in a folder's file that are not taken from a folder."""

    file: str
    settings: list[str]
    why: str | None


class Config(TypedDict):
    """Settings, and where files are kept."""

    settings: list[SettingRow]
    files: dict[str, str | None]
    not_taken: NotRequired[list[PassedRow]]


class ConfigDocument(Envelope):
    """Settings with their origin."""

    schema: Literal["fmctl.config/1"]
    result: Config


class SchemaRow(TypedDict):
    """A document schema."""

    name: str
    schema: str
    about: str


class Schemas(TypedDict):
    """The list of schemas."""

    schemas: list[SchemaRow]


class SchemasDocument(Envelope):
    """Names of the document schemas."""

    schema: Literal["fmctl.schemas/1"]
    result: Schemas


class Parameter(TypedDict):
    """An option or argument."""

    name: str
    flags: list[str]
    negative_flags: list[str]
    type: str
    required: bool
    multiple: bool
    default: object
    choices: list[str]
    values: str | None
    metavar: str
    group: str
    help: str


class Command(TypedDict):
    """A command, its arguments and options."""

    name: str
    help: str
    group: bool
    parameters: list[Parameter]


class Exit(TypedDict):
    """What a return code means."""

    code: int
    meaning: str


class Spec(TypedDict):
    """The command line."""

    program: str
    commands: list[Command]
    exit_codes: list[Exit]


class SpecDocument(Envelope):
    """The whole command line."""

    schema: Literal["fmctl.spec/1"]
    result: Spec


class Failure(TypedDict):
    """What went wrong, why, and what to do next."""

    code: str
    exit_code: int
    what: str
    why: str | None
    next: str | None


class ErrorDocument(Envelope):
    """The one object on stderr when a command with JSON output fails."""

    schema: Literal["fmctl.error/1"]
    result: Failure
