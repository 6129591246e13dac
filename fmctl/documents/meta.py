"""Settings, schemas, the command line, and errors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fmctl.documents.base import Envelope, Open


class SettingRow(Open):
    """A setting, its value, and where the value came from."""

    name: str
    value: object
    origin: str
    type: str
    choices: list[str]
    doc: str
    own: str | None = Field(default=None, description="what it decides that no folder may: it is not taken from one")


class PassedRow(Open):
    """A file that is not read and why, or the settings in a folder's file that are not taken from a folder."""

    file: str
    settings: list[str]
    why: str | None


class Config(Open):
    """Settings, and where files are kept."""

    settings: list[SettingRow]
    files: dict[str, str | None]
    not_taken: list[PassedRow] = Field(default_factory=list)


class ConfigDocument(Envelope):
    """Settings with their origin."""

    schema_: Literal["fmctl.config/1"] = Field(alias="schema")
    result: Config


class SchemaRow(Open):
    """A document schema."""

    name: str
    schema_: str = Field(alias="schema")
    about: str


class Schemas(Open):
    """The list of schemas."""

    schemas: list[SchemaRow]


class SchemasDocument(Envelope):
    """Names of the document schemas."""

    schema_: Literal["fmctl.schemas/1"] = Field(alias="schema")
    result: Schemas


class Parameter(Open):
    """An option or argument; `values` is the kind of completion values it takes."""

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


class Command(Open):
    """A command, its arguments and options."""

    name: str
    help: str
    group: bool
    parameters: list[Parameter]


class Exit(Open):
    """What a return code means."""

    code: int
    meaning: str


class Spec(Open):
    """The command line."""

    program: str
    commands: list[Command]
    exit_codes: list[Exit]


class SpecDocument(Envelope):
    """The whole command line."""

    schema_: Literal["fmctl.spec/1"] = Field(alias="schema")
    result: Spec


class Failure(Open):
    """What went wrong, why, and what to do next."""

    code: str
    exit_code: int
    what: str
    why: str | None
    next: str | None


class ErrorDocument(Envelope):
    """The one object on stderr when a command with JSON output fails."""

    schema_: Literal["fmctl.error/1"] = Field(alias="schema")
    result: Failure
