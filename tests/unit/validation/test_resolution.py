"""What the model resolves between two layouts: by hand, and the shipped constants from the shipped runs."""

from __future__ import annotations

from math import log
from typing import Any

import pytest

from fmctl.perf.ops.calibration import PRIOR
from fmctl.validation.predict import predict, prepare
from fmctl.validation.records import records
from fmctl.validation.resolution import pair_errors, resolution, weighted_quantile
from fmctl.validation.rows import SHIPPED, read_rows


def test_pairs_share_what_is_wrong_with_both() -> None:
    # Both predicted 1.5 times too fast: their ratio is right. The third is off by 1.2 against the others.
    assert pair_errors([(150.0, 100.0), (300.0, 200.0)]) == [pytest.approx(0.0)]
    errors = pair_errors([(150.0, 100.0), (300.0, 200.0), (180.0, 100.0)])
    assert errors == [pytest.approx(0.0), pytest.approx(log(1.2)), pytest.approx(log(1.2))]


def test_families_weigh_alike() -> None:
    # One family of a hundred large values weighs as much as one of one small value: at 50 % the small one decides.
    families = {"many": [0.9] * 100, "one": [0.1]}
    assert weighted_quantile(families, 0.5) == pytest.approx(0.1)
    assert weighted_quantile(families, 0.8) == pytest.approx(0.9)
    assert weighted_quantile({}, 0.8) is None


def test_only_layouts_of_one_group_are_compared() -> None:
    def run(model: str, layout: str, predicted: float, **more: Any) -> dict[str, Any]:
        shared = dict.fromkeys(("source_family", "gpu", "n_gpus", "seq_len", "global_batch", "precision"), "x")
        found = {"model": model, "kind": "dense", "apart": False, "layout_key": layout, **shared}
        rates = {"predicted_tokens_per_s_per_gpu": predicted, "measured_tokens_per_s_per_gpu": 100.0}
        return found | rates | more

    found = [run("a", "1", 100.0), run("a", "2", 110.0), run("b", "1", 300.0), run("a", "3", 900.0, apart=True)]
    assert resolution(found, "dense") == pytest.approx(log(1.1))
    assert resolution(found, "moe") is None


def test_the_shipped_constants_cover_the_shipped_runs() -> None:
    """The constants are those of all published runs; the part that is shipped resolves somewhat better."""
    found = records(predict(prepare(read_rows(SHIPPED))))
    for kind, constant in (("dense", PRIOR.resolution_dense), ("moe", PRIOR.resolution_moe)):
        of_shipped = resolution(found, kind)
        assert of_shipped is not None
        assert of_shipped <= constant <= 1.5 * of_shipped
    assert (PRIOR.resolution(False), PRIOR.resolution(True)) == (PRIOR.resolution_dense, PRIOR.resolution_moe)
