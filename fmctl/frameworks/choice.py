"""Which recipe trains a framework profile, its layout in the recipe's words, and the first row that it can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmctl.base.errors import CannotRun, UnknownName, UsageError
from fmctl.domain.layout import Layout
from fmctl.domain.model import ModelArch
from fmctl.domain.program import Program, Run, Tell, run_of
from fmctl.frameworks.recipe import Recipe
from fmctl.frameworks.registry import FRAMEWORKS, recipes
from fmctl.frameworks.torchrun.recipe import RECIPE as ANY
from fmctl.frameworks.words import Words, settled

if TYPE_CHECKING:
    from fmctl.domain.rows.results import EstimateRow


def offered(framework: str) -> tuple[Recipe, ...]:
    """The recipes of a framework profile, the first unless another is asked for."""
    return tuple(recipe for recipe in recipes() if framework in recipe.profiles)


def recipe_for(framework: str, asked: str = "") -> Recipe:
    """The recipe of a profile, any program where it has none. Raises UnknownName, UsageError for another's."""
    own = offered(framework)
    if not asked:
        return own[0] if own else ANY
    names = [recipe.name for recipe in recipes()]
    if asked not in names:
        raise UnknownName("recipe", asked, names)
    found = next((recipe for recipe in own if recipe.name == asked), None)
    if found is None:
        has = " or ".join(recipe.name for recipe in own) or "none"
        raise UsageError(f"recipe {asked} is not for a plan of {framework}", why=f"it has {has}")
    return found


def told(recipe: Recipe, run: Run, arch: ModelArch | None) -> Words:
    """The layout in the recipe's words. Raises UsageError where it has none for a field of it, with the reason."""
    why = "; ".join(recipe.refusals(run, arch))
    if why:
        raise CannotRun(
            f"{recipe.name} cannot run this layout", why=why, next="--row for another row of the plan, or plan again"
        )
    return recipe.write(run, arch)


def teller(arch: ModelArch | None, asked: str = "") -> Tell:
    """What makes the program of a run: its recipe, or the one that is asked for, told layout, model and schedule."""

    def tell(run: Run) -> Program:
        recipe = recipe_for(run.framework, asked)
        words = told(recipe, run, arch)
        return Program(
            name=recipe.name,
            entry=recipe.entry,
            module=recipe.module,
            saves=recipe.saves,
            start=recipe.start,
            newest=recipe.newest,
            arguments=(*(() if arch is None else recipe.model(arch, run)), *words.arguments),
            files=words.files,
            variables=tuple(recipe.asked(run, arch)),
            schedule=lambda leave_min: recipe.schedule(run, leave_min),
            warnings=lambda files: recipe.warnings(run, arch, files),
            one_queue=recipe.one_queue(run),
            packages=tuple(name for one in recipes() for name in one.packages),
        )

    return tell


def first_row(rows: Sequence[EstimateRow], arch: ModelArch | None, asked: str = "") -> int | None:
    """Rank of the first row of a plan that its recipe can run; None where there is none."""
    for rank, row in enumerate(rows, 1):
        run = run_of(row)
        recipe = recipe_for(run.framework, asked)
        if not any(recipe.refusals(run, arch)):
            return rank
    return None


def same(run: Run, found: Layout) -> bool:
    """Whether a layout that was read back is the run's, fields without effect apart."""
    profile = FRAMEWORKS[run.framework]
    return settled(run.layout, profile) == settled(found, profile)
