"""The first n images of a row of shards: decoded once into memory maps, or read one by one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render_actors.labels import MAPS, RenderedImage
from render_actors.shards.format import decode_map, image_of_row, read_rows
from render_actors.shards.keypoints import projection
from tasks.data.readers.whole_folder import decoded_once

# Raise when a decoded folder holds something else, so that no old one is read.
_DECODING = "3"


@dataclass(frozen=True)
class RenderedArrays:
    """The first n images as memory maps: images uint8 (n, H, W, 3), class_sets uint8 (n, K) with 1 = visible.

    Where asked for: instances uint8 (n, H, W), of visible objects alone; semantic uint8 (n, H, W); normals float16
    (n, H, W, 3); depth float32 (n, H, W); boxes int32 (M, 6), sorted by image: image, class_id, x0, y0, x1, y1 of every
    visible object (px, ends exclusive); projections float64 (M, 13), of the same objects in the same order: the
    object's number in `instances`, then the rows of the 3x4 matrix that takes its mesh to the image
    (render_actors/shards/keypoints.py `projection`).
    """

    images: NDArray[np.uint8]
    class_sets: NDArray[np.uint8]
    boxes: NDArray[np.int32] | None = None
    instances: NDArray[np.uint8] | None = None
    semantic: NDArray[np.uint8] | None = None
    normals: NDArray[np.float16] | None = None
    depth: NDArray[np.float32] | None = None
    projections: NDArray[np.float64] | None = None


_PIXELS = {name if name != "rgb" else "images": form for name, form in MAPS.items()}
LABEL_ARRAYS = ("boxes", "instances", "semantic", "normals", "depth", "projections")


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
    folder = cache_dir / "-".join([cache_key, _DECODING, str(n), *sorted(set(labels))])
    decoded_once(folder, lambda partial: _decode_into(partial, shard_paths, n, labels), verify=True)
    names = ("images", "class_sets", *labels)
    return RenderedArrays(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names})


def _decode_into(folder: Path, shard_paths: Iterable[Path], n: int, labels: Sequence[str]) -> None:
    kept = {name: _PIXELS[name] for name in ("images", *labels) if name in _PIXELS}
    maps: dict[str, NDArray[Any]] = {}
    boxes: list[tuple[int, ...]] = []
    projections: list[tuple[float, ...]] = []
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
        for row in rows[: n - done]:
            for name, form in kept.items():
                if row.get(form.column) is None:
                    raise _lacks(path, form.column)
                pixels = decode_map(form, row[form.column], shape)
                # masks and boxes are of the same objects: what is too small for one is too small for the other
                maps[name][done] = np.isin(pixels, row["instance_ids"]) * pixels if name == "instances" else pixels
            maps["class_sets"][done, row["class_ids"]] = 1
            boxes += [(done, k, *box) for k, box in zip(row["class_ids"], row["boxes"], strict=True)]
            if "projections" in labels:
                projections += _projections(row, path)
            done += 1
        if done == n:
            break
    if done < n:
        raise ValueError(f"rendered arrays: {n} images asked for, the {given} shards given hold {done}")
    if "boxes" in labels:
        np.save(folder / "boxes.npy", np.array(boxes, np.int32).reshape(-1, 6))
    if "projections" in labels:
        np.save(folder / "projections.npy", np.array(projections, np.float64).reshape(-1, 13))


def _projections(row: dict, path: Path) -> list[tuple[float, ...]]:
    """Of every visible object of a row: its number, and the matrix from its mesh to the image."""
    if row.get("poses") is None:
        raise _lacks(path, "poses")
    intrinsics = np.array(row["intrinsics"]).reshape(3, 3)
    found = []
    for number in row["instance_ids"]:
        matrix, scale = np.array(row["poses"][number - 1]).reshape(3, 4), row["scales"][number - 1]
        found.append((number, *projection(matrix, scale, intrinsics).ravel().tolist()))
    return found


def _lacks(path: Path, label: str) -> ValueError:
    return ValueError(f"rendered arrays: shard {path} was rendered without {label}; ask for that label")


def _new_map(folder: Path, name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    made: NDArray[Any] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
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
