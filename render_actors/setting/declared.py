"""What a field of RenderSetting declares besides its type and its default.

The checks in setting.py, the keys of a sweep file (sweeper/config/render.py) and what a sweep renders
(sweeper/stages/image_sets.py) all follow from it.
"""

from typing import Any, Literal

# Where a sweep file has it: in each of its `renderings`, or under `render`, which all of them share.
Section = Literal["renderings", "render"]
EACH, SHARED = {"section": "renderings"}, {"section": "render"}
# It came later: it is left out of the content at its default, so that what was rendered before keeps its name. Every
# new field needs this. A shared one is None in a sweep file that does not give it.
LATER = {"later": True}
# It has no default in a sweep file, although it has always been part of the content.
OPTIONAL = {"optional": True}


def whole(low: int, high: int) -> dict[str, Any]:
    """It is a whole number from `low` to `high`."""
    return {"range": (low, high)}


# Of those that all renderings share: each may have its own instead.
OVERRIDDEN = {"overridden": True}


def between(low: float, high: float) -> dict[str, Any]:
    """It is a pair of numbers from `low` to `high`, the least and the most of what is drawn."""
    return {"between": (low, high)}


def folder(pattern: str) -> dict[str, Any]:
    """It is the path of a folder, of which the files that match `pattern` count (as Path.glob has it)."""
    return {"folder": pattern}
