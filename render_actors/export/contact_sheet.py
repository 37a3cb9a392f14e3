"""A contact sheet of rendered images with their labels drawn, for a person to judge."""

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from render_actors.labels import RenderedImage

_IMAGE_PX = 160
# Masks above, normals below, beside the image.
_LABEL_PX = 80
_GAP_PX = 4
_TITLE_PX = 16
# More names than this would hide what they name.
_MOST_NAMES = 5
_WIDTH_PX = _IMAGE_PX + _LABEL_PX


def class_colour(class_id: int, classes: int) -> tuple[int, int, int]:
    """A colour of its own for each class, 8-bit RGB."""
    red, green, blue = colorsys.hsv_to_rgb(class_id / max(classes, 1), 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def contact_sheet(images: Sequence[RenderedImage], class_names: Sequence[str], columns: int = 6) -> Image.Image:
    """Images enlarged to 160 px with boxes and class names, masks and normals beside them, `columns` a row.

    Raises ValueError for no images or fewer than one column.
    """
    if not images or columns < 1:
        raise ValueError(f"contact sheet: {len(images)} images in {columns} columns; give one or more of each")
    rows = -(-len(images) // columns)
    sheet = _blank(columns, rows, 0)
    for position, image in enumerate(images):
        row, column = divmod(position, columns)
        sheet.paste(_tile(image, class_names), (column * (_WIDTH_PX + _GAP_PX), row * (_IMAGE_PX + _GAP_PX)))
    return sheet


def plain_sheet(pictures: Sequence[NDArray[np.uint8]], columns: int = 6, side: int = 96) -> Image.Image:
    """Pictures (H, W, 3), as they are, at `side` px each, `columns` a row; ValueError for none."""
    if not pictures:
        raise ValueError("contact sheet: no pictures; give one or more")
    rows, step = -(-len(pictures) // columns), side + _GAP_PX
    sheet = Image.new("RGB", (columns * step - _GAP_PX, rows * step - _GAP_PX), "white")
    for position, pixels in enumerate(pictures):
        row, column = divmod(position, columns)
        smaller = pixels.shape[0] > side
        resample = Image.Resampling.LANCZOS if smaller else Image.Resampling.NEAREST
        sheet.paste(Image.fromarray(pixels).resize((side, side), resample), (column * step, row * step))
    return sheet


def side_by_side(settings: Mapping[str, tuple[Sequence[RenderedImage], Sequence[str]]], rows: int = 6) -> Image.Image:
    """One column of at most `rows` images for each setting, under its name; values are (images, class names).

    Raises ValueError for no settings or rows.
    """
    if not settings or rows < 1:
        raise ValueError(f"contact sheet: {len(settings)} settings in {rows} rows; give one or more of each")
    sheet = _blank(len(settings), min(rows, max(len(images) for images, _ in settings.values())), _TITLE_PX)
    draw = ImageDraw.Draw(sheet)
    for column, (name, (images, class_names)) in enumerate(settings.items()):
        left = column * (_WIDTH_PX + _GAP_PX)
        draw.text((left + 2, 2), name, fill="black")
        for row, image in enumerate(images[:rows]):
            sheet.paste(_tile(image, class_names), (left, _TITLE_PX + row * (_IMAGE_PX + _GAP_PX)))
    return sheet


def _blank(columns: int, rows: int, top: int) -> Image.Image:
    width, height = columns * (_WIDTH_PX + _GAP_PX) - _GAP_PX, rows * (_IMAGE_PX + _GAP_PX) - _GAP_PX
    return Image.new("RGB", (width, top + height), "white")


def _enlarged(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    # Nearest: what is judged is what the network sees.
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)


def _tile(image: RenderedImage, class_names: Sequence[str]) -> Image.Image:
    tile = Image.new("RGB", (_WIDTH_PX, _IMAGE_PX), "white")
    tile.paste(_with_boxes(image, class_names), (0, 0))
    tile.paste(_enlarged(_masks(image, len(class_names)), _LABEL_PX), (_IMAGE_PX, 0))
    if image.normals is not None:
        # The usual colours of normals: each axis from -1 to 1 becomes 0 to 255.
        colours = np.clip((image.normals.astype(np.float32) + 1) * 127.5, 0, 255).astype(np.uint8)
        tile.paste(_enlarged(colours, _LABEL_PX), (_IMAGE_PX, _IMAGE_PX - _LABEL_PX))
    return tile


def _with_boxes(image: RenderedImage, class_names: Sequence[str]) -> Image.Image:
    drawn = _enlarged(image.rgb, _IMAGE_PX)
    draw = ImageDraw.Draw(drawn)
    zoom = _IMAGE_PX / image.rgb.shape[0]
    for seen in image.objects:
        colour = class_colour(seen.class_id, len(class_names))
        x0, y0, x1, y1 = (zoom * edge for edge in seen.box)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour)
        if len(image.objects) > _MOST_NAMES:
            continue
        text_at = (min(x0 + 2, _IMAGE_PX - 40), max(y0 - 11, 0))
        draw.text(text_at, class_names[seen.class_id], fill="white", stroke_width=1, stroke_fill="black")
    return drawn


def _masks(image: RenderedImage, classes: int) -> NDArray[np.uint8]:
    """Visible objects in their class's colour, what is too small to be listed in grey, on black."""
    colours = np.full((256, 3), 90, np.uint8)
    colours[0] = 0
    for seen in image.objects:
        colours[seen.instance_id] = class_colour(seen.class_id, classes)
    return colours[image.instances]
