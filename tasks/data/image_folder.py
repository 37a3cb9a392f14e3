"""Photographs as SPLIT/CLASS/FILE, the ImageFolder layout: resized on the shorter side, then cropped in the centre."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tasks.base import ArraySet, TaskError
from tasks.data import decoded
from tasks.data.readers.images import PHOTOGRAPHS, class_folders, images_in, reading

_SUFFIXES = PHOTOGRAPHS | {".tif", ".tiff"}


def load(folder: Path, resolution: int, cache: Path, *, verify: bool = False) -> tuple[ArraySet, ArraySet, str]:
    """(train, test, their sha256) of folder/{train,test}/CLASS/*; without a test folder it is val, as in ImageNet.

    Raises FileNotFoundError where a folder or its images are missing, TaskError naming a file that cannot be read.
    """
    splits = {"train": _split(folder, "train"), "test": _split(folder, "test", "val")}
    listing = {split: _listing(path) for split, path in splits.items()}
    classes = {split: tuple(sorted({file.parent.name for file in files})) for split, files in listing.items()}
    if classes["train"] != classes["test"]:
        only = sorted(set(classes["train"]) ^ set(classes["test"]))[0]
        raise TaskError(f"{folder}: class {only!r} is in one of {splits['train'].name} and {splits['test'].name} only")

    def build(target: Path) -> dict[str, tuple[np.ndarray | None, tuple[str, ...]]]:
        made: dict[str, tuple[np.ndarray | None, tuple[str, ...]]] = {}
        for split, files in listing.items():
            shape = (resolution, resolution, 3)
            decoded.decode_all(files, lambda file: decode(file, resolution), target / f"{split}.npy", shape, np.uint8)
            number = {name: index for index, name in enumerate(classes[split])}
            labels = np.array([number[file.parent.name] for file in files], dtype=np.int64)
            made[split] = (labels, classes[split])
        return made

    key = decoded.fingerprint([*listing["train"], *listing["test"]], "imagefolder", resolution)
    return decoded.cached(cache / "decoded" / f"{folder.name}-{resolution}px-{key}", build, verify=verify)


def decode(file: Path, resolution: int) -> np.ndarray:
    """One photograph as uint8 (resolution, resolution, 3); TaskError naming the file where it cannot be read."""
    with reading(file), Image.open(file) as image:
        image.draft("RGB", (2 * resolution, 2 * resolution))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(ImageOps.fit(upright, (resolution, resolution), Image.Resampling.BILINEAR))


def _split(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    wanted = " or ".join(f"{name}/" for name in names)
    raise FileNotFoundError(f"{folder} has no {wanted} folder; images belong at {folder / names[0]}/CLASS/FILE")


def _listing(split: Path) -> list[Path]:
    files = [file for name in class_folders(split) for file in images_in(split / name, _SUFFIXES)]
    if not files:
        raise FileNotFoundError(f"{split} holds no images; they belong at {split}/CLASS/FILE")
    return files
