"""Photographs with a map each, in ADE20K's layout: images/SPLIT/NAME.jpg beside FOLDER/SPLIT/NAME.png.

FOLDER is `annotations` for class numbers (8 bits), `normals` for directions (8-bit RGB, -1 to 1 as 0 to 255, black =
none) and `depth` for millimetres (16 bits, 0 = none).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.base import ArraySet, TaskError
from tasks.data import decoded
from tasks.data.decoded import decode_all
from tasks.data.letterbox import label_map, photograph
from tasks.data.readers.images import class_numbers, images_in, opened, paired, size_of
from tasks.label_forms import FORMS, IGNORED, LabelKind

_SPLITS = {"train": ("train", "training"), "test": ("test", "val", "validation")}
# a direction shorter than this is none: black, or an average over an edge
_SHORTEST_NORMAL = 0.5


def load(
    folder: Path,
    resolution: int,
    cache: Path,
    kind: LabelKind = "semantic",
    ignore: int | None = None,
    names: tuple[str, ...] = (),
    *,
    verify: bool = False,
) -> tuple[ArraySet, ArraySet, str]:
    """(train, test, their sha256) as squares of `resolution` px, letterboxed.

    ignore: the class number that does not count, besides 255; those above it move down by one, so that ADE20K's 1 to
    150 with 0 ignored become 0 to 149. names: of the classes; their numbers where none are given. Without a test folder
    it is val or validation. Raises FileNotFoundError for a missing folder, TaskError naming a missing map or an
    unusable file.
    """
    form, (maps_folder, read) = FORMS[kind], _MAPS[kind]
    pairs = {split: _pairs(folder, maps_folder, choices) for split, choices in _SPLITS.items()}

    def build(target: Path) -> dict[str, tuple[np.ndarray | None, tuple[str, ...]]]:
        for split, both in pairs.items():
            maps = [mapped for _, mapped in both]
            square = (resolution, resolution)
            pixels = lambda pair: photograph(pair[0], resolution, size_of(pair[1]))  # noqa: E731 - said once, used once
            decode_all(both, pixels, target / f"{split}.npy", (*square, 3), np.uint8)
            labels = target / f"{split}-labels.npy"
            mapped = lambda file: label_map(read(file, ignore), resolution, form.outside or 0)  # noqa: E731
            decode_all(maps, mapped, labels, (*square, *form.channels), form.element)
        outputs = _outputs(kind, target, names, folder)
        return dict.fromkeys(pairs, (None, outputs))

    files = [file for both in pairs.values() for pair in both for file in pair]
    key = decoded.fingerprint(files, "maps", kind, resolution, ignore, names)
    return decoded.cached(cache / "decoded" / f"{folder.name}-{resolution}px-{key}", build, kind=kind, verify=verify)


def _pairs(folder: Path, maps: str, choices: tuple[str, ...]) -> list[tuple[Path, Path]]:
    split = next((name for name in choices if (folder / "images" / name).is_dir()), None)
    if split is None:
        wanted = " or ".join(f"images/{name}/" for name in choices)
        raise FileNotFoundError(
            f"{folder} has no {wanted} folder; images belong at {folder}/images/{choices[0]}/NAME.jpg"
        )
    images = images_in(folder / "images" / split)
    if not images:
        raise FileNotFoundError(f"{folder}/images/{split} holds no images")
    return paired(images, folder / maps / split)


def _classes(file: Path, ignore: int | None) -> np.ndarray:
    values = np.array(class_numbers(file))
    if ignore is not None:
        left = np.arange(256) - (np.arange(256) > ignore)
        left[[ignore, IGNORED]] = IGNORED
        values = left.astype(np.uint8)[values]
    return values


def _normals(file: Path, ignore: int | None) -> np.ndarray:
    image = opened(file)
    if image.mode != "RGB":
        raise TaskError(f"map {file} is of mode {image.mode}; directions are 8-bit RGB")
    pixels = np.asarray(image)
    directions = pixels.astype(np.float32) / 127.5 - 1
    lengths = np.linalg.norm(directions, axis=-1, keepdims=True)
    there = (lengths >= _SHORTEST_NORMAL) & pixels.any(axis=-1, keepdims=True)
    unit = np.where(there, directions / np.maximum(lengths, _SHORTEST_NORMAL), 0)
    return unit.astype(np.float16)


def _depth(file: Path, ignore: int | None) -> np.ndarray:
    image = opened(file)
    if image.mode not in ("I;16", "I"):
        raise TaskError(f"map {file} is of mode {image.mode}; depth is 16 bits of millimetres")
    return np.asarray(image).astype(np.float32) / 1000


# kind -> the folder of its maps, and what one of them holds, as large as it is
_MAPS: dict[LabelKind, tuple[str, Callable[[Path, int | None], np.ndarray]]] = {
    "semantic": ("annotations", _classes),
    "normals": ("normals", _normals),
    "depth": ("depth", _depth),
}
KINDS = tuple(_MAPS)


def _outputs(kind: LabelKind, target: Path, names: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """What the model's outputs stand for."""
    if FORMS[kind].outputs:
        return FORMS[kind].outputs
    highest = 0
    for split in _SPLITS:
        for values in np.load(target / f"{split}-labels.npy", mmap_mode="r", allow_pickle=False):
            highest = max(highest, int(values[values != IGNORED].max(initial=0)))
    if names and highest >= len(names):
        raise TaskError(f"{folder}: its maps go up to class {highest}, but it has {len(names)} classes")
    return names or tuple(str(number) for number in range(highest + 1))
