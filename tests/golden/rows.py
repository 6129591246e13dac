"""The documents' rows as TypedDicts: what mypy knows of a document that nobody wants to import pydantic for.

`python tests/golden/rows.py --write` makes `fmctl/domain/rows/` again out of `fmctl/documents/`; a test holds the two
to each other, key by key and type by type.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

ROOT = Path(__file__).parents[2]
HOME = ROOT / "fmctl" / "domain" / "rows"

# A module of fmctl.documents, what its rows are, and names that say more here than beside pydantic's.
MODULES: Mapping[str, str] = {
    "results": "Rows of plans, estimates, explanations and differences.",
    "run": "A training run's record, and what is reported of it.",
    "progress": "A run so far against its plan.",
    "operations": "Preflights, launches, clusters, teardowns, history.",
    "jobs": "Jobs of a cluster.",
    "capacity": "What AWS has for sale.",
    "catalogue": "Models, instance types and prices.",
    "calibration": "Fitted constants and the errors that they leave.",
    "validation": "Measured runs with their predictions.",
    "lab": "The local AWS, and environments of ParallelCluster.",
    "meta": "Settings, schemas and the command line itself.",
    "metrics": "A run's own metrics.",
    "render": "A cluster as files.",
    "policy": "Who may do what with a cluster.",
    "observe": "What watches a cluster, as files.",
}
NAMES: Mapping[str, str] = {"Result": "EstimateRow", "Ranked": "PlanRow", "WholeRun": "WholeRunRow"}
# Free mappings of a document that are another document's row.
TYPES: Mapping[tuple[str, str], str] = {
    ("RunRecord", "row"): "EstimateRow",
    ("RunRecord", "inputs"): "PlanInputs",
    ("RunRecord", "measured"): "ProgressResult | None",
    ("RunRecord", "quality"): "NotRequired[dict[str, Quality]]",
    ("RunLog", "quality"): "dict[str, Quality]",
    ("NoteResult", "quality"): "dict[str, Quality]",
    ("ProgressResult", "state"): "State",
}
# Rows that no document spells out: a figure of quality, as the log or a person says it.
MORE_ROWS: Mapping[str, Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "run": {"Quality": ("A figure of quality, and when it was measured.", {
        "value": "float", "step": "NotRequired[int | None]", "at": "NotRequired[str | float | None]",
        "source": "NotRequired[str]",
    })},
}  # fmt: skip
GROUPS = ("time", "communication", "memory", "flop", "run", "checkpoint", "energy")
# Terms and sums that are null where a price, a memory size or a number of tokens is not known.
NULLABLE = {"device_bytes", "margin_bytes", "run_s", "run_low_s", "run_high_s", "run_wh"}
MORE = {"memory": ("device_bytes",), "run": ("run_s", "run_low_s", "run_high_s"), "energy": ("run_wh",)}


class Writer:
    """One module of TypedDicts; what it names of others is imported for types alone."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.foreign: dict[str, set[str]] = {}
        self.words = {"TypedDict"}

    def text(self) -> str:
        """The whole file."""
        module = import_module(f"fmctl.documents.{self.home}")
        own = [one for one in vars(module).values() if _model(one) and one.__module__ == module.__name__]
        bodies = [*self.more(), *(self.row(model) for model in own)]
        head = f'"""{MODULES[self.home]} Made of `fmctl.documents.{self.home}` by tests/golden/rows.py."""\n\n'
        head += "from __future__ import annotations\n\n"
        head += f"from typing import {', '.join(sorted(self.words | ({'TYPE_CHECKING'} if self.foreign else set())))}\n"
        if self.foreign:
            head += "\nif TYPE_CHECKING:\n"
            for home, names in sorted(self.foreign.items()):
                head += f"    from fmctl.domain.rows.{home} import {', '.join(sorted(names))}\n"
        return head + "\n" + "\n".join(bodies)

    def more(self) -> Iterator[str]:
        """Rows that no document spells out."""
        for name, (about, held) in MORE_ROWS.get(self.home, {}).items():
            self.words.add("NotRequired")
            yield _typed_dict(name, about, held)
        if self.home == "progress":
            from fmctl.progress.state import Progress

            kinds = typing.get_type_hints(Progress)
            spelled = {one.name: self.spelled(kinds[one.name]).replace("Mapping", "dict") for one in fields(Progress)}
            yield _typed_dict("State", "A run as its log tells it.", spelled)

    def row(self, model: Any) -> str:
        """One model as a TypedDict; what has a default may be missing in a document of an older version."""
        parent = next((base for base in model.__mro__[1:] if _model(base) and not _abstract(base)), None)
        inherited = set(parent.model_fields) if parent is not None else set()
        lines = []
        for name, field in model.model_fields.items():
            if name in inherited:
                continue
            kind = TYPES.get((model.__name__, name)) or self.group(name, field) or self.spelled(field.annotation)
            for word in kind.replace("|", " ").split():
                self.known(word)
            if not field.is_required() and not kind.startswith("NotRequired"):
                self.words.add("NotRequired")
                kind = f"NotRequired[{kind}]"
            lines.append(f"    {field.alias or name}: {kind}\n")
        base = self.named(parent) if parent is not None else "TypedDict"
        return f'\nclass {_name(model)}({base}):\n    """{_about(model)}"""\n\n{"".join(lines)}'

    def group(self, name: str, field: Any) -> str:
        """A group of terms has a row of its own."""
        if self.home == "results" and name in GROUPS and "Numbers" in repr(field.annotation) + _free(field.annotation):
            return self.of_terms(f"{name.title()}Terms")
        return self.of_terms("LayoutRow") if name == "layout" and self.home == "results" else ""

    def of_terms(self, name: str) -> str:
        """A row of the module of terms."""
        self.foreign.setdefault("terms", set()).add(name)
        return name

    def groups(self) -> Iterator[str]:
        """A row for each group of terms, and one for layouts."""
        from fmctl.domain.layout import CODES, FIELDS
        from fmctl.domain.terms import TERMS

        yield '\nclass LayoutRow(TypedDict):\n    """A layout as documents spell it."""\n\n' + "".join(
            f"    {name}: {'str' if name in CODES else 'int'}\n" for name in FIELDS
        )
        for group in GROUPS:
            listed = [(term.name, term.detail) for term in TERMS if term.group == group]
            lines = []
            for name, detail in [*listed, *((name, False) for name in MORE.get(group, ()))]:
                kind = "float | None" if name in NULLABLE else "float"
                if detail:
                    self.words.add("NotRequired")
                lines.append(f"    {name}: {f'NotRequired[{kind}]' if detail else kind}\n")
            yield f'\nclass {group.title()}Terms(TypedDict):\n    """Terms of {group}."""\n\n' + "".join(lines)

    def spelled(self, kind: Any) -> str:
        """A type as it is written in a TypedDict; what is free stays an object."""
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self.spelled(args[0])
        if origin is Literal:
            self.words.add("Literal")
            return f"Literal[{', '.join(repr(one).replace(chr(39), chr(34)) for one in args)}]"
        if origin in (typing.Union, types.UnionType):
            return " | ".join(self.spelled(one) for one in args)
        if origin is not None:
            return f"{origin.__name__}[{', '.join(self.spelled(one) for one in args)}]"
        if kind is Any:
            return "object"
        if _model(kind):
            return self.named(kind)
        return "None" if kind is type(None) else "str" if kind.__name__ == "datetime" else kind.__name__

    def named(self, model: Any) -> str:
        """Another row by its name, imported where it stands elsewhere."""
        home = model.__module__.rpartition(".")[2]
        if home != self.home:
            self.foreign.setdefault(home, set()).add(_name(model))
        return _name(model)

    def known(self, word: str) -> None:
        """Import what a free mapping was said to be."""
        for home, name in (("results", "EstimateRow"), ("results", "PlanInputs"), ("progress", "ProgressResult")):
            if word == name and home != self.home:
                self.foreign.setdefault(home, set()).add(name)


