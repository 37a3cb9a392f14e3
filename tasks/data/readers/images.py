"""What is in an image file: which way up it is, its colours, class numbers; a file that is no use is named."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.base import TaskError

# Pillow's warnings name no file; malformed EXIF is told with it (is_whole_exif)
warnings.filterwarnings("ignore", "Corrupt EXIF data|Truncated File Read|Invalid EXIF", UserWarning)

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
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
GREY = (128, 128, 128)
MOST_CLASS_NUMBERS = 256
# of a map, the number of pixels that count neither way
VOID = 255
# says which colour of a mask is which class
COLOUR_FILE = "labelmap.txt"
_CLASS_LINE = re.compile(r"([^:]+):\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?::.*)?")
_BACKGROUND_NAMES = ("background", "_background_")
_VOID_NAMES = ("void", "ignore", "ignored", "unlabeled", "unlabelled")


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn whatever Pillow raises on a bad file into a TaskError (a ValueError) that names it."""
    try:
        yield
    except (TaskError, MemoryError):
        raise
    except FileNotFoundError:
        raise TaskError(f"image {file} is not there; add it, or take out its line or link") from None
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
    if mode in SIXTEEN_BITS:
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


@dataclass(frozen=True)
class Colours:
    """Which colour of a mask is which class, as a file beside the folders of a set says it.

    names: of the classes by their numbers, from the background on. numbers: of each colour, void ones 255.
    """

    file: str
    names: tuple[str, ...]
    numbers: tuple[tuple[tuple[int, int, int], int], ...]


def colours_of(root: Path) -> Colours | None:
    """The classes by colour of a set, by its labelmap.txt, as CVAT and Datumaro write it: NAME:R,G,B::.

    None where there is no such file; TaskError naming the line that is no class.
    """
    file = root / COLOUR_FILE
    return _colours(file, file.stat().st_mtime_ns) if file.is_file() else None


@lru_cache(maxsize=16)
def _colours(file: Path, modified: int) -> Colours:
    found: list[tuple[str, tuple[int, int, int]]] = []
    for line in file.read_text(encoding="utf-8-sig").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        told = _CLASS_LINE.fullmatch(line.strip())
        colour = (0, 0, 0) if told is None else (int(told[2]), int(told[3]), int(told[4]))
        if told is None or max(colour) > 255:
            raise TaskError(f"{file}: {line.strip()!r} is no class with its colour; write NAME:R,G,B::")
        if any(other == colour for _, other in found):
            raise TaskError(f"{file}: two classes have the colour {_in_words(colour)}; give each its own")
        found.append((told[1].strip(), colour))
    if not found:
        raise TaskError(f"{file} names no class; write a line NAME:R,G,B:: of each")
    numbers, names = dict[tuple[int, int, int], int](), ["background"]
    for name, colour in found:
        if name.lower() in _BACKGROUND_NAMES:
            numbers[colour] = 0
        elif name.lower() in _VOID_NAMES:
            numbers[colour] = VOID
        else:
            numbers[colour] = len(names)
            names.append(name)
    return Colours(str(file), tuple(names), tuple(numbers.items()))


def _in_words(colour: Sequence[int]) -> str:
    return ", ".join(map(str, colour))


def class_numbers(file: Path, colours: Colours | None = None) -> np.ndarray:
    """A map of classes as uint8 numbers (height, width): of one channel, or of the colours that are classes.

    TaskError naming the file where it is none, or shows a colour that is no class.
    """
    image = opened(file)
    if colours is not None and image.mode in ("RGB", "RGBA", "P"):
        return _by_colour(file, image, colours)
    if image.mode not in ("1", "L", "P", *SIXTEEN_BITS):
        raise TaskError(
            f"map {file} is of mode {image.mode}; class numbers are one 8-bit channel. Where colours are classes,"
            f" {COLOUR_FILE} beside the folders says which: a line NAME:R,G,B:: each"
        )
    numbers = np.asarray(image)
    highest = int(numbers.max(initial=0))
    if highest >= MOST_CLASS_NUMBERS:
        raise TaskError(f"map {file} has number {highest}; class numbers are one 8-bit channel, so 255 at most")
    return numbers.astype(np.uint8)


def _by_colour(file: Path, image: Image.Image, colours: Colours) -> np.ndarray:
    if len(colours.names) > VOID:
        raise TaskError(f"{colours.file} has {len(colours.names)} classes; maps of classes hold {VOID}")
    pixels = np.asarray(image.convert("RGB")).astype(np.int32)
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    table = sorted(((r << 16) | (g << 8) | b, number) for (r, g, b), number in colours.numbers)
    known, numbers = (np.array(column) for column in zip(*table, strict=True))
    places = np.searchsorted(known, codes).clip(0, len(known) - 1)
    wrong = known[places] != codes
    if wrong.any():
        first = int(codes[wrong][0])
        colour = _in_words((first >> 16, first >> 8 & 255, first & 255))
        raise TaskError(
            f"map {file} shows the colour {colour} ({int(wrong.sum()):,} pixels are of no class), which {colours.file}"
            " does not have; add a line, or write the mask without blur"
        )
    return np.asarray(numbers[places].astype(np.uint8))
