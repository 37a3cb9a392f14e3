"""How large images and their objects are, and what becomes of them in squares."""

from dataclasses import dataclass

import numpy as np

from tasks.data.readers.squares import Fit, placement

# an object of fewer px is hardly seen; where more than this share of all are so, it is told
_FEW_PX, _MANY = 4.0, 0.1
# objects of the two sides that differ by more are another distribution
_APART = 1.5


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
    small = float((after < _FEW_PX).mean())
    if small > _MANY:
        lines.append(
            f"mind: {small:.0%} of the objects of {what} become smaller than {_FEW_PX:g} px at {side} px; raise the"
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
