"""A rehearsal in every format."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fmctl.base.outputs import OUTPUTS
from fmctl.report.formats import found
from fmctl.report.rehearsals import Rehearsal, rehearsal_answer
from fmctl.targets.target import Condition


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_rehearsal_is_written_in_every_format(name: str) -> None:
    spec: Any = SimpleNamespace(name="r1", instance="p5.48xlarge", nodes=8, usd_per_h=440.32, max_hours=2.0)
    launched: Any = SimpleNamespace(warnings=())
    torn: Any = SimpleNamespace(done=True, leftovers=())
    seen = Rehearsal(spec, "sha256:1", {"AWS::EC2::Instance": 9}, launched, Condition.READY, 12, 600.0, torn)
    assert "AWS::EC2::Instance" in found(name).answer(rehearsal_answer(seen, ("prices",)))
