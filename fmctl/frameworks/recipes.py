"""The recipes: which framework profile is launched by which program, what it cannot be told, and how it is read back.

megatron, megatron-unfused: Megatron-LM, or Megatron-Bridge for the first. torchtitan, torchtitan-eager: torchtitan.
nanotron: nanotron. deepspeed: Megatron-DeepSpeed. internevo and composer have no recipe: their jobs get the layout as
LAYOUT_ variables, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmctl.base.errors import CannotRun, UnknownName, UsageError
from fmctl.domain.layout import Layout
from fmctl.domain.model import ModelArch
from fmctl.frameworks.deepspeed import recipe as deepspeed
from fmctl.frameworks.layouts import Run, run_of
from fmctl.frameworks.megatron import recipe as megatron
from fmctl.frameworks.megatron_bridge import recipe as megatron_bridge
from fmctl.frameworks.nanotron import recipe as nanotron
from fmctl.frameworks.profiles import FRAMEWORKS
from fmctl.frameworks.torchtitan import recipe as torchtitan
from fmctl.frameworks.words import Words, settled


@dataclass(frozen=True, slots=True)
class Recipe:
    """One program that trains. refusals: why it cannot be told a layout. write: how it is told. read: what it was told.

    `read(words, gpus, arch)` takes what `write` made, or what a running job was started with.
    """

    name: str
    refusals: Callable[[Run, ModelArch | None], Iterator[str]]
    write: Callable[[Run, ModelArch | None], Words]
    read: Callable[[Words, int, ModelArch | None], Layout]


MEGATRON = Recipe("megatron-lm", megatron.refusals, megatron.write, megatron.read)
BRIDGE = Recipe("megatron-bridge", megatron_bridge.refusals, megatron_bridge.write, megatron_bridge.read)
TORCHTITAN = Recipe("torchtitan", torchtitan.refusals, torchtitan.write, torchtitan.read)
NANOTRON = Recipe("nanotron", nanotron.refusals, nanotron.write, nanotron.read)
DEEPSPEED = Recipe("megatron-deepspeed", deepspeed.refusals, deepspeed.write, deepspeed.read)
RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe for recipe in (MEGATRON, BRIDGE, TORCHTITAN, NANOTRON, DEEPSPEED)
}  # fmt: skip
# By framework profile, the first unless another is asked for.
OFFERED: Mapping[str, tuple[Recipe, ...]] = {
    "megatron": (MEGATRON, BRIDGE),
    "megatron-unfused": (MEGATRON,),
    "torchtitan": (TORCHTITAN,),
    "torchtitan-eager": (TORCHTITAN,),
    "nanotron": (NANOTRON,),
    "deepspeed": (DEEPSPEED,),
}


def recipe_for(framework: str, asked: str = "") -> Recipe | None:
    """The recipe of a framework profile; None where it has none. Raises UnknownName, UsageError for another's."""
    offered = OFFERED.get(framework, ())
    if not asked:
        return offered[0] if offered else None
    if asked not in RECIPES:
        raise UnknownName("recipe", asked, RECIPES)
    found = next((recipe for recipe in offered if recipe.name == asked), None)
    if found is None:
        names = " or ".join(recipe.name for recipe in offered) or "none"
        raise UsageError(f"recipe {asked} is not for a plan of {framework}", why=f"it has {names}")
    return found


def told(recipe: Recipe, run: Run, arch: ModelArch | None) -> Words:
    """The layout in the recipe's words. Raises UsageError where it has none for a field of it, with the reason."""
    why = "; ".join(recipe.refusals(run, arch))
    if why:
        raise CannotRun(
            f"{recipe.name} cannot run this layout", why=why, next="--rank for another row of the plan, or plan again"
        )
    return recipe.write(run, arch)


def first_rank(rows: Sequence[Mapping[str, Any]], arch: ModelArch | None, asked: str = "") -> int | None:
    """Rank of the first row of a plan that its recipe can run; None where there is none."""
    for rank, row in enumerate(rows, 1):
        run = run_of(row)
        recipe = recipe_for(run.framework, asked)
        if recipe is None or not any(recipe.refusals(run, arch)):
            return rank
    return None


def same(run: Run, found: Layout) -> bool:
    """Whether a layout that was read back is the run's, fields without effect apart."""
    profile = FRAMEWORKS[run.framework]
    return settled(run.layout, profile) == settled(found, profile)
