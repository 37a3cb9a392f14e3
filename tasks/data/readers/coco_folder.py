"""COCO folders as exporters write them: which lists there are and of which split, and where each listed picture is.

CVAT: annotations/instances_default.json, images/default/*. Roboflow: {train,valid,test}/_annotations.coco.json beside
the pictures. Label Studio: result.json, images/*. BlenderProc: coco_annotations.json, images/*. COCO itself:
annotations/instances_{train,val}2017.json, {train,val}2017/*. What tells them apart is where their files are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from tasks.base import TaskError
from tasks.data.readers.coco_list import CocoImage, CocoList, is_list, not_coco, read_list
from tasks.data.readers.files import SplitName, photographs_among, split_in, split_of, suffix_of, walk
from tasks.data.readers.images import size_of

# lists lie in the set's folder, or this deep below it
_DEEPEST = 3


@dataclass(frozen=True)
class CocoFolder:
    """The lists of a folder by their split, with every picture found, and lines to tell: which were taken."""

    lists: dict[SplitName | None, CocoList]
    lines: tuple[str, ...]


def read_folder(root: Path, *, keypoints: bool = False) -> CocoFolder:
    """The lists in `root`, of objects or of keypoints. Raises FileNotFoundError where there is none, else TaskError."""
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; a COCO folder holds annotations and images")
    files = walk(root)
    chosen, lines = _chosen(root, files, keypoints=keypoints)
    pictures = _Pictures(root, photographs_among(files))
    lists = {}
    for split, name in chosen.items():
        listed = read_list(root / name)
        lists[split] = replace(listed, images=pictures.located(listed, name))
        lines += listed.lines
    return CocoFolder(lists, tuple(lines))


def _chosen(root: Path, files: Sequence[str], *, keypoints: bool) -> tuple[dict[SplitName | None, str], list[str]]:
    """One list a split; where no list tells one, the only list under None."""
    candidates = _candidates(root, files, keypoints=keypoints)
    if not candidates:
        raise FileNotFoundError(
            f"{root} has no {'*keypoints_' if keypoints else 'instances_'}*.json in annotations/ nor another list of"
            f" COCO's; found {_shown([name for name in files if suffix_of(name) == '.json'])}"
        )
    of_split: dict[SplitName | None, list[str]] = {}
    for name in candidates:
        of_split.setdefault(split_in(name), []).append(name)
    lines = []
    unsplit = of_split.pop(None, []) if len(of_split) > 1 else []
    if unsplit:
        lines.append(f"{root}: {', '.join(unsplit)} is of no split and left out")
    if len(of_split.get(None, [])) > 1:
        raise TaskError(
            f"{root} has several lists of no split, {_shown(of_split[None])}; keep one, or name them"
            " instances_train.json and instances_test.json"
        )
    for split, names in of_split.items():
        if len(names) > 1:
            lines.append(f"{root}: of the lists of {split}, {names[0]} is taken, not {', '.join(names[1:])}")
    return {split: names[0] for split, names in of_split.items()}, lines


def _candidates(root: Path, files: Sequence[str], *, keypoints: bool) -> list[str]:
    """Lists by their name where there are such, else whatever has the keys of one; those in annotations/ first."""
    texts = [name for name in files if suffix_of(name) == ".json" and len(PurePosixPath(name).parts) <= _DEEPEST]
    texts.sort(key=lambda name: (PurePosixPath(name).parts[0] != "annotations", name))
    of_keypoints = [name for name in texts if "keypoints" in PurePosixPath(name).stem]
    if keypoints:
        return of_keypoints or [name for name in texts if is_list(root / name)]
    others = [name for name in texts if name not in of_keypoints]
    named = [name for name in others if PurePosixPath(name).stem.startswith("instances")]
    if named or len(others) == 1:
        return named or others
    return [name for name in others if is_list(root / name)] or [name for name in of_keypoints if is_list(root / name)]


class _Pictures:
    """The pictures below a folder, by their names."""

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self._root = root
        self._named: dict[str, list[str]] = {}
        for file in files:
            self._named.setdefault(PurePosixPath(file).name.lower(), []).append(file)

    def located(self, listed: CocoList, name: str) -> tuple[CocoImage, ...]:
        """A list's images, each with its file and size; TaskError saying how many are not there."""
        found = [self._find(image.file_name, name) for image in listed.images]
        # several entries of one file: those whose path is not all of it mean another that is missing
        longest: dict[str, int] = {}
        for file, length in filter(None, found):
            longest[file] = max(longest.get(file, 0), length)
        files = [each[0] if each and each[1] == longest[each[0]] else None for each in found]
        missing = [image for image, file in zip(listed.images, files, strict=True) if file is None]
        if missing:
            place = self._root / self._folder(name) / _normal(missing[0].file_name)
            raise TaskError(
                f"image {place} is not there, as {len(missing):,} of the {len(files):,} that {listed.file} lists;"
                " add them, or take them out of their list"
            )
        _check_listed_once(listed, files)
        return tuple(
            replace(image, file=str(file), size=self._size(listed, image, str(file)))
            for image, file in zip(listed.images, files, strict=True)
        )

    def _find(self, told: str, name: str) -> tuple[str, int] | None:
        """The picture whose path ends most as the list tells, nearest to the list; and how many names are the same.

        Lists come from other machines: their paths begin elsewhere, with back-slashes, a drive or an address.
        """
        wanted = _normal(told)
        candidates = self._named.get(wanted.name.lower()) or []
        if not candidates:
            wanted = PurePosixPath(unquote(str(wanted)))
            candidates = self._named.get(wanted.name.lower()) or []
        scored = sorted(((_alike(file, wanted), _nearness(file, name)), file) for file in candidates)
        # the folder of another split has another picture of this name
        scored = [each for each in scored if each[0][0][0] > 1 or not _is_strange(each[1], name)]
        if not scored:
            return None
        if len(scored) > 1 and scored[-1][0] == scored[-2][0]:
            raise TaskError(
                f"{self._root / name} lists {told}, which may be {scored[-2][1]} or {scored[-1][1]}; list it with its"
                " folder, or rename one of them"
            )
        ((length, _), _), file = scored[-1]
        return file, length

    def _folder(self, name: str) -> str:
        """Where a list's pictures belong, for a message."""
        own = _split_name(name)
        for folder in (own, f"images/{own}", str(PurePosixPath(name).parent / "images"), "images"):
            if (self._root / folder).is_dir():
                return folder
        return str(PurePosixPath(name).parent)

    def _size(self, listed: CocoList, image: CocoImage, file: str) -> tuple[int, int]:
        """What the list says, or where it says nothing what people see."""
        told = image.entry.get("width"), image.entry.get("height")
        if told == (None, None):
            return size_of(self._root / file)
        try:
            width, height = (int(value) for value in told)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise not_coco(listed.file, f"image {image.entry['id']} needs a width and a height") from None
        if min(width, height) < 1:
            raise not_coco(listed.file, f"image {image.entry['id']} is {width} x {height} px")
        return width, height


