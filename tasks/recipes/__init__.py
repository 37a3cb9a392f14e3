"""Training recipes by name: `recipe(name)` gives a frozen `Recipe`."""

from tasks.recipes.recipe import Recipe
from tasks.recipes.registry import recipe, recipe_names

__all__ = ["Recipe", "recipe", "recipe_names"]
