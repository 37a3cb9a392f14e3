"""Which windows into photographs a training step sees, and which are evaluated; `views.py` says what is in them.

A photograph lies in the top left corner of its stored square. Sizes are (height, width) in px.
"""

import math

import numpy as np

from tasks.recipes.recipe import Recipe
from tasks.training.views import Views

Size = tuple[int, int]

# a resized crop's share of the photograph's area and its width / height, and how often one that fits is looked for
# (Szegedy et al. 2015, as torchvision has it)
_AREAS, _ASPECTS, _TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
# a whole number that comes out as 519.9999 is one
_ROUNDING = 1e-9


def drawn(rng: np.random.Generator, recipe: Recipe, stored: Size, photographs: np.ndarray) -> Views:
    """Random windows into B squares of this size, as the recipe says.

    photographs: what of each square is photograph, float64 (B, 2) px.
    """
    crop, zoom, top, left, coin = rng.uniform(size=(5, len(photographs), 1))
    places = np.concatenate([top, left], axis=1)
    mirrored = (coin < 0.5) if "flip" in recipe.augment else np.zeros_like(coin, dtype=bool)
    size = _training_size(recipe, stored)
    if recipe.draws_shorter_edge:
        least, most = recipe.shorter_edge
        resized = _resized(photographs, least + np.floor(zoom * (most - least + 1)))
        # a photograph that is smaller than its window lies in the window's top left corner, as torchvision has it
        room = np.maximum(resized - size, 0)
        origin, extent = (px / resized * photographs / stored for px in (np.floor(places * (room + 1)), np.array(size)))
    elif "resized_crop" in recipe.augment:
        extent, fits = _resized_crops(rng, photographs)
        extent /= stored
        origin = np.where(fits, places, 0.5) * (photographs / stored - extent)
    else:
        frame = _frame(recipe, stored, photographs)
        extent = frame * _zoomed(recipe, crop, zoom)
        origin = places * (frame - extent)
    # the same camera sees a thing z times as large where it is z times as near, and nothing in a window that is
    # magnified z times as much as in evaluation tells that another camera took it
    distance = _test_magnification(recipe, stored, photographs) / _magnification(extent * stored, size)
    return Views(origin, extent, mirrored, size, photographs / stored, distance)


def under_test(recipe: Recipe, stored: Size, photographs: np.ndarray) -> Views:
    """The windows that are evaluated: nothing is drawn. photographs: as above; the images are of `test_sizes`.

    Images of several sizes have several windows but not one size: ask for those of one size at a time.
    """
    count = len(photographs)
    whole, unturned = np.zeros((count, 2)), np.zeros((count, 1), dtype=bool)
    if not recipe.eval_shorter_edge:
        frame = _frame(recipe, stored, photographs)
        return Views(whole, frame, unturned, _training_size(recipe, stored), photographs / stored)
    sizes = test_sizes(recipe, stored, photographs)
    resized = _resized(photographs, recipe.eval_shorter_edge)
    # halves are rounded to the even number, as torchvision's CenterCrop does
    origin, extent = (px / resized * photographs / stored for px in (np.rint((resized - sizes) / 2), sizes))
    height, width = sizes[0].tolist() if count else stored
    return Views(origin, extent, unturned, (height, width), photographs / stored)


def test_sizes(recipe: Recipe, stored: Size, photographs: np.ndarray) -> np.ndarray:
    """The size at which each photograph is evaluated, int64 (B, 2)."""
    if recipe.eval_shorter_edge and not recipe.eval_window:
        return _resized(photographs, recipe.eval_shorter_edge).astype(np.int64)
    side = recipe.eval_window
    return np.broadcast_to((side, side) if side else _training_size(recipe, stored), (len(photographs), 2))


def _training_size(recipe: Recipe, stored: Size) -> Size:
    return (recipe.window, recipe.window) if recipe.window else stored


def _frame(recipe: Recipe, stored: Size, photographs: np.ndarray) -> np.ndarray:
    """What is seen where nothing is drawn, (B, 2) in units of the square's sides."""
    return photographs / stored if recipe.stretch else np.ones_like(photographs)


def _zoomed(recipe: Recipe, crop: np.ndarray, zoom: np.ndarray) -> np.ndarray:
    """Sides (B, 1) of windows as shares of the frame, by `augment` crop and `scale_jitter`, from draws in [0, 1)."""
    side = np.ones_like(crop)
    if "crop" in recipe.augment:
        side *= recipe.smallest_crop + (1 - recipe.smallest_crop) * crop
    least, most = recipe.scale_jitter
    return side if (least, most) == (1.0, 1.0) else side / (least + (most - least) * zoom)


def _resized(photographs: np.ndarray, edge: np.ndarray | int) -> np.ndarray:
    """Sizes (B, 2) of photographs whose shorter edge becomes `edge` px; the longer rounded down, as in torchvision."""
    return np.floor(photographs * edge / photographs.min(axis=1, keepdims=True) + _ROUNDING)


def _resized_crops(rng: np.random.Generator, photographs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sizes (B, 2) in px of random crops of the photographs, and whether each was drawn, bool (B, 1).

    Of ten draws the first that fits; else the largest crop of an allowed shape, which is one of the middle.
    """
    shares, shapes = rng.uniform(size=(2, len(photographs), _TRIES, 1))
    least, most = _AREAS
    area = photographs.prod(axis=1)[:, None, None] * (least + (most - least) * shares)
    narrow, wide = (math.log(aspect) for aspect in _ASPECTS)
    aspect = np.exp(narrow + (wide - narrow) * shapes)
    tried = np.sqrt(np.concatenate([area / aspect, area * aspect], axis=-1))
    fits = (tried <= photographs[:, None]).all(axis=-1)
    first = tried[np.arange(len(tried)), fits.argmax(axis=1)]
    height, width = photographs.T
    largest = np.stack([np.minimum(height, width / _ASPECTS[0]), np.minimum(width, height * _ASPECTS[1])], axis=1)
    found = fits.any(axis=1, keepdims=True)
    return np.where(found, first, largest), found


def _test_magnification(recipe: Recipe, stored: Size, photographs: np.ndarray) -> np.ndarray:
    if recipe.eval_shorter_edge:
        return _magnification(photographs, _resized(photographs, recipe.eval_shorter_edge))
    return _magnification(_frame(recipe, stored, photographs) * stored, _training_size(recipe, stored))


def _magnification(extent: np.ndarray, size: Size | np.ndarray) -> np.ndarray:
    """How many px of the image a px of the square becomes, (B, 1); (B, 2) px become `size`."""
    return np.asarray(np.sqrt((np.asarray(size) / extent).prod(axis=1, keepdims=True)))
