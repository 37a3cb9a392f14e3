"""The shard format: one Parquet file of PNG-encoded images with their labels, checksummed."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from render_actors.labels import MAPS, Camera, MapForm, ObjectPose, RenderedImage, VisibleObject

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
# Columns only of shards whose labels ask for them: shards written before they existed lack them too.
EXTRA = {form.column: pa.binary() for form in MAPS.values() if form.column not in SCHEMA.names} | {
    "pose_class_ids": pa.list_(pa.uint16()),
    "poses": pa.list_(pa.list_(pa.float64(), 12)),
    "scales": pa.list_(pa.float64()),
    "intrinsics": pa.list_(pa.float64(), 9),
    "to_world": pa.list_(pa.float64(), 16),
    "target": pa.uint16(),
    "content": pa.list_(pa.int32(), 2),
}


class CorruptShardError(ValueError):
    """A shard file cannot be read back: delete it and it is rendered again."""


def _encode_map(form: MapForm, pixels: NDArray[Any] | None) -> bytes | None:
    """A map as its column has it: a lossless PNG, or the bare numbers."""
    if pixels is None or not form.is_png:
        return None if pixels is None else pixels.tobytes()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def decode_map(form: MapForm, data: bytes, shape: tuple[int, int]) -> NDArray[Any]:
    """A map of `shape` (height, width) from its column, read-only."""
    if not form.is_png:
        return np.frombuffer(data, form.dtype).reshape(*shape, *form.channels)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def write_shard(path: Path, images: Sequence[RenderedImage], classes: int) -> None:
    """Write images (at least one, of one size) of a pool of `classes` classes as one Parquet file with checksums."""
    if not images:
        raise ValueError(f"shard {path}: no images to write")
    columns: dict[str, list[Any]] = {
        "index": [image.index for image in images],
        "class_ids": [[seen.class_id for seen in image.objects] for image in images],
        "boxes": [[seen.box for seen in image.objects] for image in images],
        "visible_px": [[seen.visible_px for seen in image.objects] for image in images],
        "instance_ids": [[seen.instance_id for seen in image.objects] for image in images],
    }
    for name, form in MAPS.items():
        # The first columns are there whether or not they hold anything.
        if form.column in SCHEMA.names or getattr(images[0], name) is not None:
            columns[form.column] = [_encode_map(form, getattr(image, name)) for image in images]
    columns |= _poses(images)
    if images[0].target is not None:
        columns["target"] = [image.target for image in images]
    if any(image.content is not None for image in images):
        whole = images[0].instances.shape[::-1]
        columns["content"] = [list(image.content or whole) for image in images]
    schema = SCHEMA
    for name in EXTRA:
        if name in columns:
            schema = schema.append(pa.field(name, EXTRA[name]))
    height, width = images[0].instances.shape
    notes = {"classes": str(classes), "height": str(height), "width": str(width)}
    table = pa.table(columns, schema=schema)
    notes["sha256"] = _digest(table.to_pylist(), table.column_names, notes)
    table = table.replace_schema_metadata(notes)
    compression = {name: "none" if name.endswith("_png") else "zstd" for name in schema.names}
    # Statistics would repeat whole images.
    pq.write_table(table, path, compression=compression, use_dictionary=False, write_statistics=False)


def _poses(images: Sequence[RenderedImage]) -> dict[str, list[Any]]:
    """The columns of poses and cameras, where these images have them; all images of a shard have the same."""
    columns: dict[str, list[Any]] = {}
    if images[0].poses is not None:
        poses = [image.poses for image in images if image.poses is not None]
        columns["pose_class_ids"] = [[pose.class_id for pose in of_image] for of_image in poses]
        columns["poses"] = [[pose.matrix for pose in of_image] for of_image in poses]
        columns["scales"] = [[pose.scale for pose in of_image] for of_image in poses]
    if images[0].camera is not None:
        cameras = [image.camera for image in images if image.camera is not None]
        columns["intrinsics"] = [camera.intrinsics for camera in cameras]
        columns["to_world"] = [camera.to_world for camera in cameras]
    return columns


def _digest(rows: list[dict], names: Sequence[str], notes: dict[str, str]) -> str:
    """SHA-256 of the content. Parquet's own checksums leave out the footer, where a flipped byte mixes up columns."""
    digest = hashlib.sha256(repr([notes[key] for key in ("classes", "height", "width")]).encode())
    extra = [name for name in names if name not in SCHEMA.names]
    if extra:
        digest.update(repr(extra).encode())
    for row in rows:
        for value in (row[name] for name in (*SCHEMA.names, *extra)):
            digest.update(value if isinstance(value, bytes) else repr(value).encode())
    return digest.hexdigest()


def read_rows(path: Path) -> tuple[list[dict], dict[str, int]]:
    """Rows of a shard as written, still encoded, and its notes: classes, height, width.

    Raises CorruptShardError (a ValueError) or FileNotFoundError, naming the file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"shard {path} does not exist; render it again")
    try:
        table = pq.read_table(path)
        rows = table.to_pylist()
        notes = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        if _digest(rows, table.column_names, notes) != notes.pop("sha256"):
            raise ValueError("its content does not match its checksum")
        return rows, {key: int(value) for key, value in notes.items()}
    except (pa.ArrowException, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"shard {path} is corrupt ({reason}); delete it and run again to render it anew"
        raise CorruptShardError(message) from error


def read_shard(path: Path) -> list[RenderedImage]:
    """All images of a shard in order. Raises CorruptShardError (a ValueError) or FileNotFoundError, naming the file."""
    rows, _ = read_rows(path)
    return [image_of_row(row) for row in rows]


def image_of_row(row: dict) -> RenderedImage:
    """The image of a row of a shard, decoded."""
    seen = zip(row["instance_ids"], row["class_ids"], row["boxes"], row["visible_px"], strict=True)
    objects = tuple(VisibleObject(number, k, tuple(box), px) for number, k, box, px in seen)
    with Image.open(io.BytesIO(row["instances_png"])) as encoded:
        shape = (encoded.height, encoded.width)
    return RenderedImage(
        index=row["index"],
        objects=objects,
        poses=_poses_of_row(row) if "poses" in row else None,
        camera=Camera(tuple(row["intrinsics"]), tuple(row["to_world"])) if "to_world" in row else None,
        target=row.get("target"),
        content=tuple(row["content"]) if row.get("content") is not None else None,
        **{
            name: decode_map(form, row[form.column], shape)
            for name, form in MAPS.items()
            if row.get(form.column) is not None
        },
    )


def _poses_of_row(row: dict) -> tuple[ObjectPose, ...]:
    found = zip(row["pose_class_ids"], row["poses"], row["scales"], strict=True)
    return tuple(ObjectPose(class_id, tuple(matrix), scale) for class_id, matrix, scale in found)
