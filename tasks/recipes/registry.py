"""Recipes by name."""

from tasks.base import TaskError
from tasks.recipes import paper, quick
from tasks.recipes.recipe import Recipe

_RECIPES: dict[str, Recipe] = {**quick.RECIPES, **paper.RECIPES}


def recipe_names() -> tuple[str, ...]:
    """All known recipe names."""
    return tuple(_RECIPES)


def recipe(name: str) -> Recipe:
    """The recipe called `name`; TaskError listing the known names otherwise."""
    if name not in _RECIPES:
        raise TaskError(f"unknown recipe {name!r}; known recipes: {', '.join(_RECIPES)}")
    return _RECIPES[name]
