"""Every recipe gives back the layout it was told: 500 random valid ones each, and every refusal has a reason."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from fmctl.cluster.render.layouts import Run
from fmctl.cluster.render.recipes import OFFERED, Recipe, told
from fmctl.cluster.render.words import settled
from fmctl.domain.layout import CudaGraph, Layout
from fmctl.errors import UsageError
from fmctl.perf.frameworks import FRAMEWORKS
from fmctl.search.constraints import option_reasons
from fmctl.search.space import Scope, Tally, lots, option_columns, setting_of
from tests.unit.render.helpers import instance, model

ASKED = 500
CASES = (
    ("llama-3.1-70b", "p5.48xlarge", 4), ("llama-3.1-405b", "p5.48xlarge", 128),
    ("deepseek-v3", "p6-b200.48xlarge", 32),
    ("mixtral-8x7b", "p5en.48xlarge", 8), ("qwen3-30b-a3b", "p5.48xlarge", 4), ("gemma-3-27b", "p6-b300.48xlarge", 3),
)  # fmt: skip
PAIRS = [(profile, recipe) for profile, offered in OFFERED.items() for recipe in offered]


def random_runs(profile: str, seed: int) -> Iterator[tuple[Run, str]]:
    """Layouts that the search's constraints accept, a lot first, so that common meshes do not crowd out the rest."""
    pick = random.Random(seed)
    framework = FRAMEWORKS[profile]
    graphs = tuple(int(g) for g in CudaGraph) if profile.startswith("megatron") else (0,)
    scopes = []
    for name, type_, nodes in CASES:
        setting = setting_of(model(name), instance(type_), framework, 8192, 1536, True)
        fixed = {"cuda_graph": graphs, "precision": setting.precisions}
        scope = Scope(setting, instance(type_).gpus * nodes, fixed, exhaustive=True)
        scopes.append((name, setting, list(lots(scope, Tally()))))
    while True:
        name, setting, found = pick.choice(scopes)
        lot = pick.choice(found)
        at = pick.randrange(lot.options.count)
        chosen, _ = option_columns(lot.options, at, at + 1)
        micro = np.array([pick.choice(lot.micro.tolist())])
        if any(bool(mask.any()) for _, mask in option_reasons(lot.mesh, setting, chosen, micro)):
            continue
        mesh = {field: getattr(lot.mesh, field) for field in ("tp", "pp", "cp", "ep", "etp", "dp")}
        layout = Layout(**mesh, micro_batch=int(micro[0]), **{k: int(v[0]) for k, v in chosen.items()})
        yield Run(name, profile, layout, 8192, 1536, 1000, 50, None), name


@pytest.mark.parametrize(("profile", "recipe"), PAIRS, ids=[f"{p}-{r.name}" for p, r in PAIRS])
def test_a_layout_comes_back(profile: str, recipe: Recipe) -> None:
    told_n, seen = 0, 0
    refused: Counter[str] = Counter()
    for run, name in random_runs(profile, seed=6):
        seen += 1
        assert settled(run.layout, FRAMEWORKS[profile]) == run.layout
        arch = model(name)
        reasons = list(recipe.refusals(run, arch))
        if reasons:
            refused.update(reason[:60] for reason in reasons)
            with pytest.raises(UsageError, match="cannot run this layout"):
                told(recipe, run, arch)
            assert seen < ASKED * 60, refused
            continue
        words = told(recipe, run, arch)
        found = recipe.read(words, run.layout.gpus, arch)
        assert found == run.layout, (words.arguments, words.files)
        told_n += 1
        if told_n == ASKED:
            break
    assert told_n == ASKED
    print(profile, recipe.name, f"{told_n} of {seen}", refused.most_common(6))
