"""A contact sheet of rendered images with their labels drawn, for a person to judge."""

import colorsys
from collections.abc import Sequence

from PIL import Image, ImageDraw

from render_actors.shards import RenderedImage

_TILE_PX = 160
_GAP_PX = 4


def class_colour(class_id: int, classes: int) -> tuple[int, int, int]:
    """A colour of its own for each class, 8-bit RGB."""
    red, green, blue = colorsys.hsv_to_rgb(class_id / max(classes, 1), 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def contact_sheet(images: Sequence[RenderedImage], class_names: Sequence[str], columns: int = 8) -> Image.Image:
    """Images enlarged to about 160 px with boxes and class names drawn, `columns` a row.

    Raises ValueError for no images or fewer than one column.
    """
    if not images or columns < 1:
        raise ValueError(f"contact sheet: {len(images)} images in {columns} columns; give one or more of each")
    rows = -(-len(images) // columns)
    step = _TILE_PX + _GAP_PX
    sheet = Image.new("RGB", (columns * step - _GAP_PX, rows * step - _GAP_PX), "white")
    for position, image in enumerate(images):
        at = (position % columns * step, position // columns * step)
        sheet.paste(_tile(image, class_names), at)
    return sheet


def _tile(image: RenderedImage, class_names: Sequence[str]) -> Image.Image:
    # Nearest: what is judged is what the network sees.
    tile = Image.fromarray(image.rgb).resize((_TILE_PX, _TILE_PX), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(tile)
    zoom = _TILE_PX / image.rgb.shape[0]
    for seen in image.objects:
        colour = class_colour(seen.class_id, len(class_names))
        x0, y0, x1, y1 = (zoom * edge for edge in seen.box)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour)
        text_at = (min(x0 + 2, _TILE_PX - 40), max(y0 - 11, 0))
        draw.text(text_at, class_names[seen.class_id], fill="white", stroke_width=1, stroke_fill="black")
    return tile