def _check_listed_once(listed: CocoList, files: Sequence[str | None]) -> None:
    """TaskError where two entries are one picture: each has but a part of its objects."""
    of_file: dict[str | None, list[CocoImage]] = {}
    for image, file in zip(listed.images, files, strict=True):
        of_file.setdefault(file, []).append(image)
    twice = {file: images for file, images in of_file.items() if len(images) > 1}
    if twice:
        file, (one, other, *_) = next(iter(twice.items()))
        more = f", as {len(twice):,} pictures are" if len(twice) > 1 else ""
        raise TaskError(
            f"{listed.file}: the images {one.entry['id']} and {other.entry['id']} are one picture, {file}, listed"
            f" twice{more}; list it once, with all its objects"
        )


def _normal(told: str) -> PurePosixPath:
    """A path as a list tells it, with slashes and without what is no part of it."""
    path = told.replace("\\", "/").rpartition("?d=")[2]
    return PurePosixPath(*[part for part in path.split("/") if part not in ("", ".", "..")])


def _alike(file: str, wanted: PurePosixPath) -> tuple[int, bool]:
    """How many names of two paths are the same from their ends, and whether the last is to the letter."""
    ours, theirs = PurePosixPath(file).parts[::-1], wanted.parts[::-1]
    same = 1
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return same, ours[0] == theirs[0]


def _nearness(file: str, name: str) -> tuple[bool, int]:
    """How near a picture is to a list: in the folder that the list is called after, beside it."""
    parts, beside = PurePosixPath(file).parts[:-1], PurePosixPath(name).parent.parts
    return _split_name(name) in parts, sum(1 for one, other in zip(parts, beside, strict=False) if one == other)


def _is_strange(file: str, name: str) -> bool:
    """Whether a picture lies in the folder of another split than a list's."""
    split = split_in(name)
    return split is not None and any(split_of(part) not in (None, split) for part in PurePosixPath(file).parts[:-1])


def _split_name(name: str) -> str:
    """What a list's name says after its kind, as train2017 of instances_train2017.json."""
    return PurePosixPath(name).stem.rpartition("_")[2]


def _shown(names: Sequence[str]) -> str:
    """A few names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "") or "none"
