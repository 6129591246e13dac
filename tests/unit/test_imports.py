"""Start-up is held by what is imported: a library in the wrong place costs everybody, on every call."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROBE = """
import json, sys
try:
    from fmctl.__main__ import main
    code = main({arguments!r})  # the console's entry would end the process
except SystemExit as leave:
    code = leave.code or 0
sys.stdout.flush()
print(json.dumps([int(code), sorted({{name.partition(".")[0] for name in sys.modules}})]), file=sys.stderr)
"""

_HEAVY = {"boto3", "botocore", "textual", "pydantic", "rich", "yaml", "numpy", "typer", "click", "jmespath"}


def imported(*arguments: str) -> set[str]:
    """The top-level modules that one call loads; the call has to succeed."""
    run = subprocess.run(
        [sys.executable, "-c", _PROBE.format(arguments=list(arguments))], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    code, modules = json.loads(run.stderr.strip().splitlines()[-1])
    assert code == 0, run.stderr
    return set(modules)


@pytest.mark.parametrize("arguments", [["--version"], ["__complete", "models"]])
def test_the_fast_paths_load_no_library_at_all(arguments: list[str]) -> None:
    assert imported(*arguments) & (_HEAVY | {"dataclasses", "inspect"}) == set()


def test_help_loads_no_numbers() -> None:
    assert imported("--help") & {"numpy", "boto3", "textual", "pydantic", "yaml"} == set()


def test_estimate_loads_no_front_end_and_no_document_reader() -> None:
    seen = imported("estimate", "llama-3.1-70b", "-o", "json")
    assert seen & {"boto3", "botocore", "textual", "pydantic", "rich", "jmespath"} == set()


def test_asking_for_the_lab_loads_neither_it_nor_boto3() -> None:
    seen = imported("lab", "status", "-o", "json")
    assert seen & {"boto3", "botocore", "moto", "flask", "werkzeug", "numpy", "pydantic"} == set()


def test_plan_loads_no_adapter() -> None:
    seen = imported("plan", "llama-3.1-8b", "--instances", "p5.48xlarge", "--nodes", "1", "-o", "json")
    assert seen & {"boto3", "botocore", "moto"} == set()


@pytest.mark.parametrize(
    "module", ["fmctl", "fmctl.base.errors", "fmctl.base.units", "fmctl.base.config", "fmctl.base.files"]
)
def test_the_foundation_needs_the_standard_library_alone(module: str) -> None:
    probe = f"import {module}, sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & (_HEAVY | {"platformdirs"}) == set()


def test_errors_load_nothing_heavy_of_the_standard_library() -> None:
    probe = "import sys; before = set(sys.modules); import fmctl.base.errors; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & {"difflib", "dataclasses", "inspect", "re", "typing"} == set()
