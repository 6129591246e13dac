"""Every recipe gives back the layout it was told: 500 random valid ones each, and every refusal has a reason."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from fmctl.base.errors import UnreadableFile, UsageError
from fmctl.domain.layout import ContextComm, CudaGraph, Layout, Precision, Recompute, Sharding
from fmctl.domain.program import Run
from fmctl.frameworks.choice import offered, recipe_for, same, told
from fmctl.frameworks.megatron import recipe as megatron
from fmctl.frameworks.recipe import Recipe
from fmctl.frameworks.registry import FRAMEWORKS, recipes
from fmctl.frameworks.torchrun.recipe import RECIPE as ANY
from fmctl.frameworks.words import Words, settled
from fmctl.perf.train.stages import chunk_sizes, head_layers
from fmctl.plan.axes import Scope, option_columns
from fmctl.plan.constraints import option_reasons
from fmctl.plan.space import Tally, lots, setting_of
from tests.unit.targets.helpers import instance, model
from tests.unit.targets.test_hostile import HOSTILE

ASKED = 500
CASES = (
    ("llama-3.1-70b", "p5.48xlarge", 4), ("llama-3.1-405b", "p5.48xlarge", 128),
    ("deepseek-v3", "p6-b200.48xlarge", 32),
    ("mixtral-8x7b", "p5en.48xlarge", 8), ("qwen3-30b-a3b", "p5.48xlarge", 4), ("gemma-3-27b", "p6-b300.48xlarge", 3),
)  # fmt: skip
PAIRS = [(profile, recipe) for profile in FRAMEWORKS for recipe in offered(profile)]
RECIPES = {recipe.name: recipe for recipe in recipes()}


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


def read(recipe: str, arguments: str = "", gpus: int = 64, **files: str) -> Layout:
    return RECIPES[recipe].read(Words(tuple(arguments.split()), files), gpus, model())


NANOTRON = "parallelism: {tp: 4, pp: 2, dp: 8}\ntokens: {micro_batch_size: 2}\noptimizer: {zero_stage: 1}\n"


def test_a_running_job_is_read_with_the_programs_own_defaults() -> None:
    """What nobody said is what each program does by itself."""
    plain = read("megatron-lm", "--tensor-model-parallel-size 4 --micro-batch-size=2 --bf16")
    assert (plain.tp, plain.dp, plain.micro_batch, plain.sharding, plain.etp) == (4, 16, 2, Sharding.NONE, 1)
    assert read("megatron-lm", "--context-parallel-size 2 --cp-comm-type allgather").cp_comm == ContextComm.ALL_GATHER
    experts = read("megatron-lm", "--tensor-model-parallel-size 4 --num-experts 8")
    assert experts.etp == 4
    assert read("megatron-bridge", "model.tensor_model_parallel_size=8 ddp.use_distributed_optimizer=true").dp == 8
    titan = read("torchtitan", "--parallelism.tensor_parallel_degree 4")
    assert (titan.sharding, titan.dp, titan.sequence_parallel) == (Sharding.ZERO3, 16, 1)
    nano = read("nanotron", file=NANOTRON)
    assert (nano.tp, nano.pp, nano.dp, nano.sharding, nano.recompute) == (4, 2, 8, Sharding.ZERO1, Recompute.NONE)
    deep = read(
        "megatron-deepspeed", "--tensor-model-parallel-size 2 --zero-stage 3",
        file='{"train_micro_batch_size_per_gpu": 4, "zero_optimization": {"stage": 3}}',
    )  # fmt: skip
    assert (deep.tp, deep.dp, deep.micro_batch, deep.sharding) == (2, 32, 4, Sharding.ZERO3)


def test_a_torchtitan_file_is_read_and_flags_win() -> None:
    text = "[parallelism]\ntensor_parallel_degree = 8\n[model]\nconverters = ['quantize.linear.float8']\n"
    found = read("torchtitan", "--parallelism.tensor_parallel_degree 2", file=text)
    assert (found.tp, found.precision) == (2, Precision.FP8)
    assert read("torchtitan", file=text).tp == 8


def test_uneven_stages_are_those_of_the_plan() -> None:
    """61 layers on 4 stages of 2 chunks: the ends are shorter by what embedding and logits weigh."""
    arch = model("deepseek-v3")
    layout = Layout(tp=1, pp=4, vpp=2, dp=8, schedule=1, micro_batch=1)
    words = megatron.pipeline_layout(layout, arch)
    chunks = words.split("|")
    assert len(chunks) == 8 and chunks[0].startswith("Et*") and chunks[-1].endswith("mL")
    layers = [int(chunk.strip("EmL").removeprefix("t*") or 0) for chunk in chunks]
    assert sum(layers) == 61
    assert layers == chunk_sizes(61, 8, 1, head_layers(arch))
    assert megatron.pipeline_layout(Layout(pp=4, vpp=2, dp=8), model()) == ""  # 80 layers divide


@pytest.mark.parametrize(
    ("recipe", "arguments", "files"),
    [
        ("megatron-lm", "--tensor-model-parallel-size many", {}),
        ("megatron-lm", "--tensor-model-parallel-size 0", {}),
        ("megatron-lm", "--tensor-model-parallel-size 7", {}),
        ("megatron-lm", "--recompute-granularity some", {}),
        ("megatron-lm", "--fp8-format hybrid --fp8-recipe delayed", {}),
        ("megatron-lm", "--pipeline-model-parallel-size 4 --pipeline-model-parallel-layout Et|t|tL", {}),
        ("megatron-bridge", "model.tensor_model_parallel_size=x", {}),
        ("megatron-bridge", "mixed_precision=fp16_mixed", {}),
        ("torchtitan", "--parallelism.data_parallel_replicate_degree 3", {}),
        ("torchtitan", "--parallelism.pipeline_parallel_degree 2 --parallelism.pipeline_parallel_schedule GPipe", {}),
        ("torchtitan", "", {"file": "not toml"}),
        ("nanotron", "", {}),
        ("nanotron", "", {"file": "[1, 2"}),
        ("nanotron", "", {"file": "a: &x 1"}),
        ("nanotron", "", {"file": NANOTRON.replace("dp: 8", "dp: 4")}),
        ("nanotron", "", {"file": NANOTRON.replace("dp: 8", "dp: 8, pp_engine: afab")}),
        ("megatron-deepspeed", "", {"file": "{"}),
        ("megatron-deepspeed", "", {"file": "[]"}),
        ("megatron-deepspeed", "", {"file": "{}"}),
        ("megatron-deepspeed", "--zero-stage 1", {"file": '{"train_micro_batch_size_per_gpu": 1}'}),
    ],
)
def test_what_is_not_understood_is_said_and_not_guessed(recipe: str, arguments: str, files: dict[str, str]) -> None:
    with pytest.raises(UnreadableFile):
        read(recipe, arguments, **files)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("recipe", RECIPES)
def test_hostile_words_end_in_an_error_of_ours_or_a_layout(recipe: str, text: str) -> None:
    arguments = ("--tensor-model-parallel-size", text, "--parallelism.tensor_parallel_degree", text)
    words = Words((*arguments, f"model.tensor_model_parallel_size={text}"), {"file": text})
    try:
        found = RECIPES[recipe].read(words, 64, model())
    except UnreadableFile as error:
        assert all(line.isprintable() for line in error.lines())
    else:
        assert found.gpus == 64


def test_every_profile_has_a_recipe_or_is_known_to_have_none() -> None:
    assert {name for name in FRAMEWORKS if not offered(name)} == {"internevo", "composer"}
    assert recipe_for("internevo") is recipe_for("composer") is ANY
    with pytest.raises(UsageError, match="not for a plan of composer") as caught:
        recipe_for("composer", "nanotron")
    assert caught.value.why == "it has none"


def test_fields_without_effect_do_not_tell_layouts_apart() -> None:
    run = Run("llama-3.1-70b", "megatron", Layout(tp=1, dp=64), 8192, 512, 10, 1, None)
    assert same(run, Layout(tp=1, dp=64, sequence_parallel=1, cp_comm=2, dispatcher=1))
    assert not same(run, Layout(tp=2, dp=32))
