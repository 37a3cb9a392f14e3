"""What lies in a folder of renders and in one of photographs, as far as `sweeper init` chooses by it."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from render_actors.setting.source import Kind
from render_actors.sources.labelled_folder import MAP_FOLDERS, folder_size
from sweeper.config.render import ImageSource
from sweeper.errors import BadInput, one_line
from sweeper.stages.training_labels import labels_for
from tasks.base import ArraySet, TaskError, task_facts
from tasks.data.catalogue import RealData, RealSet
from tasks.data.readers.coco_list import is_list
from tasks.data.readers.files import PHOTOGRAPHS, map_files, photographs_among, walk
from tasks.data.readers.images import class_numbers, colours_of, size_of
from tasks.label_forms import LabelKind

# How a folder of renders may be laid out, the most telling first: any folder of folders could be one a class.
_RENDERS: tuple[Kind, ...] = ("coco", "yolo", "masks", "imagefolder")
# How photographs with labels of a kind may be laid out.
_PHOTOGRAPHS: dict[LabelKind, tuple[str, ...]] = {
    "class_index": ("imagefolder",),
    "class_set": ("coco", "yolo"),
    "boxes": ("coco", "yolo"),
    "instances": ("coco", "yolo"),
    "semantic": ("masks",),
}
# Photographs that are looked at, to see how large they and their objects are.
_LOOKED_AT = 32
_LOOK_PX = 128


@dataclass(frozen=True)
class Renders:
    """A folder of renders: its name in the sweep, its kind, the images to train on and to validate with, and the
    classes that it does not name itself."""

    name: str
    folder: Path
    kind: Kind
    training: int
    held_out: int
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Photos:
    """A folder of photographs: how `finetune.dataset` names it, its images, the median of their shorter sides in px,
    and the median side of their objects as a share of the image's, None where the task has none."""

    dataset: str
    training: int
    testing: int
    side: int
    object_share: float | None


def task_of(name: str) -> str:
    """The fine-tuning task, checked; BadInput where photographs in a folder cannot teach it."""
    suited = ("sinclass", "mulclass", "objdet", "insseg", "semseg")
    if name not in suited:
        raise BadInput(f"--task {name}: give one of {', '.join(suited)}; docs/reference/tasks.md has the others")
    return name


def pretraining_for(task: str, kinds: Sequence[Kind]) -> str:
    """What the renders teach: the task itself where they have its labels, else which classes an image shows."""
    if task == "sinclass" or "imagefolder" in kinds:
        return "mulclass"
    labels_for([task])
    return task


def look_at_renders(given: str) -> Renders:
    """A folder, or NAME=FOLDER; BadInput where its images are laid out in no way that is known."""
    name, sign, path = given.rpartition("=")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise BadInput(f"--renders {path}: is not a folder; give one of labelled images")
    called = _name(name if sign else folder.resolve().name)
    refused: list[str] = []
    for kind in _RENDERS:
        try:
            classes = _mask_classes(folder) if kind == "masks" else ()
            source = ImageSource(kind=kind, path=str(folder), class_names=classes).resolved()
            training, held_out = folder_size(source)
        except (ValueError, OSError) as error:
            refused.append(f"{kind}: {one_line(error)}")
            # a folder of pictures beside a bad list would be taken for a class
            if kind == "coco" and isinstance(error, TaskError) and _has_list(folder):
                break
            continue
        return Renders(called, folder.absolute(), kind, training, held_out, classes)
    raise BadInput(
        f"--renders {folder}: no layout that is known fits ({'; '.join(refused)}); see docs/howto/write-a-renderer.md"
    )


def look_at_photographs(path: str, task: str) -> Photos:
    """A folder of photographs with labels for the task; BadInput where they are not found."""
    folder, kind = Path(path).expanduser().absolute(), task_facts(task).label_kind
    if not folder.is_dir():
        raise BadInput(f"--photos {path}: is not a folder; give one of labelled photographs")
    refused: list[str] = []
    for layout in _PHOTOGRAPHS[kind]:
        dataset = f"{layout}:{folder}"
        try:
            real = RealSet(dataset, None, _LOOK_PX, kind).load()
            if not len(real.testing):
                raise TaskError("it has no test photographs; add some")
            share = _object_share(real, kind)
        except (ValueError, OSError) as error:
            refused.append(f"{layout}: {one_line(error)}")
            continue
        return Photos(dataset, len(real.training), len(real.testing), _median_side(folder), share)
    raise BadInput(
        f"--photos {path}: no layout that is known fits ({'; '.join(refused)}); see docs/reference/datasets.md"
    )


def _has_list(folder: Path) -> bool:
    """Whether some file near the top is a list of COCO's."""
    return any(is_list(folder / file) for file in walk(folder) if file.endswith(".json") and file.count("/") < 3)


def _name(text: str) -> str:
    """A name that a sweep file takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:40] or "own"


def _mask_classes(folder: Path) -> tuple[str, ...]:
    """Names for the numbers of masks that no file gives: class1 and on; none where a file has them."""
    if colours_of(folder) is not None:
        return ()
    of_split, _ = map_files(folder, MAP_FOLDERS)
    masks = [folder / mask for pairs in of_split.values() for _, mask in pairs]
    highest = max((int(np.asarray(class_numbers(mask)).max()) for mask in masks), default=0)
    if not highest:
        raise ValueError("no mask has a class above 0")
    return tuple(f"class{number}" for number in range(1, highest + 1))


def _median_side(folder: Path) -> int:
    files = sorted(photographs_among(walk(folder)))
    if not files:
        raise BadInput(f"--photos {folder}: holds no image file ({', '.join(sorted(PHOTOGRAPHS))})")
    return round(statistics.median(min(size_of(folder / file)) for file in files[:: max(1, len(files) // _LOOKED_AT)]))


def _object_share(real: RealData, kind: LabelKind) -> float | None:
    """The median side of objects as a share of the image's, of some photographs; None where there are no boxes."""
    if kind not in ("boxes", "instances"):
        return None
    spread = np.linspace(0, len(real.training) - 1, min(_LOOKED_AT, len(real.training))).astype(np.int64)
    sides = _sides(real.training.take(np.unique(spread)))
    return float(np.median(sides)) / _LOOK_PX if sides else None


def _sides(images: ArraySet) -> list[float]:
    """The root of the area of each object, in px."""
    if images.label_kind == "boxes":
        rows = images.labels[images.labels[..., 0] >= 0]
        return np.sqrt((rows[:, 3] - rows[:, 1]) * (rows[:, 4] - rows[:, 2])).tolist()
    numbers = [np.unique(label[..., 0], return_counts=True) for label in images.labels]
    return [
        float(area) ** 0.5 for found, areas in numbers for number, area in zip(found, areas, strict=True) if number > 0
    ]
