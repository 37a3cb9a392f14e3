"""Recipes by name."""

from tasks.base import TaskError, network_of
from tasks.recipes import paper, quick
from tasks.recipes.recipe import Recipe

_RECIPES: dict[str, Recipe] = {**quick.RECIPES, **paper.RECIPES}


def recipe_names() -> tuple[str, ...]:
    """All known recipe names."""
    return tuple(_RECIPES)


def recipe(name: str, backbone: str | None = None) -> Recipe:
    """The recipe called `name`, as it is on this backbone; TaskError listing the known names otherwise."""
    if name not in _RECIPES:
        raise TaskError(f"unknown recipe {name!r}; known recipes: {', '.join(_RECIPES)}")
    return paper.OF_BACKBONE.get((name, network_of(backbone or "")), _RECIPES[name])
