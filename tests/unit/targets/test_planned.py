"""What plan offers for a framework, its program can be told: candidates of the search against the recipes' refusals."""

from __future__ import annotations

import random

import pytest

from fmctl.catalog import load_instance, load_model
from fmctl.domain.program import Run
from fmctl.frameworks.choice import recipe_for
from fmctl.frameworks.registry import FRAMEWORKS
from fmctl.plan import axes, space

SAMPLED = 400


@pytest.mark.parametrize("model", ["llama-3.1-70b", "mixtral-8x7b", "deepseek-v3"])
@pytest.mark.parametrize("framework", ["megatron", "torchtitan", "nanotron", "deepspeed"])
def test_every_candidate_can_be_told(framework: str, model: str) -> None:
    arch, instance = load_model(model), load_instance("p5.48xlarge")
    setting = space.setting_of(arch, instance, FRAMEWORKS[framework], 4096, 512, True)
    recipe = recipe_for(framework, "")
    assert recipe is not None
    rng, looked, refused = random.Random(11), 0, {}
    for chunk in space.candidates(axes.Scope(setting, 256), space.Tally()):
        for i in rng.sample(range(len(chunk)), min(SAMPLED, len(chunk))):
            run = Run(model, framework, chunk.row(i), 4096, 512, 100, 10, None)
            refused |= dict.fromkeys(recipe.refusals(run, arch), run.layout)
            looked += 1
    assert looked >= 20
    assert not refused
