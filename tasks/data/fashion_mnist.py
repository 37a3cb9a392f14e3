"""Fashion-MNIST: 60,000 and 10,000 grey images of 28 x 28 pixels in 10 classes, in its four idx files."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from tasks.base import ArraySet, TaskError
from tasks.data.cache import whole

CLASS_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
# where Debian and Ubuntu put the package dataset-fashion-mnist
PACKAGE_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_PREFIX = {"train": "train", "test": "t10k"}
_IMAGES_MAGIC, _LABELS_MAGIC = 0x803, 0x801
_RESIZE_CHUNK = 4096


def find(data_root: Path | None, downloads: Path, *, package: Path = PACKAGE_FOLDER) -> tuple[Path, str]:
    """The folder of the four files and its description: data_root, else the system's package, else a download.

    Raises FileNotFoundError saying where was looked and what to do.
    """
    own = [] if data_root is None else [data_root / "fashion-mnist", data_root]
    for folder in [*own, package]:
        present = [file for file in _files(folder) if file.is_file()]
        if present:
            absent = [file.name for file in _files(folder) if file not in present]
            if absent:
                raise FileNotFoundError(f"fashion-mnist: {folder} lacks {', '.join(absent)}; add what is missing")
            return folder, f"package dataset-fashion-mnist, {folder}" if folder == package else str(folder)
    return _download(downloads, [*own, package]), "downloaded by torchvision"


def load(folder: Path, resolution: int, cache: Path, *, verify: bool = False) -> tuple[ArraySet, ArraySet, str]:
    """(train, test, their sha256) at `resolution` pixels: padded with black at 32 (28 is as it is), else resized.

    Raises TaskError naming a file that is damaged or not what its name says.
    """
    files = _files(folder)

    def build(target: Path) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
        made: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
        for split, prefix in _PREFIX.items():
            images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", _IMAGES_MAGIC)
            labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", _LABELS_MAGIC).astype(np.int64)
            if len(images) != len(labels):
                raise TaskError(f"fashion-mnist: {folder} has {len(images)} {split} images but {len(labels)} labels")
            np.save(target / f"{split}.npy", _fit(images, resolution)[..., None])
            made[split] = (labels, CLASS_NAMES)
        return made

    key = whole.fingerprint(files, "fashion-mnist", resolution)
    return whole.cached(cache / "decoded" / f"fashion-mnist-{resolution}px-{key}", build, verify=verify)


def _files(folder: Path) -> list[Path]:
    kinds = ("images-idx3", "labels-idx1")
    return [folder / f"{prefix}-{kind}-ubyte.gz" for prefix in _PREFIX.values() for kind in kinds]


def _download(downloads: Path, looked: list[Path]) -> Path:
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(downloads), download=True)
    except (OSError, RuntimeError) as error:
        places = ", ".join(str(folder) for folder in looked)
        raise FileNotFoundError(
            f"fashion-mnist is in none of {places}, and its download failed ({str(error).splitlines()[0]}); "
            "install the package dataset-fashion-mnist, or put its four idx .gz files into data_root/fashion-mnist"
        ) from error
    return downloads / "FashionMNIST" / "raw"


def _read_idx(file: Path, magic: int) -> np.ndarray:
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"fashion-mnist: {file} cannot be read ({error}); get it again") from error
    axes = magic & 0xFF
    header = np.frombuffer(content[: 4 * (axes + 1)], dtype=">u4")
    if len(header) != axes + 1 or header[0] != magic or len(content) != 4 * (axes + 1) + int(np.prod(header[1:])):
        raise TaskError(f"fashion-mnist: {file} is not a whole idx file of the expected kind; get it again")
    return np.frombuffer(content, dtype=np.uint8, offset=4 * (axes + 1)).reshape(header[1:].astype(int))


def _fit(images: np.ndarray, resolution: int) -> np.ndarray:
    """Grey images (N, h, w) as (N, resolution, resolution)."""
    side = images.shape[1]
    if resolution == side:
        return images
    if resolution == 32:
        before = (resolution - side) // 2
        after = resolution - side - before
        return np.pad(images, ((0, 0), (before, after), (before, after)))
    # nothing else resizes just so, and what needs no resizing is to be read without torch
    import torch
    from torch.nn import functional

    resized = []
    for start in range(0, len(images), _RESIZE_CHUNK):
        chunk = torch.from_numpy(images[start : start + _RESIZE_CHUNK].copy())[:, None].float()
        size = (resolution, resolution)
        grown = functional.interpolate(chunk, size, mode="bilinear", antialias=True, align_corners=False)
        resized.append(grown[:, 0].round().clamp(0, 255).byte().numpy())
    return np.concatenate(resized)
