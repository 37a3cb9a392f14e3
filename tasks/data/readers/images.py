"""What is in an image file: which way up it is, its colours, class numbers; a file that is no use is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.base import TaskError

_ORIENTATION = 0x0112
# how a block of EXIF begins, and the TIFF in it
_EXIF, _TIFF = b"Exif\0\0", (b"II*\0", b"MM\0*")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# from here on height and width change places
_FIRST_SWAPPED = 5
# modes that are colours once they are converted; those with transparency are laid on grey first
_OPAQUE = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
GREY = (128, 128, 128)
MOST_CLASS_NUMBERS = 256


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn whatever Pillow raises on a bad file into a TaskError (a ValueError) that names it."""
    try:
        yield
    except (TaskError, MemoryError):
        raise
    except FileNotFoundError:
        raise TaskError(f"image {file} is not there; add it, or take it out of its list") from None
    # Pillow says that a PNG is broken by a SyntaxError, and raises what else its plugins do: struct.error, IndexError
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TaskError(f"{file} cannot be read as an image ({reason}); remove or mend it") from error


def opened(file: Path) -> Image.Image:
    """The image in `file`, decoded; TaskError naming the file where it is missing or cannot be read."""
    with reading(file), Image.open(file) as image:
        image.load()
        return image


def size_of(file: Path) -> tuple[int, int]:
    """Width and height in px as it is looked at, from the file's head alone; TaskError as above."""
    with reading(file), Image.open(file) as image:
        return turned_size(image.size, orientation_of(image))


def orientation_of(image: Image.Image) -> int | None:
    """How a camera was held, 1 to 8 as EXIF numbers it, 1 where nothing is said; None where what is said is no EXIF."""
    try:
        told = image.getexif().get(_ORIENTATION, 1)
    # whatever a malformed block makes Pillow raise
    except Exception:
        return None
    # some cameras write 0 where they do not know
    return told if told in _TURNS else 1


def is_whole_exif(image: Image.Image) -> bool:
    """Whether all of an image's EXIF can be read and written again; it may have none."""
    block = image.info.get("exif", b"")
    if block and block.removeprefix(_EXIF)[:4] not in _TIFF:
        return False
    try:
        image.getexif().tobytes()
    # whatever a malformed block makes Pillow raise
    except Exception:
        return False
    return True


def turned_size(stored: tuple[int, int], orientation: int | None) -> tuple[int, int]:
    """Width and height of an image as it is looked at."""
    return stored[::-1] if (orientation or 1) >= _FIRST_SWAPPED else stored


def turned(image: Image.Image, orientation: int | None) -> Image.Image:
    """The image as it is looked at."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def upright(file: Path, image: Image.Image) -> Image.Image:
    """The image as it is looked at, in RGB; TaskError as `rgb` has it."""
    return rgb(file, turned(image, orientation_of(image)))


def as_labelled(file: Path, image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image in RGB as it was labelled: upright, or as it is stored where only that has the shape of `size`.

    size: width and height in px of what was labelled, of which the image may be a copy of another size. TaskError where
    it has another shape either way: labels would lie beside what they name.
    """
    orientation = orientation_of(image)
    view = view_of(image.size, orientation, size)
    if view is None:
        width, height = turned(image, orientation).size
        raise TaskError(
            f"image {file} is {width} x {height} px, upright, and its labels are for {size[0]} x {size[1]} px; mend"
            " either"
        )
    return rgb(file, image if view == "stored" else turned(image, orientation))


def view_of(stored: tuple[int, int], orientation: int | None, labelled: tuple[int, int]) -> str | None:
    """Which view of an image has the shape that was labelled: "upright", "stored", or None.

    Where both have, as of squares and of images that were upside down, it is "upright", which is what people see.
    """
    shown = turned_size(stored, orientation)
    if labelled in (shown, stored):
        return "upright" if labelled == shown else "stored"
    for view, size in (("upright", shown), ("stored", stored)):
        if _same_shape(size, labelled):
            return view
    return None


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one may be a copy of the other of another size, but for a pixel of rounding."""
    (width, height), (wide, high) = one, other
    return abs(width * high - height * wide) <= max(width + height, wide + high)


def rgb(file: Path, image: Image.Image) -> Image.Image:
    """The image in RGB of 8 bits; TaskError where its mode says nothing of colours.

    16 bits of grey are scaled from their whole range, and what is transparent shows the grey that is beside an image.
    """
    mode = image.mode
    if mode in _SIXTEEN_BITS:
        pixels = np.asarray(image)
        return Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGB")
    if mode in _TRANSPARENT or (mode in _OPAQUE and "transparency" in image.info):
        shown = (image.convert("LA") if mode == "La" else image).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", shown.size, (*GREY, 255)), shown).convert("RGB")
    if mode not in _OPAQUE:
        raise TaskError(
            f"image {file} is of mode {mode}, of which nobody knows what is black and what white; write it with 8 bits"
            " a channel"
        )
    return image.convert("RGB")


def class_numbers(file: Path) -> np.ndarray:
    """A map of class numbers, of one channel, as uint8 (height, width); TaskError naming the file where it is none."""
    image = opened(file)
    if image.mode not in ("1", "L", "P", *_SIXTEEN_BITS):
        raise TaskError(f"map {file} is of mode {image.mode}; class numbers are one 8-bit channel")
    numbers = np.asarray(image)
    highest = int(numbers.max(initial=0))
    if highest >= MOST_CLASS_NUMBERS:
        raise TaskError(f"map {file} has number {highest}; class numbers are one 8-bit channel, so 255 at most")
    return numbers.astype(np.uint8)
