"""How large images and their objects are, which view of them was labelled, and what becomes of them in squares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.base import TaskError
from tasks.data.readers.images import turned_size, view_of
from tasks.data.readers.pictures import Picture
from tasks.data.readers.squares import Fit, placement

# an object of fewer px is hardly seen; where more than this share of all are so, it is told
FEW_PX, _MANY = 4.0, 0.1
# objects of the two sides that differ by more are another distribution
_APART = 1.5

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Sizes:
    """Images (N, 2), width and height in px as labelled; objects (M, 4), their boxes in px of image `of_image` (M,)."""

    images: np.ndarray
    objects: np.ndarray
    of_image: np.ndarray

    def scales(self, side: int, fit: Fit) -> np.ndarray:
        """By what each image's sides are multiplied, (N,); the mean of the two where they differ."""
        shapes, index = np.unique(self.images, axis=0, return_inverse=True)
        each = [float(np.sqrt(placement((int(w), int(h)), side, fit).scale.prod())) for w, h in shapes]
        return np.array(each)[index.ravel()]

    def before(self) -> np.ndarray:
        """The root of each object's area in its image, px (M,)."""
        return np.asarray(np.sqrt(self.objects[:, 2:].prod(axis=1)))

    def after(self, side: int, fit: Fit) -> np.ndarray:
        """The same in its square of `side` px."""
        return np.asarray(self.before() * self.scales(side, fit)[self.of_image])


def sizes_in_words(what: str, sizes: Sizes, side: int, fit: Fit) -> list[str]:
    """Lines on what becomes of images and objects in their squares, and on objects that become too small."""
    if not len(sizes.images):
        return []
    width, height = np.median(sizes.images, axis=0)
    scale = float(np.median(sizes.scales(side, fit)))
    line = f"{what}: images of {width:.0f} x {height:.0f} px (medians) become {side} px by {fit}, x {scale:.3g}"
    if not len(sizes.objects):
        return [line]
    before, after = sizes.before(), sizes.after(side, fit)
    tenth = f"{np.quantile(before, 0.1):.3g} px -> {np.quantile(after, 0.1):.3g} px"
    lines = [
        f"{line}; objects {np.median(before):.3g} px -> {np.median(after):.3g} px (medians), a tenth below {tenth}"
    ]
    small = float((after < FEW_PX).mean())
    if small > _MANY:
        lines.append(
            f"mind: {small:.0%} of the objects of {what} become smaller than {FEW_PX:g} px at {side} px; raise the"
            " resolution"
        )
    return lines


def compared(what: str, renders: np.ndarray, photographs: np.ndarray, fits: tuple[Fit, Fit]) -> list[str]:
    """Lines where objects of renders and photographs have other sizes in their squares, or become squares otherwise."""
    lines = []
    if fits[0] != fits[1]:
        lines.append(f"mind: {what} become squares by {fits[0]}, photographs by {fits[1]}; give one fit for both")
    if len(renders) and len(photographs):
        ratio = float(np.median(renders) / np.median(photographs))
        if not 1 / _APART < ratio < _APART:
            lines.append(
                f"mind: objects of {what} are {ratio:.3g} times as large as those of the photographs, as squares"
                " (medians)"
            )
    return lines


def views_in_words(
    root: Path, files: Sequence[str], pictures: Sequence[Picture], labelled: Sequence[Size] | None
) -> list[str]:
    """Lines on pictures that are turned, scaled or have malformed EXIF.

    labelled: width and height in px of what was labelled, None where labels have no place in the image. TaskError
    naming the first picture of another shape, and how many there are.
    """
    broken = [file for file, picture in zip(files, pictures, strict=True) if picture.malformed]
    lines = []
    if broken:
        lines.append(
            f"{root / broken[0]} has malformed EXIF, as {len(broken):,} pictures have; of it only which way up they are"
            " is taken"
        )
    if labelled is None:
        return lines
    found = [view_of(each.size, each.orientation, size) for each, size in zip(pictures, labelled, strict=True)]
    wrong = [place for place, view in enumerate(found) if view is None]
    if wrong:
        (width, height), (wide, high) = pictures[wrong[0]].size, labelled[wrong[0]]
        raise TaskError(
            f"image {root / files[wrong[0]]} is {width} x {height} px, and its labels are for {wide} x {high} px, as"
            f" {len(wrong):,} of {len(files):,} differ in shape; mend either"
        )
    stored = sum(view == "stored" for view in found)
    if stored:
        lines.append(
            f"{root}: {stored:,} pictures are turned by their EXIF, and labelled in the size that they are stored in:"
            " labels are read on the stored pixels; where they were drawn on the upright view, list upright sizes"
        )
    unknown = sum(
        (picture.orientation or 1) > 1
        and view == "upright"
        and size in (picture.size, picture.size[::-1])
        and turned_size(picture.size, picture.orientation) == picture.size
        for picture, view, size in zip(pictures, found, labelled, strict=True)
    )
    if unknown:
        lines.append(
            f"{root}: {unknown:,} pictures are turned by their EXIF to the same size, so that nothing tells which view"
            " was labelled: upright is taken"
        )
    scaled = sum(
        size not in (picture.size, turned_size(picture.size, picture.orientation))
        for picture, size in zip(pictures, labelled, strict=True)
    )
    if scaled:
        lines.append(f"{root}: {scaled:,} pictures are of another size than their labels, which are scaled to them")
    return lines
