"""`calibrate` and `--calibration`: from the fit to a saved name to the numbers of every command that predicts."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fmctl.__main__ import main
from fmctl.documents import DOCUMENTS, json_schema
from fmctl.operate import calibrations
from fmctl.perf.ops.calibration import PRIOR
from fmctl.validation.constants import CONSTANTS

RUNS = "model,gpu,n_gpus,tp,dp,tokens_per_s_per_gpu\nllama-3.1-8b,H100,8,1,8,9000\n"
PREDICTING = (("estimate", "llama-3.1-70b"), ("plan", "llama-3.1-70b"), ("explain", "llama-3.1-70b"))


@pytest.fixture
def ours(cli: Any) -> Path:
    """A calibration saved as `ours`."""
    cli.ok("calibrate", "--name", "ours", "-q")
    return calibrations.folder() / "ours.json"


def test_the_document_obeys_its_schema(cli: Any) -> None:
    document = cli.ok("calibrate", "--json").json()
    jsonschema.Draft202012Validator(json_schema("calibrate")).validate(document)
    parsed: Any = DOCUMENTS["calibrate"].model_validate(document)
    assert not parsed.result.model_extra
    assert not parsed.result.constants[0].model_extra
    assert [one["name"] for one in document["result"]["constants"]] == [c.name for c in CONSTANTS]
    assert document["result"]["saved"] is None


def test_people_read_every_constant_and_the_errors(cli: Any) -> None:
    out = cli.ok("calibrate").out
    for word in ("sustained_hopper", "source left out", "megatron-bridge/DeepSeek-V3", "sha256:", "shipped"):
        assert word in out
    assert len(cli.ok("calibrate", "-o", "csv").out.splitlines()) == len(CONSTANTS) + 1


def test_a_name_is_saved_and_said(cli: Any, ours: Path) -> None:
    saved = json.loads(ours.read_text())
    assert (saved["schema"], saved["name"], saved["date"]) == ("fmctl.calibration/1", "ours", "2026-11-22")
    assert len(saved["constants"]) == len(CONSTANTS)
    assert saved["data"][0]["digest"].startswith("sha256:")
    assert saved["fmctl_version"]
    again = cli.ok("calibrate", "--name", "ours")
    assert "saved calibration ours: --calibration ours" in again.err


@pytest.mark.parametrize("words", PREDICTING, ids=" ".join)
def test_a_calibration_reaches_the_search_and_the_provenance(cli: Any, ours: Path, words: tuple[str, ...]) -> None:
    document = cli.ok(*words, "--calibration", "ours", "--json").json()
    basis = document["provenance"]["calibration"]
    assert (basis["name"], basis["date"]) == ("ours", "2026-11-22")
    assert "shipped (" in basis["source"]
    request = cli.planner.requests[-1]
    saved = {(c["field"], *c["frameworks"]): c["value"] for c in json.loads(ours.read_text())["constants"]}
    assert request.calibration.sustained_hopper == saved["sustained_hopper",]
    assert request.frameworks["megatron"].tp_overlap == saved["tp_overlap", "megatron", "megatron-unfused"]


def test_without_a_calibration_nothing_is_handed_over(cli: Any, ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.request("estimate", "llama-3.1-70b").calibration is None
    monkeypatch.setenv("FMCTL_CALIBRATION", "ours")
    assert cli.request("estimate", "llama-3.1-70b").calibration.name == "ours"
    request = cli.request("estimate", "llama-3.1-70b", "--calibration", "shipped")
    assert (request.calibration, request.frameworks) == (None, None)


def test_validate_predicts_with_it(ours: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(RUNS)
    found = []
    for more in ([], ["--calibration", "ours"]):
        assert main(["validate", "--data", str(path), "--json", *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    before, after = (document["result"]["rows"][0]["predicted_tokens_per_s_per_gpu"] for document in found)
    assert before != after
    assert [document["provenance"]["calibration"]["name"] for document in found] == [PRIOR.name, "ours"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("estimate", "llama-3.1-70b", "--calibration", "our"), "did you mean ours"),
        (("validate", "--calibration", "nothing"), "no calibration called 'nothing'"),
        (("calibrate", "--name", "shipped"), "cannot be the name of a calibration"),
        (("calibrate", "--name", "../x"), "cannot be the name of a calibration"),
        (("calibrate", "--data", "nowhere.csv"), "cannot read measured runs"),
    ],
)
def test_one_clear_error(cli: Any, ours: Path, words: tuple[str, ...], what: str) -> None:
    ran = cli(*words)
    assert (ran.code, ran.out) == (2, "")
    assert what in ran.err


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: "not JSON", "not JSON"),
        (lambda d: [], "schema"),
        (lambda d: d | {"constants": 3}, "no constants"),
        (lambda d: {k: v for k, v in d.items() if k != "date"}, "lacks"),
        (lambda d: d | {"constants": d["constants"][1:]}, "other constants"),
        (lambda d: d | {"constants": [{"field": 1, "frameworks": 2}]}, "other constants"),
        (lambda d: d | {"constants": [{**d["constants"][0], "value": 1e9}, *d["constants"][1:]]}, "not within"),
        (lambda d: d | {"constants": [{**d["constants"][0], "value": "x"}, *d["constants"][1:]]}, "not within"),
    ],
)
def test_a_damaged_calibration_is_refused(cli: Any, ours: Path, change: Any, why: str) -> None:
    changed = change(json.loads(ours.read_text()))
    ours.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    ran = cli("estimate", "llama-3.1-70b", "--calibration", "ours")
    assert ran.code == 2
    assert why in ran.err


def test_saved_answers_take_no_calibration(cli: Any, ours: Path) -> None:
    cli.ok("plan", "llama-3.1-70b", "--save", "kept", "-q")
    assert "--calibration is for models" in cli("explain", "kept", "--calibration", "ours").err


def test_names_are_completed(cli: Any, ours: Path) -> None:
    assert cli.ok("__complete", "calibrations").out == "ours\nshipped\n"


def test_every_constant_is_a_field_that_exists() -> None:
    known = {f.name for f in fields(PRIOR)}
    assert all(c.field in known for c in CONSTANTS if not c.frameworks)
