"""Every rendering against its digest, a few against whole files.

`FMCTL_UPDATE_GOLDEN=1 pytest tests/unit/targets/test_golden.py` writes them again; read what changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests.unit.targets.helpers import matrix, rendered

GOLDEN = Path(__file__).parents[2] / "golden" / "render"
UPDATE = "FMCTL_UPDATE_GOLDEN" in os.environ
CASES = dict(matrix())
WHOLE = (
    "p5.48xlarge on-demand new", "p4d.24xlarge spot efa", "p5en.48xlarge odcr none",
    "p6-b300.48xlarge capacity-block efa",
    "u-p6e-gb200x72 capacity-block efa", "everything", "one node, torchtitan", "environment alone",
    "nanotron", "deepspeed", "megatron-bridge",
    "a block with its end",
)  # fmt: skip


def test_every_type_is_here_in_every_way_to_buy_it() -> None:
    types = {name.split()[0] for name in CASES}
    assert types >= {
        "p4d.24xlarge", "p4de.24xlarge", "p5.48xlarge", "p5.4xlarge", "p5e.48xlarge", "p5en.48xlarge",
        "p6-b200.48xlarge", "p6-b300.48xlarge", "u-p6e-gb200x36", "u-p6e-gb200x72",
    }  # fmt: skip


def test_digests_stay_as_they_were() -> None:
    lines = "".join(f"{rendered(spec).digest} {name}\n" for name, spec in CASES.items())
    path = GOLDEN / "digests.txt"
    if UPDATE:
        path.write_text(lines)
    assert lines.splitlines() == path.read_text().splitlines()


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_stay_as_they_were(name: str) -> None:
    for file, text in rendered(CASES[name]).files.items():
        path = GOLDEN / name.replace(" ", "-").replace(",", "") / file
        if UPDATE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert text == path.read_text()


@pytest.mark.parametrize("name", list(CASES))
def test_the_same_spec_is_the_same_text_and_plain_yaml(name: str) -> None:
    text = rendered(CASES[name]).files["cluster.yaml"]
    assert text == rendered(CASES[name]).files["cluster.yaml"]
    assert isinstance(yaml.safe_load(text), dict)
    assert not set("&*!").intersection(word[0] for word in text.split())  # neither anchors nor tags
    assert "111122223333" not in "".join(rendered(CASES[name]).files.values())
