"""What a fine-tune got right of the test images: the file in its artifact, and the part of it that its row carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeper.storage.artifacts import ArtifactStore, Manifest

if TYPE_CHECKING:
    from tasks.training.evaluation import Scored

# `resampled` float64 (200,), the error on each bootstrap resample; `size`, the number of test images; where the metric
# is a mean over images `scores`, one an image: bits packed by np.packbits, or float32
TEST_IMAGES_FILE = "test_images.npz"
# what a row has of it
ROW_FIELDS = ("test_size", "resampled")


def write_test_images(folder: Path, tested: Scored) -> None:
    """Write the file of one fine-tune into the folder of its artifact."""
    arrays: dict[str, Any] = {"resampled": tested.resampled, "size": tested.size}
    if tested.scores is not None:
        bits = tested.scores.dtype == np.bool_
        arrays["scores"] = np.packbits(tested.scores) if bits else tested.scores.astype(np.float32)
    np.savez(folder / TEST_IMAGES_FILE, **arrays)


def row_of_test_images(store: ArtifactStore, manifest: Manifest) -> dict[str, Any]:
    """The ROW_FIELDS of a fine-tune; nothing where its artifact has no such file.

    Artifacts of simulated fine-tunes and of trials of the tuning have none. Raises CorruptArtifactError where the file
    is damaged.
    """
    if TEST_IMAGES_FILE not in manifest.files:
        return {}
    with np.load(store.path(manifest, TEST_IMAGES_FILE), allow_pickle=False) as arrays:
        values = int(arrays["size"]), tuple(arrays["resampled"].tolist())
    return dict(zip(ROW_FIELDS, values, strict=True))


def scores_of_test_images(store: ArtifactStore, manifest: Manifest) -> np.ndarray | None:
    """`scores` as the file has them, uint8 where they are packed bits; None where the artifact or the metric has none.

    Raises CorruptArtifactError where the file is damaged.
    """
    if TEST_IMAGES_FILE not in manifest.files:
        return None
    with np.load(store.path(manifest, TEST_IMAGES_FILE), allow_pickle=False) as arrays:
        return np.array(arrays["scores"]) if "scores" in arrays.files else None
