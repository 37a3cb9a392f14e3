"""Recipes by name."""

from __future__ import annotations

from tasks.base import TaskError
from tasks.recipes.recipe import Recipe


def recipe_names() -> tuple[str, ...]:
    """All known recipe names."""
    return tuple(_named())


def recipe(name: str) -> Recipe:
    """The recipe called `name`; TaskError listing the known names otherwise."""
    known = _named()
    if name not in known:
        raise TaskError(f"unknown recipe {name!r}; known recipes: {', '.join(known)}")
    return known[name]


def _named() -> dict[str, Recipe]:
    # these modules are lists of what this one defines
    from tasks.recipes import paper as recipes_paper
    from tasks.recipes import quick as recipes_quick

    return {**recipes_quick.RECIPES, **recipes_paper.RECIPES}
