"""The shard format: one Parquet file of PNG-encoded images with their labels, and the arrays made from shards."""

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("rgb_png", pa.binary()),
        ("instances_png", pa.binary()),
        ("class_ids", pa.list_(pa.uint16())),
        ("boxes", pa.list_(pa.list_(pa.int32(), 4))),
        ("visible_px", pa.list_(pa.int32())),
        ("instance_ids", pa.list_(pa.uint16())),
        ("normals", pa.binary()),
        ("depth", pa.binary()),
    ]
)


class CorruptShardError(ValueError):
    """A shard file cannot be read back: delete it and it is rendered again."""


@dataclass(frozen=True)
class VisibleObject:
    """An object seen in an image: box is (x0, y0, x1, y1) in px of its visible pixels, x1 and y1 exclusive."""

    instance_id: int
    class_id: int
    box: tuple[int, int, int, int]
    visible_px: int


@dataclass(frozen=True)
class RenderedImage:
    """Image `index` of a setting: rgb uint8 (H, W, 3), instances uint8 (H, W) with 0 = background, visible objects.

    `objects` leaves out what covers less than the setting's min_visible_share; `instances` keeps every pixel.
    Where the setting's labels ask for them: normals float16 (H, W, 3), in camera axes (x right, y up, z to the viewer),
    unit but for edges, where the pass averages; depth float32 (H, W), metres along the viewing axis.
    """

    index: int
    rgb: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    objects: tuple[VisibleObject, ...]
    normals: NDArray[np.float16] | None = None
    depth: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class RenderedArrays:
    """The first n images as memory maps: images uint8 (n, H, W, 3), class_sets uint8 (n, K) with 1 = visible."""

    images: NDArray[np.uint8]
    class_sets: NDArray[np.uint8]


def image_of_maps(
    index: int,
    rgb: NDArray[np.uint8],
    instances: NDArray[np.uint8],
    class_ids: Sequence[int],
    smallest_px: float,
) -> RenderedImage:
    """Labels of one image: instance k + 1 is the object of class class_ids[k]; under `smallest_px` it is not listed."""
    objects = []
    for number, class_id in enumerate(class_ids, start=1):
        rows, columns = np.nonzero(instances == number)
        if len(rows) == 0 or len(rows) < smallest_px:
            continue
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        objects.append(VisibleObject(number, class_id, box, len(rows)))
    return RenderedImage(index, rgb, instances, tuple(objects))


