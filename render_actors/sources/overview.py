"""What is wrong with the pictures of a labelled folder, and what is told of them: every one is opened, once."""

from collections import Counter
from pathlib import Path

import numpy as np

from render_actors.labels import MOST_NUMBERS
from render_actors.setting.source import Source
from render_actors.sources.labelled_folder import contents, folder_size
from tasks.data.readers.class_levels import counts_in_words, first_of
from tasks.data.readers.pictures import (
    Picture,
    Tell,
    bits_in_words,
    cache_root,
    copies_in_words,
    files_by_content,
    look_at,
    twins_in_words,
)
from tasks.data.readers.sizes import Sizes, views_in_words

_VOID = 255


def overview(source: Source, tell: Tell) -> tuple[list[str], Sizes]:
    """Lines to tell of a folder, and how large its images and objects are.

    Raises ValueError naming the first picture that is no use, or what its labels cannot be.
    """
    folder_size(source)
    root, found = Path(source.where), contents(source)
    entries = list(found.entries.values())
    files = [entry.file for entry in entries]
    facts = look_at(root, files, cache_root(), tell)
    pictures, lines = [facts[file] for file in files], list(found.lines)
    lines += bits_in_words(root, pictures)
    lines += copies_in_words(str(root), files, [picture.content for picture in pictures])
    if source.kind == "imagefolder":
        lines += twins_in_words(root, files, pictures, [source.class_names[entry.labels] for entry in entries])
    labelled = [entry.size for entry in entries if entry.size is not None] or None
    if source.kind == "masks":
        facts = look_at(root, [entry.labels for entry in entries], cache_root(), tell, numbers=True)
        maps = [facts[entry.labels] for entry in entries]
        labelled = [each.size for each in maps]
        lines += _numbers_in_words(source, maps)
    lines += views_in_words(root, files, pictures, labelled)
    objects = [] if labelled is None or source.kind == "masks" else [entry.labels for entry in entries]
    lines += _objects_in_words(source, found.crowds, [len(each) for each in objects])
    boxes = np.array([thing["bbox"] for each in objects for _, thing in each], float).reshape(-1, 4)
    of_image = np.repeat(np.arange(len(objects)), [len(each) for each in objects]).astype(np.int64)
    images = np.array(labelled if labelled is not None else [each.size for each in pictures], float)
    return lines + _classes_in_words(source), Sizes(images, boxes, of_image)


def source_by_content(source: Source, tell: Tell) -> dict[str, str]:
    """The images of a folder by the hash of their bytes."""
    return files_by_content(Path(source.where), list(contents(source).entries), cache_root(), tell)


def classes_counted(source: Source) -> str:
    """The classes of class folders by name with their images; empty of another kind."""
    if source.kind != "imagefolder":
        return ""
    counts = Counter(entry.labels for entry in contents(source).entries.values())
    return counts_in_words({name: counts[number] for number, name in enumerate(source.class_names)})


def _objects_in_words(source: Source, crowds: int, counts: list[int]) -> list[str]:
    lines, objects = [], sum(counts)
    if crowds:
        if crowds > objects * 9:
            raise ValueError(
                f"{source.where}: {crowds:,} of {objects + crowds:,} objects are crowds (iscrowd: 1), which are not"
                " learnt from; run lengths of single objects have iscrowd: 0"
            )
        lines.append(
            f"{source.where}: {crowds:,} of {objects + crowds:,} objects are crowds (iscrowd: 1) and are left out; run"
            " lengths of single objects have iscrowd: 0"
        )
    beyond = sum(max(0, count - MOST_NUMBERS) for count in counts)
    if beyond:
        lines.append(
            f"{source.where}: {beyond:,} of {objects:,} objects are left out: of an image the {MOST_NUMBERS} largest"
            " are kept"
        )
    return lines


def _numbers_in_words(source: Source, maps: list[Picture]) -> list[str]:
    """What class numbers the maps show; ValueError where they are not those of the classes that are named."""
    there = sorted({number for each in maps for number in each.numbers})
    classes, known = [number for number in there if number not in (0, _VOID)], len(source.class_names)
    numbers = ", ".join(str(number) for number in there)
    instances = _are_instances(maps)
    if classes and classes[-1] > known:
        raise ValueError(
            f"{source.where}: maps show class {classes[-1]}, and class_names lists {known}; 0 is the background, k the"
            f" k-th name, {_VOID} does not count" + (_HINT if instances else "")
        )
    if not classes:
        void = f"; {_VOID} does not count: write 1 in its place" if _VOID in there else ""
        raise ValueError(f"{source.where}: maps show the numbers {numbers} alone, and no class among them{void}")
    return [f"{source.where}: {_HINT.strip(' (;)')}"] if instances else []


_HINT = "; every map numbers 1, 2, 3, ... without a gap: are these objects instead of classes?"


def _are_instances(maps: list[Picture]) -> bool:
    """Whether every map numbers from 1 without a gap, most of them more than one."""
    numbers = [[number for number in each.numbers if number not in (0, _VOID)] for each in maps]
    gapless = all(each == list(range(1, len(each) + 1)) for each in numbers)
    return gapless and sum(len(each) > 1 for each in numbers) * 2 > len(numbers)


def _classes_in_words(source: Source) -> list[str]:
    """Classes of which a list has no object."""
    if source.kind not in ("coco", "yolo"):
        return []
    there = {number for entry in contents(source).entries.values() for number, _ in entry.labels}
    absent = [name for number, name in enumerate(source.class_names) if number not in there]
    return [f"{source.where}: {len(absent):,} classes have no object: {first_of(absent)}"] if absent else []
