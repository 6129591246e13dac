"""`schema`, `spec` and `completion`: fmctl about itself."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from fmctl.base.errors import UnknownName
from fmctl.cli.options import Output
from fmctl.cli.output import emit, prints_documents, settings_for
from fmctl.cli.streams import write_stdout
from fmctl.usecases.choices import SHELLS

_Schema = Annotated[str | None, Argument(metavar="NAME", help="A document: plan, estimate.", show_default=False)]
_Shell = Annotated[str, Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)]
_File = Annotated[str | None, Option("--out", "-O", metavar="FILE", help="Write to a file.", show_default=False)]


def schema(out: Output, schema_name: _Schema = None) -> None:
    """The JSON Schema of a document; without NAME the list of them."""
    from fmctl.report.settings import schemas_answer
    from fmctl.report.view import Answer, Report

    settings = settings_for(out)
    from fmctl.documents import about, json_schema

    if schema_name is None:
        emit(schemas_answer(about()), out, settings)
        return
    document = json_schema(schema_name)
    if not prints_documents(settings) and out.query is None and out.fields is None:
        _write(document, out.out)  # a schema has one form, whatever the default output is
        return
    emit(Answer(document, [document], lambda: Report("", ())), out, settings)


def spec(out: Output) -> None:
    """The whole command line: commands, options, types, choices, defaults, help, exit codes."""
    from fmctl.cli.app import build
    from fmctl.cli.tree import spec_of
    from fmctl.report.settings import spec_answer

    settings = settings_for(out)
    answer = spec_answer(spec_of(build()))
    if settings["output"].origin == "default" and out.query is None and out.fields is None:
        _write(answer.document, out.out)
        return
    emit(answer, out, settings)


def completion(shell: _Shell, out: _File = None) -> None:
    """The completion script of a shell; fmctl completion bash > ~/.local/share/bash-completion/completions/fmctl."""
    from fmctl.cli.app import build
    from fmctl.cli.completion import script

    if shell not in SHELLS:
        raise UnknownName("shell", shell, SHELLS, next="fmctl completion bash")
    _write_text(script(shell, build()), out)


def _write(document: object, path: str | None) -> None:
    from fmctl.report.formats import as_json

    _write_text(as_json(document), path)


def _write_text(text: str, path: str | None) -> None:
    if path is None:
        write_stdout(text)
        return
    from fmctl.base.files import write_atomic

    write_atomic(path, text, shared=True)
