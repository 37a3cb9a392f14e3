"""The recipe that a config names, with its own values in it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from tasks.recipes.recipe import Recipe
from tasks.recipes.registry import recipe, recipe_names


def resolve_recipe(stage: str, task: str, overrides: Mapping[str, Any], backbone: str | None = None) -> Recipe:
    """The recipe `overrides["base"]` names (default: quick) with the other keys replaced.

    `base` is a recipe's whole name, or the end of one, quick or paper: then each task has its own. `backbone`: on
    which it is to be used; without it the recipe of every backbone that has none of its own. Raises BadInput naming the
    key.
    """
    values = {key: value for key, value in overrides.items() if key != "base"}
    known = get_type_hints(Recipe)
    for key, value in values.items():
        if key not in known:
            raise BadInput(f"{stage}.recipe: unknown key {key}; known keys: base, {', '.join(known)}")
        # pydantic would take yes for 1
        if isinstance(value, bool) and known[key] in (int, float):
            raise BadInput(f"{stage}.recipe.{key}: a number is needed, not yes or no")
    default = f"{stage}-{task}-quick"
    if "base" not in overrides and default not in recipe_names():
        names = ", ".join(name for name in recipe_names() if name.startswith(stage))
        raise BadInput(
            f"{stage}.tasks: {task} has no recipe here; choose another task, or set {stage}.recipe.base: {names}"
        )
    try:
        named = str(overrides.get("base", default))
        own = f"{stage}-{task}-{named}"
        base = recipe(own if own in recipe_names() else named, backbone)
        return TypeAdapter(Recipe).validate_python(dataclasses.asdict(base) | values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (f"{stage}.recipe", *first["loc"]))
        raise BadInput(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise BadInput(f"{stage}.recipe: {error}") from None


# So many sizes are written out; of more the first and the last.
_MOST_SIZES = 4


def less_than_one_pass(config: SweepConfig, sizes: Sequence[int]) -> list[str]:
    """A sentence for each pre-training task whose recipe sees fewer images than the largest of these sizes.

    There not every image is looked at even once, so that the errors also say how long the recipe is. `sizes`:
    increasing.
    """
    if config.is_simulated:
        return []
    said = []
    for task in config.pretrain.tasks:
        # a backbone with half the batch has twice the steps: all see as many images
        told = resolve_recipe("pretrain", task, config.pretrain.recipe)
        seen = told.iterations * told.batch_size
        beyond = [f"{n:,}" for n in sizes if n > seen]
        if beyond:
            are, steps = "is" if len(beyond) == 1 else "are", f"{told.iterations:,} steps of {told.batch_size:,}"
            said.append(
                f"{task}: n = {_listed(beyond)} {are} more than the {seen:,} images the recipe sees ({steps}):"
                " beyond it alpha and C are those of the recipe, less than one pass"
            )
    return said


def _listed(sizes: Sequence[str]) -> str:
    if len(sizes) > _MOST_SIZES:
        return f"{sizes[0]} and {len(sizes) - 1} larger sizes up to {sizes[-1]}"
    return " and ".join([", ".join(sizes[:-1]), sizes[-1]] if len(sizes) > 1 else sizes)