def _typed_dict(name: str, about: str, held: Mapping[str, str]) -> str:
    lines = "".join(f"    {field}: {kind}\n" for field, kind in held.items())
    return f'\nclass {name}(TypedDict):\n    """{about}"""\n\n{lines}'


def _model(found: Any) -> bool:
    from pydantic import BaseModel

    return isinstance(found, type) and issubclass(found, BaseModel)


def _abstract(model: Any) -> bool:
    return model.__name__ in ("BaseModel", "Open")


def _name(model: Any) -> str:
    return NAMES.get(model.__name__, model.__name__)


def _about(model: Any) -> str:
    first = (model.__doc__ or "").split("\n\n", 1)[0]
    return " ".join(first.split()).partition("; ")[0].rstrip(".") + "."


def _free(kind: Any) -> str:
    return "Numbers" if get_origin(kind) is dict and get_args(kind)[0] is str else ""


def files() -> dict[str, str]:
    """Every generated file by its name."""
    found = {f"{home}.py": Writer(home).text() for home in MODULES}
    found["base.py"] = _base()
    found["terms.py"] = _terms()
    found["__init__.py"] = '"""Rows of documents as TypedDicts, for types alone: made by tests/golden/rows.py."""\n'
    return found


def _terms() -> str:
    writer = Writer("terms")
    bodies = "\n".join(writer.groups())
    head = '"""Layouts and terms by group. Made of `fmctl.domain` by tests/golden/rows.py."""\n\n'
    return (
        f"{head}from __future__ import annotations\n\nfrom typing import {', '.join(sorted(writer.words))}\n\n{bodies}"
    )


def _base() -> str:
    writer = Writer("base")
    module = import_module("fmctl.documents.base")
    bodies = [writer.row(one) for one in (module.Head, module.Envelope, module.Price, module.StoragePrice)]
    head = '"""What all documents share. Made of `fmctl.documents.base` by tests/golden/rows.py."""\n\n'
    head += "from __future__ import annotations\n\nfrom typing import " + ", ".join(sorted(writer.words)) + "\n\n"
    return head + "\n".join(bodies)


def formatted(text: str, name: str) -> str:
    """The file as the project's formatter leaves it."""
    import subprocess

    for words in (["check", "--fix", "--select", "I", "--quiet"], ["format"]):
        call = [sys.executable, "-m", "ruff", *words, "--stdin-filename", str(HOME / name), "-"]
        text = subprocess.run(call, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


if __name__ == "__main__" and "--write" in sys.argv:
    HOME.mkdir(exist_ok=True)
    for name, text in files().items():
        (HOME / name).write_text(formatted(text, name), encoding="utf-8")
