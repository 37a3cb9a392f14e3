"""Which pixels a map of labels keeps when it changes its size."""

import numpy as np


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
