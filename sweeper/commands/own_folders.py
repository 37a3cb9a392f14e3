"""What lies in a folder of renders and in one of photographs, as far as `sweeper init` chooses by it."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from render_actors.setting.source import Kind
from render_actors.sources.labelled_folder import MAP_FOLDERS, folder_size
from render_actors.sources.overview import classes_counted as classes_of_renders
from sweeper.commands.look_over import photographs_classes
from sweeper.config.render import ImageSource
from sweeper.errors import BadInput, one_line
from sweeper.stages.training_labels import labels_for
from tasks.base import ArraySet, TaskError, task_facts
from tasks.data.catalogue import RealData, RealSet
from tasks.data.readers.files import MAP_SUFFIX, PHOTOGRAPHS, map_files, photographs_among, suffix_of, walk
from tasks.data.readers.images import VOID, class_numbers, colours_of, size_of
from tasks.data.readers.layouts.others import check_layout
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
    """A folder of renders: its name in the sweep, its kind, the images to train on and to validate with, the classes
    that it does not name itself, and in words those of class folders."""

    name: str
    folder: Path
    kind: Kind
    training: int
    held_out: int
    class_names: tuple[str, ...]
    counted: str = ""


@dataclass(frozen=True)
class Photos:
    """A folder of photographs: how `finetune.dataset` names it, its images, the median of their shorter sides in px,
    the median side of their objects as a share of the image's, None where the task has none, and their
    classes in words.
    """

    dataset: str
    training: int
    testing: int
    side: int
    object_share: float | None
    counted: str = ""


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
    # a folder may have = in its own name
    name, sign, path = ("", "", given) if Path(given).expanduser().is_dir() else given.partition("=")
    path = path if sign or not name else name
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise BadInput(f"--renders {path}: is not a folder; give one of labelled images")
    called = sweep_name(name if sign else folder.resolve().name)
    refused, clear = dict[str, str](), clear_layout(folder)
    # another layout that fits as well would read other labels
    for kind in [kind for kind in _RENDERS if clear in ("", "imagefolder", kind)]:
        try:
            classes = _mask_classes(folder) if kind == "masks" else ()
            source = ImageSource(kind=kind, path=str(folder), class_names=classes).resolved()
            training, held_out = folder_size(source)
        except (ValueError, OSError) as error:
            refused[kind] = one_line(error)
            continue
        counted = classes_of_renders(source)
        return Renders(called, folder.absolute(), kind, training, held_out, classes, counted)
    _check_known("--renders", folder)
    raise BadInput(f"--renders {folder}: {_why(clear, refused)}; see docs/howto/write-a-renderer.md")


def look_at_photographs(path: str, task: str) -> Photos:
    """A folder of photographs with labels for the task; BadInput where they are not found."""
    folder, kind = Path(path).expanduser().absolute(), task_facts(task).label_kind
    if not folder.is_dir():
        raise BadInput(f"--photos {path}: is not a folder; give one of labelled photographs")
    refused: dict[str, str] = {}
    for layout in _PHOTOGRAPHS[kind]:
        dataset = f"{layout}:{folder}"
        try:
            real = RealSet(dataset, None, _LOOK_PX, kind).load()
            if not len(real.testing):
                raise TaskError("it has no test photographs; add some")
            share = _object_share(real, kind)
        except (ValueError, OSError) as error:
            refused[layout] = one_line(error)
            continue
        counted = photographs_classes(real)
        return Photos(dataset, len(real.training), len(real.testing), _median_side(folder), share, counted)
    _check_known("--photos", folder)
    raise BadInput(f"--photos {path}: {_why(clear_layout(folder), refused)}; see docs/reference/datasets.md")


def _check_known(flag: str, folder: Path) -> None:
    """BadInput where a folder that cannot be read is of a layout that is known not to be."""
    try:
        check_layout(folder)
    except TaskError as error:
        raise BadInput(f"{flag} {error}") from None


def _why(clear: str, refused: dict[str, str]) -> str:
    """Why a folder is no use: by the layout that it clearly has, else by every one that was tried."""
    if clear in refused:
        return f"its layout is {clear}; {refused[clear]}"
    if len(refused) == 1:
        ((layout, reason),) = refused.items()
        return f"{layout}: {reason}" + (f"; its layout is {clear}, which is of other tasks" if clear else "")
    return f"no layout that is known fits ({'; '.join(f'{kind}: {reason}' for kind, reason in refused.items())})"


# What tells layouts apart, before anything of them is read: COCO's keys, and a line of YOLO's.
_COCO_KEYS, _HEAD = (b'"images"', b'"annotations"', b'"categories"'), 4_000_000
_YOLO_LINE = re.compile(r"\s*\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*")


def clear_layout(folder: Path) -> str:
    """The layout that a folder has beyond doubt, whether or not all is right with it; empty where none is."""
    files = walk(folder)
    shown, texts = photographs_among(files), [file for file in files if suffix_of(file) == ".txt"]
    lists = [file for file in files if suffix_of(file) == ".json" and file.count("/") < 3]
    tops = {file.partition("/")[0] for file in shown if "/" in file}
    coco = len(lists) <= _LOOKED_AT and any(_has_keys(folder / file) for file in lists)
    bare = {_stem(file) for file in shown}
    beside = [file for file in texts if _stem(file) in bare]
    yolo = any(_is_yolo(folder / file) for file in beside[:_LOOKED_AT])
    masks = any(_stem(file).endswith(MAP_SUFFIX) for file in shown) or bool(
        tops & {"images", "JPEGImages"} and tops & set(MAP_FOLDERS)
    )
    clear = [kind for kind, is_so in (("coco", coco), ("yolo", yolo), ("masks", masks)) if is_so]
    if not clear and tops and not tops & {"images", "JPEGImages"} and not (lists or beside):
        clear = ["imagefolder"]
    return clear[0] if len(clear) == 1 else ""


def _stem(file: str) -> str:
    """A picture's or a text's path without its ending, the same for both."""
    return file.rpartition(".")[0].replace("images/", "labels/")


def _has_keys(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    return sum(key in head for key in _COCO_KEYS) > 1


def _is_yolo(file: Path) -> bool:
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(_YOLO_LINE.fullmatch(line) for line in lines)


def sweep_name(text: str) -> str:
    """A name that a sweep file takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:40] or "own"


def _mask_classes(folder: Path) -> tuple[str, ...]:
    """Names for the numbers of masks that no file gives: class1 and on; none where a file has them."""
    if colours_of(folder) is not None:
        return ()
    of_split, _ = map_files(folder, MAP_FOLDERS)
    masks = [folder / mask for pairs in of_split.values() for _, mask in pairs]
    shown = [np.asarray(class_numbers(mask)) for mask in masks]
    highest = max((int(numbers[numbers != VOID].max(initial=0)) for numbers in shown), default=0)
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
