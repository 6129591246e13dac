"""The fit with the user's own runs, on a handful of rows and one step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fmctl.base.errors import UnreadableFile, UsageError
from fmctl.catalog import load_instance, load_model
from fmctl.domain.hardware import Price
from fmctl.domain.result import PlanRequest
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.perf.ops.calibration import PRIOR
from fmctl.plan.rank import search
from fmctl.validation import calibrate as module
from fmctl.validation.calibrate import YOURS, Calibrated, calibrate, outcome
from fmctl.validation.calibrated import applied
from fmctl.validation.constants import CONSTANTS
from fmctl.validation.fit import shipped
from fmctl.validation.rows import SHIPPED

HEAD = "model,gpu,n_gpus,tp,dp,framework,global_batch,tokens_per_s_per_gpu,oom\n"
MINE = HEAD + "".join(f"llama-3.1-8b,H100,8,1,8,nemo,{b},{rate},\n" for b, rate in ((128, 4000), (256, 4100)))
FEW = ("torchtune", "ptd-p/1")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two families of the shipped runs."""
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.mktemp("runs") / "few.csv"
    path.write_text("\n".join([lines[0], *(line for line in lines if any(f",{name}," in line for name in FEW))]))
    return path


@pytest.fixture(scope="module")
def found(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    mine = tmp_path_factory.mktemp("mine") / "mine.csv"
    mine.write_text(MINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHIPPED", few)
        return calibrate([mine], rows_per_family=2, iterations=1)


def test_the_users_rows_are_one_more_family(found: Calibrated) -> None:
    seen = found.fitted.sample
    assert seen.sources.count(YOURS) == 2
    weights = [w for w, source in zip(seen.weights, seen.sources, strict=True) if source == YOURS]
    assert sum(w * w for w in weights) == pytest.approx(1.0)
    result = outcome(found)
    assert result["rows"] == {"used": 6, "yours": 2}
    assert [one["used"] for one in result["data"]] == [4, 2]
    assert {one["name"] for one in result["families"]} == {*FEW, YOURS}


def test_with_the_users_rows_constants_are_shrunk_towards_ours(found: Calibrated) -> None:
    assert np.array_equal(found.prior, shipped())
    for c, value, ours in zip(CONSTANTS, found.fitted.values, shipped(), strict=True):
        assert c.low <= value <= c.high
        if c.field == "sustained_blackwell":  # of which no run says anything
            assert value == pytest.approx(ours)


def test_the_fit_moves_towards_what_was_measured(found: Calibrated) -> None:
    by_name = {one["name"]: one for one in outcome(found)["families"]}
    assert by_name[YOURS]["in_sample"] < by_name[YOURS]["shipped"]


def test_without_files_constants_are_shrunk_towards_their_physical_priors(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHIPPED", few)
    steps: list[tuple[int, int]] = []
    found = calibrate(rows_per_family=1, iterations=1, progress=lambda done, total: steps.append((done, total)))
    assert found.prior.tolist() == [c.prior for c in CONSTANTS]
    assert steps[-1] == (3, 3)
    assert outcome(found)["errors"]["left_out"]["moe"] is None


@pytest.mark.parametrize("line", ["llama-3.1-8b,Z80,8,1,8,nemo,128,4000,", "llama-3.1-8b,H100,8,1,8,nemo,128,,"])
def test_a_file_without_a_run_to_fit_is_refused(few: Path, tmp_path: Path, line: str) -> None:
    path = tmp_path / "none.csv"
    path.write_text(HEAD + line + "\n")
    with pytest.raises(UsageError, match="holds no run to fit"):
        calibrate([path], rows_per_family=1, iterations=1)


def test_a_missing_file_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(UnreadableFile):
        calibrate(["nowhere.csv"])


# --- put to use -------------------------------------------------------------------------------------------------------


def saved(values: np.ndarray) -> dict[str, object]:
    constants = [
        {"field": c.field, "frameworks": list(c.frameworks), "value": float(v)}
        for c, v in zip(CONSTANTS, values, strict=True)
    ]
    return {"name": "mine", "date": "2026-11-22", "source": "here", "constants": constants}


def request(**more: object) -> PlanRequest:
    instance = load_instance("p5.48xlarge")
    price = Price(instance.name, "us-east-1", "on-demand", 55.04, "2026-07-20", "a list", "")
    fixed = {"tp": (4,), "pp": (1,), "micro_batch": (1,)}
    return PlanRequest(
        load_model("llama-3.1-8b"), 4096, (instance,), (1,), {instance.name: price}, fixed=fixed, global_batch=64,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_search_takes_the_calibration_it_is_handed() -> None:
    values = shipped()
    slow = values.copy()
    slow[[c.name for c in CONSTANTS].index("sustained_hopper")] = 0.75
    plain = search(request()).rows[0]
    constants = applied(saved(slow), "x")
    slower = search(request(calibration=constants.calibration, frameworks=constants.frameworks)).rows[0]
    assert slower.terms["step_s"] > 1.05 * plain.terms["step_s"]
    same = search(request(calibration=PRIOR, frameworks=FRAMEWORKS)).rows[0]
    assert same.terms == plain.terms
