"""Layouts of simulators and exporters that are not read: named, with what to write instead."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.base import TaskError
from tasks.data.readers.files import photographs_among, split_of, suffix_of, walk

# of a list or a text as much as tells what it is
_HEAD = 100_000
# files of one ending that are opened to see what they are
_OPENED = 3
_BOXES = "write boxes as a COCO list (annotations.json beside images/), or as YOLO texts (labels/NAME.txt)"
_MASKS = "maps of class numbers as masks/NAME.png beside images/NAME.png"


@dataclass(frozen=True)
class _Layout:
    """A layout, what tells it among a folder's files, and what to write instead."""

    name: str
    is_it: Callable[[Path, Sequence[str]], bool]
    instead: str


def check_layout(root: Path) -> None:
    """Raise TaskError where the files below `root` are of a layout that is known and not read."""
    files = walk(root)
    for layout in _LAYOUTS:
        if layout.is_it(root, files):
            raise TaskError(f"{root} is laid out by {layout.name}, which is not read; {layout.instead}")


def _named(pattern: str) -> Callable[[Path, Sequence[str]], bool]:
    """Whether a file's path, in small letters, ends as the pattern."""
    told = re.compile(rf"(.*/)?{pattern}")
    return lambda root, files: any(told.fullmatch(file.lower()) for file in files)


def _together(*patterns: str) -> Callable[[Path, Sequence[str]], bool]:
    """Whether there is a file for each pattern."""
    each = [_named(pattern) for pattern in patterns]
    return lambda root, files: all(one(root, files) for one in each)


def _lists(ending: str, *words: bytes, but: bytes | None = None) -> Callable[[Path, Sequence[str]], bool]:
    """Whether a file of this ending begins with all these words, and not another, beside pictures of one folder.

    Folders of pictures beside it may be classes, whatever else is told of them.
    """

    def is_it(root: Path, files: Sequence[str]) -> bool:
        folders = {PurePosixPath(file).parent for file in photographs_among(files)}
        if len({tuple(part for part in folder.parts if not split_of(part)) for folder in folders}) > 1:
            return False
        for file in [file for file in files if suffix_of(file) == ending][:_OPENED]:
            with (root / file).open("rb") as stream:
                head = stream.read(_HEAD)
            if all(word in head for word in words) and (but is None or but not in head):
                return True
        return False

    return is_it


def _alone(ending: str) -> Callable[[Path, Sequence[str]], bool]:
    """Whether files of this ending are there, and no pictures."""
    return lambda root, files: any(suffix_of(file) == ending for file in files) and not photographs_among(files)


_REPLICATOR = (
    "bounding_box_[23]d_(tight|loose)|semantic_segmentation|instance_segmentation|instance_id_segmentation"
    "|distance_to_camera|distance_to_image_plane|normals|camera_params"
)
_LAYOUTS = (
    _Layout("Unity Perception (SOLO)", _named(r"step\d+\.frame_data\.json"), f"its tool converts to COCO; or {_BOXES}"),
    _Layout("Unity Perception", _named(r"captures_\d+\.json"), _BOXES),
    _Layout("Kubric", _together(r"rgba_\d+\.png", r"metadata\.json"), f"{_BOXES}, or {_MASKS}"),
    _Layout("BOP", _named(r"scene_gt(_info|_coco)?\.json"), _BOXES),
    _Layout("KITTI's writers", _together(r"image_\d+/[^/]+", r"label_\d+/[^/]+\.txt"), _BOXES),
    _Layout(
        "Omniverse Replicator's BasicWriter",
        _named(rf"({_REPLICATOR})(_labels|_mapping|_prim_paths)?_\d+\.(npy|json)"),
        f"its CocoWriter writes a COCO list; or {_BOXES}, or {_MASKS}",
    ),
    _Layout("Cityscapes", _together(r"leftimg8bit/.*\.png", r"gtfine/.*\.png"), f"write {_MASKS}"),
    _Layout("Pascal VOC's lists (XML)", _lists(".xml", b"<annotation", b"<object"), _BOXES),
    _Layout("Datumaro", _lists(".json", b'"categories"', b'"items"', but=b'"images"'), f"export as COCO; or {_BOXES}"),
    _Layout("Label Studio's JSON", _lists(".json", b'"annotations"', b'"result"', b'"data"'), "export as COCO or YOLO"),
    _Layout("LabelMe", _lists(".json", b'"shapes"', b'"imagePath"'), f"export as COCO; or {_BOXES}"),
    _Layout("CreateML", _lists(".json", b'"annotations"', b'"coordinates"'), f"export as COCO; or {_BOXES}"),
    _Layout("a table of boxes (CSV)", _lists(".csv", b"xmin", b"ymax"), _BOXES),
    _Layout("BlenderProc's HDF5 writer", _alone(".hdf5"), "bproc.writer.write_coco_annotations writes a COCO list"),
    _Layout("TFRecord files", _alone(".tfrecord"), f"export as COCO; or {_BOXES}"),
)
