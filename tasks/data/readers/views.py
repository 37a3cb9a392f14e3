"""Which view of each picture was labelled, as far as it can be known, and what is told of it."""

from collections.abc import Sequence
from pathlib import Path

from tasks.base import TaskError
from tasks.data.readers.images import turned_size, view_of
from tasks.data.readers.pictures import Picture

Size = tuple[int, int]


def views_in_words(
    root: Path, files: Sequence[str], pictures: Sequence[Picture], labelled: Sequence[Size] | None
) -> list[str]:
    """Lines on pictures that are turned, scaled or have malformed EXIF.

    labelled: width and height in px of what was labelled, None where labels have no place in the image. TaskError
    naming the first picture of another shape, and how many there are.
    """
    broken = [file for file, picture in zip(files, pictures, strict=True) if picture.malformed]
    lines = []
    if broken:
        lines.append(
            f"{root / broken[0]} has malformed EXIF, as {len(broken):,} pictures have; of it only which way up they are"
            " is taken"
        )
    if labelled is None:
        return lines
    found = [view_of(each.size, each.orientation, size) for each, size in zip(pictures, labelled, strict=True)]
    wrong = [place for place, view in enumerate(found) if view is None]
    if wrong:
        (width, height), (wide, high) = pictures[wrong[0]].size, labelled[wrong[0]]
        raise TaskError(
            f"image {root / files[wrong[0]]} is {width} x {height} px, and its labels are for {wide} x {high} px, as"
            f" {len(wrong):,} of {len(files):,} differ in shape; mend either"
        )
    stored = sum(view == "stored" for view in found)
    if stored:
        lines.append(
            f"{root}: {stored:,} pictures are turned by their EXIF, and labelled in the size that they are stored in:"
            " labels are read on the stored pixels; where they were drawn on the upright view, list upright sizes"
        )
    unknown = sum(
        (picture.orientation or 1) > 1
        and view == "upright"
        and size in (picture.size, picture.size[::-1])
        and turned_size(picture.size, picture.orientation) == picture.size
        for picture, view, size in zip(pictures, found, labelled, strict=True)
    )
    if unknown:
        lines.append(
            f"{root}: {unknown:,} pictures are turned by their EXIF to the same size, so that nothing tells which view"
            " was labelled: upright is taken"
        )
    scaled = sum(
        size not in (picture.size, turned_size(picture.size, picture.orientation))
        for picture, size in zip(pictures, labelled, strict=True)
    )
    if scaled:
        lines.append(f"{root}: {scaled:,} pictures are of another size than their labels, which are scaled to them")
    return lines
