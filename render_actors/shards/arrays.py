"""The first n images of a row of shards: decoded once into memory maps, or read one by one."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render_actors.labels import MAPS, MOST_NUMBERS, RenderedImage
from render_actors.shards.format import decode_map, image_of_row, read_rows
from render_actors.shards.keypoints import projection
from tasks.base import drop_pages
from tasks.data.readers.whole_folder import decoded_once

# Raise when a decoded folder holds something else, so that no old one is read.
_DECODING = "3"


@dataclass(frozen=True)
class RenderedArrays:
    """The first n images as memory maps: images uint8 (n, H, W, 3), class_sets uint8 (n, K) with 1 = visible.

    Where asked for: instances uint8 (n, H, W), of visible objects alone; objects uint8 (n, H, W, 2), the same and the
    class of each; semantic uint8 (n, H, W); normals float16 (n, H, W, 3); depth float32 (n, H, W); boxes int32 (M, 6),
    sorted by image: image, class_id, x0, y0, x1, y1 of every visible object (px, ends exclusive); projections float64
    (M, 13), of the same objects in the same order: the object's number in `instances`, then the rows of the 3x4 matrix
    that takes its mesh to the image (render_actors/shards/keypoints.py `projection`); targets int64 (n,), the class of
    the object that each image's camera aims at. content: float32 (n, 2), width and height in px of what of each square
    is image, from its top left corner; None: all of each.
    """

    images: NDArray[np.uint8]
    class_sets: NDArray[np.uint8]
    boxes: NDArray[np.int32] | None = None
    instances: NDArray[np.uint8] | None = None
    objects: NDArray[np.uint8] | None = None
    semantic: NDArray[np.uint8] | None = None
    normals: NDArray[np.float16] | None = None
    depth: NDArray[np.float32] | None = None
    projections: NDArray[np.float64] | None = None
    targets: NDArray[np.int64] | None = None
    content: NDArray[np.float32] | None = None


_PIXELS = {name if name != "rgb" else "images": form for name, form in MAPS.items()}
# read from a shard's column of instances, but with a class beside each
_PIXELS["objects"] = replace(MAPS["instances"], channels=(2,))
LABEL_ARRAYS = ("boxes", "instances", "objects", "semantic", "normals", "depth", "projections", "targets")


def decoded_bytes(n: int, side: int, labels: Sequence[str] = ()) -> int:
    """What n decoded images of `side` px take on disk with the maps among these labels; the rest is next to nothing."""
    forms = [_PIXELS[name] for name in ("images", *labels) if name in _PIXELS]
    return n * side**2 * sum(int(np.prod(form.channels, dtype=int)) * np.dtype(form.dtype).itemsize for form in forms)


def load_arrays(
    shard_paths: Iterable[Path], n: int, cache_dir: Path, cache_key: str, labels: Sequence[str] = ()
) -> RenderedArrays:
    """The first n images of the shards, decoded once into memory maps under cache_dir, shared by a node's processes.

    shard_paths are asked for one by one, and only where they must be decoded.
    labels: which of LABEL_ARRAYS to give besides images and class sets. cache_key names the shards' content (for
    example a hash of their manifests). Of two processes that ask at once, the first one's work is kept. Raises
    ValueError when the shards hold fewer than n images or lack a label, CorruptShardError for a damaged one.
    """
    if n < 1:
        raise ValueError(f"rendered arrays: n = {n}; ask for 1 image or more")
    unknown = [label for label in labels if label not in LABEL_ARRAYS]
    if unknown:
        raise ValueError(f"rendered arrays: unknown label {unknown[0]!r}; choose from {', '.join(LABEL_ARRAYS)}")
    folder = arrays_folder(cache_dir, cache_key, n, labels)
    decoded_once(folder, lambda partial: _decode_into(partial, shard_paths, n, labels), verify=True)
    # a cache drops what was used the longest ago
    os.utime(folder)
    names = ("images", "class_sets", *labels, *(("content",) if (folder / "content.npy").is_file() else ()))
    return RenderedArrays(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names})


def arrays_folder(cache_dir: Path, cache_key: str, n: int, labels: Sequence[str] = ()) -> Path:
    """Where `load_arrays` keeps what it decodes."""
    return cache_dir / "-".join([cache_key, _DECODING, str(n), *sorted(set(labels))])


def _decode_into(folder: Path, shard_paths: Iterable[Path], n: int, labels: Sequence[str]) -> None:
    kept = {name: _PIXELS[name] for name in ("images", *labels) if name in _PIXELS}
    maps: dict[str, NDArray[Any]] = {}
    # of every shard: a row of numbers each would be a hundred times as large
    boxes, projections = [np.zeros((0, 6), np.int32)], [np.zeros((0, 13))]
    contents: list[tuple[int, int]] = []
    done = 0
    given = 0
    for path in shard_paths:
        given += 1
        rows, notes = read_rows(path)
        shape = (notes["height"], notes["width"])
        if not maps:
            for name, form in kept.items():
                maps[name] = _new_map(folder, name, form.dtype, (n, *shape, *form.channels))
            maps["class_sets"] = _new_map(folder, "class_sets", np.uint8, (n, notes["classes"]))
            if "targets" in labels:
                maps["targets"] = _new_map(folder, "targets", np.int64, (n,))
        taken = rows[: n - done]
        for number, row in enumerate(taken, start=done):
            for name, form in kept.items():
                if row.get(form.column) is None:
                    raise _lacks(path, form.column)
                maps[name][number] = _map_of(name, row, shape)
            maps["class_sets"][number, row["class_ids"]] = 1
            if "targets" in labels:
                maps["targets"][number] = _target(row, path)
        boxes.append(_boxes(taken, done))
        contents += [tuple(row.get("content") or shape[::-1]) for row in taken]
        if "projections" in labels:
            projections += [_projections(row, path) for row in taken]
        done += len(taken)
        for written in maps.values():
            drop_pages(written)
        if done == n:
            break
    if done < n:
        raise ValueError(f"rendered arrays: {n} images asked for, the {given} shards given hold {done}")
    if any(content != shape[::-1] for content in contents):
        np.save(folder / "content.npy", np.array(contents, np.float32))
    if "boxes" in labels:
        np.save(folder / "boxes.npy", np.concatenate(boxes))
    if "projections" in labels:
        np.save(folder / "projections.npy", np.concatenate(projections))


def _map_of(name: str, row: dict, shape: tuple[int, int]) -> NDArray[Any]:
    """One map of an image. Masks and boxes are of the same objects: what is too small for one is so for the other."""
    source = MAPS["rgb" if name == "images" else "instances" if name == "objects" else name]
    pixels = decode_map(source, row[source.column], shape)
    if name == "instances":
        return np.isin(pixels, row["instance_ids"]) * pixels
    if name != "objects":
        return pixels
    numbers, classes = np.zeros(MOST_NUMBERS + 1, np.uint8), np.zeros(MOST_NUMBERS + 1, np.uint8)
    numbers[row["instance_ids"]], classes[row["instance_ids"]] = row["instance_ids"], row["class_ids"]
    return np.stack([numbers[pixels], classes[pixels]], axis=-1)


def _boxes(rows: Sequence[dict], first: int) -> NDArray[np.int32]:
    """Image, class and box of every visible object of these images, the first of which has this number; (M, 6)."""
    found = [
        (number, class_id, *box)
        for number, row in enumerate(rows, start=first)
        for class_id, box in zip(row["class_ids"], row["boxes"], strict=True)
    ]
    return np.array(found, np.int32).reshape(-1, 6)


def _projections(row: dict, path: Path) -> NDArray[np.float64]:
    """Of every visible object of a row: its number, and the matrix from its mesh to the image; (M, 13)."""
    if row.get("poses") is None:
        raise _lacks(path, "poses")
    intrinsics = np.array(row["intrinsics"]).reshape(3, 3)
    found = np.zeros((len(row["instance_ids"]), 13))
    for place, number in zip(found, row["instance_ids"], strict=True):
        matrix, scale = np.array(row["poses"][number - 1]).reshape(3, 4), row["scales"][number - 1]
        place[:] = number, *projection(matrix, scale, intrinsics).ravel()
    return found


def _target(row: dict, path: Path) -> int:
    if row.get("target") is None:
        raise _lacks(path, "target")
    return int(row["target"])


def _lacks(path: Path, label: str) -> ValueError:
    return ValueError(f"rendered arrays: shard {path} was rendered without {label}; ask for that label")


def _new_map(folder: Path, name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    made: NDArray[Any] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
    # on a full disk an error here; without it, the death of the process when it writes
    if hasattr(os, "posix_fallocate"):
        with (folder / f"{name}.npy").open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return made


@lru_cache(maxsize=4)
def _rows(path: Path) -> list[dict]:
    # A shard is verified as a whole, so it is read as a whole: a few are kept, still encoded.
    return read_rows(path)[0]


class ImageView(Sequence[RenderedImage]):
    """The first n images of shards that all hold `per_shard` images, by number; a shard is read when it is needed.

    Raises ValueError where the shards cannot hold n images; IndexError past the end.
    """

    def __init__(self, shard_paths: Sequence[Path], per_shard: int, n: int) -> None:
        if not 0 <= n <= per_shard * len(shard_paths):
            raise ValueError(f"image view: {n} images asked for, {len(shard_paths)} shards of {per_shard} given")
        self._paths, self._per_shard, self._n = list(shard_paths), per_shard, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            start, stop, step = number.indices(self._n)
            if (start, step) != (0, 1):
                raise ValueError("image view: only a prefix [:n] is a view again")
            return ImageView(self._paths, self._per_shard, stop)
        if not -self._n <= number < self._n:
            raise IndexError(f"image {number} of {self._n}")
        shard, row = divmod(number % self._n, self._per_shard)
        return image_of_row(_rows(self._paths[shard])[row])
