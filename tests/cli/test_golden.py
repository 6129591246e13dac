"""Documents of fixed made-up objects against golden files, and all of them against their published schema.

`FMCTL_UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py` writes the files again; read what changed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fmctl.documents import DOCUMENTS, json_schema
from fmctl.usecases.choices import SCHEMAS

GOLDEN = Path(__file__).parent.parent / "golden"
UPDATE = "FMCTL_UPDATE_GOLDEN" in os.environ
CASES = {
    "estimate": ("estimate", "llama-3.1-70b", "--nodes", "16", "--tokens", "15T"),
    "estimate-oom": ("estimate", "llama-3.1-70b", "--instance", "p4d.24xlarge", "--tp", "8"),
    "plan": ("plan", "llama-3.1-70b", "--nodes", "8,16", "--instances", "p5.48xlarge,p6-b200.48xlarge"),
    "plan-empty": ("plan", "llama-3.1-70b", "--nodes", "1", "--instances", "p4d.24xlarge"),
    "explain": ("explain", "llama-3.1-70b", "--tokens", "1T"),
    "models": ("models", "list"),
    "model": ("models", "show", "llama-3.1-8b"),
    "instances": ("instances", "list"),
    "instance": ("instances", "show", "p5.48xlarge"),
    "prices": ("prices", "list"),
    "prices-refresh": ("prices", "refresh", "--instances", "p5.48xlarge", "--regions", "us-east-1,eu-west-3"),
    "capacity": ("capacity", "p5.48xlarge", "--count", "4", "--days", "2", "--start", "2026-11-23"),
    "schemas": ("schema",),
}


def schema_of(document: dict[str, Any]) -> dict[str, Any]:
    """The published schema that the document names."""
    return json_schema(document["schema"])


def check(document: dict[str, Any]) -> None:
    """The document obeys its schema and holds nothing that the schema does not name."""
    schema = schema_of(document)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    name = document["schema"].removeprefix("fmctl.").removesuffix("/1")
    assert unnamed(DOCUMENTS[name].model_validate(document)) == []


def unnamed(part: Any, path: str = "") -> list[str]:
    """Keys that no model declares."""
    if isinstance(part, list):
        return [found for i, item in enumerate(part) for found in unnamed(item, f"{path}[{i}]")]
    if not hasattr(part, "model_extra"):
        return []
    extra = [f"{path}.{key}" for key in part.model_extra or {}]
    return extra + [f for name in type(part).model_fields for f in unnamed(getattr(part, name), f"{path}.{name}")]


def settle(document: dict[str, Any]) -> None:
    """Take out what may change without any promise being broken: the version, and how equations are worded."""
    document["fmctl_version"] = "0"
    if "files" in (document["result"] or {}):
        document["result"]["files"] = [Path(path).name for path in document["result"]["files"]]
    for section in (document["result"] or {}).get("sections", ()):
        for part in section["parts"]:
            part |= {"equation": "-", "source": "-"}


@pytest.mark.parametrize("name", CASES)
def test_documents_stay_as_they_were_promised(cli: Any, name: str) -> None:
    document = cli(*CASES[name], "--json").json()
    check(document)
    settle(document)
    path = GOLDEN / f"{name}.json"
    if UPDATE:
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert document == json.loads(path.read_text(encoding="utf-8"))


# Those two are no documents.
DOCUMENT_FILES = sorted(path for path in GOLDEN.glob("*.json") if path.stem not in {"predictions", "questions"})


@pytest.mark.parametrize("path", DOCUMENT_FILES, ids=lambda path: path.stem)
def test_every_golden_file_obeys_its_schema(path: Path) -> None:
    assert path.stem in CASES
    check(json.loads(path.read_text(encoding="utf-8")))


def test_documents_without_a_golden_file_obey_their_schema(cli: Any, tmp_path: Path) -> None:
    for name, nodes in (("a", "8"), ("b", "16")):
        cli.ok("plan", "llama-3.1-70b", "--nodes", nodes, "--save", name, "-q")
    check(cli.ok("diff", "a", "b", "--json").json())
    subnets = "compute_subnet: subnet-01234567\nhead_subnet: subnet-01234567\n"
    (tmp_path / "site.yaml").write_text(f"region: us-east-1\n{subnets}")
    check(cli.ok("render", "a", "--site", "site.yaml", "--json").json())
    check(cli.ok("observe", "render", "a", "--cap", "1M", "--json").json())
    check(cli.ok("config", "list", "--json").json())
    check(cli.ok("config", "path", "--json").json())
    check(cli.ok("spec").json())
    check(cli.ok("pcluster", "status", "--json").json())
    for command in ("status", "start", "status", "stop", "stop"):
        check(cli.ok("lab", command, "--json").json())
    check(json.loads(cli("models", "show", "no", "--json").err))
    check(json.loads((tmp_path / "data" / "plans" / "a.json").read_text()))


def test_schema_prints_every_schema_by_either_name(cli: Any) -> None:
    assert tuple(DOCUMENTS) == SCHEMAS
    for name in SCHEMAS:
        assert cli.ok("schema", name).json() == cli.ok("schema", f"fmctl.{name}/1", "--json").json()
    ran = cli("schema", "plann")
    assert ran.code == 2
    assert "did you mean plan" in ran.err


def test_terms_in_the_schema_carry_their_equation(cli: Any) -> None:
    schema = cli.ok("schema", "estimate").json()
    described = schema["$defs"]["Result"]["properties"]["time"]["properties"]["step_s"]["description"]
    assert described.startswith("step time: ")