def _encode(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _decode(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def write_shard(path: Path, images: Sequence[RenderedImage], classes: int) -> None:
    """Write images (at least one, of one size) of a pool of `classes` classes as one Parquet file with checksums."""
    if not images:
        raise ValueError(f"shard {path}: no images to write")
    columns = {
        "index": [image.index for image in images],
        "rgb_png": [_encode(image.rgb) for image in images],
        "instances_png": [_encode(image.instances) for image in images],
        "class_ids": [[seen.class_id for seen in image.objects] for image in images],
        "boxes": [[seen.box for seen in image.objects] for image in images],
        "visible_px": [[seen.visible_px for seen in image.objects] for image in images],
        "instance_ids": [[seen.instance_id for seen in image.objects] for image in images],
        "normals": [None if image.normals is None else image.normals.tobytes() for image in images],
        "depth": [None if image.depth is None else image.depth.tobytes() for image in images],
    }
    height, width = images[0].instances.shape
    notes = {"classes": str(classes), "height": str(height), "width": str(width)}
    table = pa.table(columns, schema=SCHEMA)
    notes["sha256"] = _digest(table.to_pylist(), notes)
    table = table.replace_schema_metadata(notes)
    compression = {name: "none" if name.endswith("_png") else "zstd" for name in SCHEMA.names}
    # Statistics would repeat whole images.
    pq.write_table(table, path, compression=compression, use_dictionary=False, write_statistics=False)


def _digest(rows: list[dict], notes: dict[str, str]) -> str:
    """SHA-256 of the content. Parquet's own checksums leave out the footer, where a flipped byte mixes up columns."""
    digest = hashlib.sha256(repr([notes[key] for key in ("classes", "height", "width")]).encode())
    for row in rows:
        for value in (row[name] for name in SCHEMA.names):
            digest.update(value if isinstance(value, bytes) else repr(value).encode())
    return digest.hexdigest()


def _read_rows(path: Path) -> tuple[list[dict], dict[str, int]]:
    """Rows of a shard as written, and its notes: classes, height, width."""
    if not path.is_file():
        raise FileNotFoundError(f"shard {path} does not exist; render it again")
    try:
        table = pq.read_table(path)
        rows = table.to_pylist()
        notes = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        if _digest(rows, notes) != notes.pop("sha256"):
            raise ValueError("its content does not match its checksum")
        return rows, {key: int(value) for key, value in notes.items()}
    except (pa.ArrowException, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise _corrupt(path, error) from error


def _corrupt(path: Path, error: object) -> CorruptShardError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return CorruptShardError(f"shard {path} is corrupt ({reason}); delete it and run again to render it anew")


def read_shard(path: Path) -> list[RenderedImage]:
    """All images of a shard in order. Raises CorruptShardError (a ValueError) or FileNotFoundError, naming the file."""
    rows, _ = _read_rows(path)
    return [_image_of_row(row) for row in rows]


def _image_of_row(row: dict) -> RenderedImage:
    seen = zip(row["instance_ids"], row["class_ids"], row["boxes"], row["visible_px"], strict=True)
    objects = tuple(VisibleObject(number, k, tuple(box), px) for number, k, box, px in seen)
    rgb, instances = _decode(row["rgb_png"]), _decode(row["instances_png"])
    normals, depth = row["normals"], row["depth"]
    return RenderedImage(
        index=row["index"],
        rgb=rgb,
        instances=instances,
        objects=objects,
        normals=None if normals is None else np.frombuffer(normals, np.float16).reshape(rgb.shape),
        depth=None if depth is None else np.frombuffer(depth, np.float32).reshape(instances.shape),
    )


def load_arrays(shard_paths: Sequence[Path], n: int, cache_dir: Path, cache_key: str) -> RenderedArrays:
    """The first n images of the shards, decoded once into memory maps under cache_dir / "{cache_key}-{n}".

    cache_key names the shards' content (for example a hash of their manifests). Two processes may ask at once: each
    decodes into a folder of its own, and the first rename wins. Raises ValueError when the shards hold fewer than n
    images, CorruptShardError for a damaged one.
    """
    if n < 1:
        raise ValueError(f"rendered arrays: n = {n}; ask for 1 image or more")
    folder = cache_dir / f"{cache_key}-{n}"
    if not folder.is_dir():
        cache_dir.mkdir(parents=True, exist_ok=True)
        making = cache_dir / f".making-{uuid.uuid4().hex}"
        try:
            making.mkdir()
            _decode_into(making, shard_paths, n)
            os.rename(making, folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return RenderedArrays(
        np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "class_sets.npy", mmap_mode="r")
    )


def _decode_into(folder: Path, shard_paths: Sequence[Path], n: int) -> None:
    images: NDArray[np.uint8] | None = None
    class_sets: NDArray[np.uint8] | None = None
    done = 0
    for path in shard_paths:
        rows, notes = _read_rows(path)
        if images is None or class_sets is None:
            shape, classes = (n, notes["height"], notes["width"], 3), notes["classes"]
            images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
            class_sets = np.lib.format.open_memmap(folder / "class_sets.npy", "w+", np.uint8, (n, classes))
        for row in rows[: n - done]:
            images[done] = _decode(row["rgb_png"])
            class_sets[done, row["class_ids"]] = 1
            done += 1
        if done == n:
            break
    if done < n or images is None or class_sets is None:
        raise ValueError(f"rendered arrays: {n} images asked for, the {len(shard_paths)} shards given hold {done}")
