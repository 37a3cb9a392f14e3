"""Image files: which a folder holds, by class or beside maps, and what is in one, with a file that is no use named."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tasks.base import TaskError

PHOTOGRAPHS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn whatever Pillow raises on a bad file into a TaskError (a ValueError) that names it."""
    try:
        yield
    except FileNotFoundError:
        raise TaskError(f"image {file} is not there; add it, or take it out of its list") from None
    # Pillow says that a PNG is broken by a SyntaxError
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TaskError(f"{file} cannot be read as an image ({reason}); remove or mend it") from error


def opened(file: Path) -> Image.Image:
    """The image in `file`, decoded; TaskError naming the file where it is missing or cannot be read."""
    with reading(file), Image.open(file) as image:
        image.load()
        return image


def size_of(file: Path) -> tuple[int, int]:
    """Width and height in px, from the file's head alone; TaskError as above."""
    with reading(file), Image.open(file) as image:
        return image.size


def class_numbers(file: Path) -> Image.Image:
    """A map of class numbers, of one 8-bit channel; TaskError naming the file where it is none."""
    image = opened(file)
    if image.mode not in ("L", "P"):
        raise TaskError(f"map {file} is of mode {image.mode}; class numbers are one 8-bit channel")
    return image


def images_in(folder: Path, suffixes: frozenset[str] = PHOTOGRAPHS) -> list[Path]:
    """The image files of a folder by name; TaskError where it is none."""
    if not folder.is_dir():
        raise TaskError(f"{folder} is not a folder; the images are looked for in it")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def class_folders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in a folder, one a class, in order."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))


def paired(images: list[Path], maps: Path) -> list[tuple[Path, Path]]:
    """Each image with the file of its name in the folder `maps`; TaskError naming an image without one."""
    files = maps.iterdir() if maps.is_dir() else ()
    # of several files of one name, an image is the map
    there = {path.stem: path for path in sorted(files, key=lambda path: path.suffix.lower() in PHOTOGRAPHS)}
    bare = [image for image in images if image.stem not in there]
    if bare:
        raise TaskError(f"image {bare[0]} has no map; add {maps / bare[0].stem}.png")
    return [(image, there[image.stem]) for image in images]
