"""`fmctl validate` from end to end, on the runs that travel with it and on files of the user's."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fmctl.__main__ import main
from fmctl.documents import DOCUMENTS, json_schema
from fmctl.validation import predict as module
from fmctl.validation.cases import Case
from fmctl.validation.predict import predict, prepare
from fmctl.validation.rows import SHIPPED, Row, read_rows

PROMISED = {
    "id", "predicted_tokens_per_s_per_gpu", "measured_tokens_per_s_per_gpu", "interval_low_tokens_per_s_per_gpu",
    "interval_high_tokens_per_s_per_gpu", "predicted_peak_memory_bytes", "measured_peak_memory_bytes", "fits",
    "skipped", "assumed",
}  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(["validate", *args])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, out, err = run(capsys, "-o", "json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_document_obeys_its_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(json_schema("validate")).validate(document)
    parsed: Any = DOCUMENTS["validate"].model_validate(document)
    assert not parsed.result.rows[0].model_extra
    assert not parsed.result.summary.model_extra
    assert document["provenance"]["calibration"]["name"]


def test_rows_hold_what_was_promised(document: dict[str, Any]) -> None:
    rows = document["result"]["rows"]
    assert all(set(row) >= PROMISED for row in rows)
    for row in rows:
        if row["skipped"] is None:
            low, high = row["interval_low_tokens_per_s_per_gpu"], row["interval_high_tokens_per_s_per_gpu"]
            assert 0.0 < low < row["predicted_tokens_per_s_per_gpu"] < high
            assert row["predicted_peak_memory_bytes"] > 0.0
        else:
            assert row["predicted_tokens_per_s_per_gpu"] is row["fits"] is None
    assert document["result"]["summary"]["predicted_share"] >= 0.97


def test_tables_by_each_axis(capsys: pytest.CaptureFixture[str]) -> None:
    for axis, word in (("family", "simumax"), ("gpu", "GB300"), ("kind", "moe"), ("parallelism", "tp+pp")):
        code, out, _ = run(capsys, "--by", axis)
        assert code == 0
        assert f"Errors by {axis}" in out
        assert word in out


def test_flat_rows(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "-o", "csv", "--fields", "id,fits,skipped,assumed")
    assert out.splitlines()[0] == "id,fits,skipped,assumed"
    assert len(out.splitlines()) == len(read_rows(SHIPPED)) + 1


def test_a_file_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("model,gpu,n_gpus,tp,dp,weather\nllama-3.1-8b,H100,8,1,8,rain\nllama-3.1-8b,Z80,8,1,8,sun\n")
    code, out, _ = run(capsys, "--data", str(path), "--json")
    first, second = json.loads(out)["result"]["rows"]
    assert code == 0
    assert first["predicted_tokens_per_s_per_gpu"] > 1000.0
    assert first["measured_tokens_per_s_per_gpu"] is None
    assert second["skipped"] == "no hardware entry for GPU 'Z80'"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--data", "nowhere.csv"), "cannot read measured runs nowhere.csv"),
        (("--data", "/"), "cannot read measured runs /"),
        (("--by", "colour"), "no table called 'colour'"),
    ],
)
def test_one_clear_error(capsys: pytest.CaptureFixture[str], args: tuple[str, ...], words: str) -> None:
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) <= 3


# --- the shipped runs -------------------------------------------------------------------------------------------------


def test_shipped_runs_name_their_sources_and_are_their_own() -> None:
    rows = read_rows(SHIPPED)
    assert max(Counter(row.id for row in rows).values()) == 1
    assert all(row.text("source_repo_or_paper") and row.text("source_family") for row in rows)
    assert len({row.text("source_family") for row in rows}) >= 40
    assert 250 <= len(rows) <= 400


def test_shipped_runs_give_no_number_that_is_not_one() -> None:
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        cells = [row[name] for row in csv.DictReader(file) for name in ("n_gpus", "seq_len", "tp", "pp", "dp")]
    assert all(not cell or float(cell) >= 1 for cell in cells)


def test_rows_are_evaluated_in_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,840 rows in seconds: rows that share model, cluster and batch are one call, however many there are."""
    calls = []
    real = module.evaluate
    monkeypatch.setattr(module, "evaluate", lambda *args, **named: calls.append(1) or real(*args, **named))
    rows = [r for r in read_rows(SHIPPED) if r.text("framework") == "nanotron"]
    many = [Row(r.line, r.cells) for _ in range(8) for r in rows]
    assert len(predict(prepare(many))) == len(many)
    assert len(calls) * 16 < len(many)
    first, again = (case for case in prepare([rows[0], rows[0]]) if isinstance(case, Case))
    assert (first.arch is again.arch, first.instance is again.instance) == (True, True)
