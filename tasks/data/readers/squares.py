"""Images of any shape as squares, and where whatever is labelled in them comes to lie.

letterbox: the longer side is fitted, the rest is grey and without label, so that nothing is cut off. crop: the shorter
side is fitted, the middle is kept. stretch: both sides are fitted, each by its own factor. Photographs are bilinear,
antialiased where they shrink; maps take the nearest pixel; points and boxes follow the photograph's two axes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from tasks.data.readers.images import GREY, as_labelled, opened

Fit = Literal["letterbox", "crop", "stretch"]


@dataclass(frozen=True)
class Placement:
    """Where an image of `size`, its width and height in px, lies in its square of `side` px.

    box: left, top, right and bottom of the part that is shown, in px of the image. content: width and height in px of
    that part in the square, which it fills from the top left corner on.
    """

    size: tuple[int, int]
    side: int
    box: tuple[float, float, float, float]
    content: tuple[int, int]

    @property
    def scale(self) -> np.ndarray:
        """By what x and y of the image are multiplied in the square, float64 (2,)."""
        left, top, right, bottom = self.box
        return np.array(self.content) / (right - left, bottom - top)

    @property
    def cuts(self) -> bool:
        """Whether a part of the image is not shown."""
        return self.box != (0, 0, *self.size)

    def points(self, places: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the image, x and y in px from its corner, as px of the square; some may lie outside."""
        return (places - np.array(self.box[:2])) * self.scale

    def corners(self, box: tuple[float, float, float, float]) -> np.ndarray:
        """A box x, y, width, height of the image as x0, y0, x1, y1 of the square, float64 (4,); cut where the image is.

        Of a box that is cut off wholly, no extent is left.
        """
        x, y, width, height = box
        found = self.points(np.array([[x, y], [x + width, y + height]])).ravel()
        return found.clip(0, self.side) if self.cuts else found

    def shows(self, points: np.ndarray) -> np.ndarray:
        """Whether points (..., 2) of the square lie in it; all do where nothing is cut."""
        if not self.cuts:
            return np.ones(points.shape[:-1], bool)
        return np.asarray(((points >= 0) & (points < self.side)).all(axis=-1))


def placement(size: tuple[int, int], side: int, fit: Fit) -> Placement:
    """Where an image of this width and height lies in a square of `side` px."""
    width, height = size
    if fit == "crop":
        shorter = min(size)
        left, top = (width - shorter) / 2, (height - shorter) / 2
        return Placement(size, side, (left, top, left + shorter, top + shorter), (side, side))
    longer = max(size)
    # whole pixels: the two axes may shrink by a little less or more than each other
    fitted = max(1, round(width * side / longer)), max(1, round(height * side / longer))
    return Placement(size, side, (0, 0, *size), fitted if fit == "letterbox" else (side, side))


def photograph(file: Path, place: Placement) -> np.ndarray:
    """A photograph as uint8 (side, side, 3), placed as what was labelled is, of which it may be a copy of another size.

    Where that has another shape, labels would lie beside what they name: a TaskError.
    """
    return squared(as_labelled(file, opened(file), place.size), place)


def squared(image: Image.Image, place: Placement) -> np.ndarray:
    """An RGB image, or a copy of it of another size, as uint8 (side, side, 3)."""
    (width, height), (wide, high) = image.size, place.size
    left, top, right, bottom = place.box
    box = (
        left * width / wide,
        top * height / high,
        min(right * width / wide, width),
        min(bottom * height / high, height),
    )
    fitted = image.resize(place.content, Image.Resampling.BILINEAR, box=box)
    if place.content == (place.side, place.side):
        return np.asarray(fitted)
    canvas = Image.new("RGB", (place.side, place.side), GREY)
    canvas.paste(fitted)
    return np.asarray(canvas)


def label_map(values: np.ndarray, place: Placement, outside: int) -> np.ndarray:
    """A map (h, w) or (h, w, C) of whatever values, as large as `place.size`, as (side, side[, C]); nearest pixel."""
    left, top, right, bottom = place.box
    columns, rows = place.content
    square = np.full((place.side, place.side, *values.shape[2:]), outside, values.dtype)
    kept_rows = nearest_pixels(round(bottom - top), rows, halves_before=round(2 * top))
    kept_columns = nearest_pixels(round(right - left), columns, halves_before=round(2 * left))
    square[:rows, :columns] = values[kept_rows[:, None], kept_columns]
    return square


def nearest_pixels(count: int, wanted: int, *, halves_before: int = 0) -> np.ndarray:
    """Of `count` pixels in a row, the one nearest to the middle of each of `wanted` pixels on the same length.

    int64 (wanted,), in 0 .. count - 1. A middle that lies between two pixels takes the one before it and the one behind
    it in turn: always the same one would move a map by half a pixel against its image, which at half the size is a
    quarter of a pixel of what comes out. halves_before: the length begins so many half pixels into a longer row, and
    the numbers are of that row.
    """
    numbers = np.arange(wanted)
    places, rest = np.divmod(halves_before * wanted + (2 * numbers + 1) * count, 2 * wanted)
    between = rest == 0
    return np.asarray(places - (between & (numbers % 2 == 0)))
