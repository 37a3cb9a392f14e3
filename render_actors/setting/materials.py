"""Materials as data: what covers objects, walls and floor. `nodes.py` builds the shader graphs from these."""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colour = tuple[float, float, float]
Pattern = Literal["plain", "image", "stripes", "checker", "dots", "noise", "bricks"]


# Of linear red, green and blue, as in Rec. 709.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


class MissingAssetError(FileNotFoundError):
    """An object or texture package is not installed, or lacks a file the pools name."""


@dataclass(frozen=True)
class Material:
    """A surface's look.

    `colours` are linear RGB in [0, 1]; `scale` is pattern repeats per unit of object space (objects: bounding sphere of
    radius 1; walls and floor: metres); `image` is a file of robosuite's texture folder, mapped by the mesh's own UV
    coordinates or by projection along the three axes.
    """

    name: str
    pattern: Pattern = "plain"
    colours: tuple[Colour, Colour] = ((0.8, 0.8, 0.8), (0.8, 0.8, 0.8))
    image: str | None = None
    mapping: Literal["box", "uv"] = "box"
    scale: float = 1.0
    roughness: float = 0.6
    metallic: float = 0.0


def asset_path(package: str, relative: str) -> Path:
    """Path of a packaged mesh or texture. Raises MissingAssetError naming the file or package and what to install."""
    what = "--no-deps robosuite==1.5.2" if package == "robosuite" else "pybullet==3.2.7"
    hint = f"uv pip install {what} (or make setup)"
    # found without importing it: robosuite would pull in mujoco
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingAssetError(f"object and texture pool: package {package} is not installed; run: {hint}")
    path = Path(spec.origin).parent / relative
    if not path.is_file():
        raise MissingAssetError(f"object and texture pool: {path} is missing; reinstall it: {hint}")
    return path


def texture_pixels(image: str, side: int) -> NDArray[np.float32]:
    """A packaged texture (robosuite, MIT), resized: (side, side, 4) RGBA in [0, 1], top row first."""
    with Image.open(asset_path("robosuite", f"models/assets/textures/{image}")) as source:
        small = source.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small).astype(np.float32) / np.float32(255)


@cache
def lightest(material: Material) -> float:
    """Lightness of a material's lightest parts, linear, above 0: of an image that of its 95th percentile."""
    if material.pattern == "plain":
        return 1.0
    if material.image is None:
        found = (np.array(material.colours) @ LUMINANCE).max()
    else:
        # close to linear light
        found = np.quantile(texture_pixels(material.image, 64)[:, :, :3].astype(np.float64) ** 2.2 @ LUMINANCE, 0.95)
    return max(float(found), 0.02)


def _image(name: str, scale: float, roughness: float = 0.7) -> Material:
    return Material(name, "image", image=f"{name}.png", scale=scale, roughness=roughness)


# Two-colour patterns are kept mild: a tint per scene does the varying, and walls must not drown the objects.
SURFACES: tuple[Material, ...] = (
    _image("blue-wood", 0.5),
    _image("brass-ambra", 0.4, 0.4),
    _image("ceramic", 0.4, 0.3),
    _image("clay", 0.4),
    _image("cream-plaster", 0.4),
    _image("dark-wood", 0.5),
    _image("dirt", 0.5),
    _image("gray-felt", 0.5),
    _image("gray-woodgrain", 0.5),
    _image("green-wood", 0.5),
    _image("light-gray-floor-tile", 0.4),
    _image("light-wood", 0.5),
    _image("pink-plaster", 0.4),
    _image("red-wood", 0.5),
    _image("steel-scratched", 0.4, 0.4),
    _image("white-bricks", 0.5),
    _image("wood-tiles", 0.4),
    _image("wood-varnished-panels", 0.5, 0.4),
    _image("yellow-plaster", 0.4),
    Material("checks", "checker", ((0.75, 0.75, 0.75), (0.35, 0.35, 0.4)), scale=1.2),
    Material("planks", "stripes", ((0.5, 0.3, 0.15), (0.35, 0.2, 0.1)), scale=1.5),
    Material("bricks", "bricks", ((0.45, 0.15, 0.1), (0.6, 0.55, 0.5)), scale=1.2),
    Material("terrazzo", "dots", ((0.7, 0.7, 0.65), (0.35, 0.3, 0.3)), scale=4.0),
    Material("marble", "noise", ((0.85, 0.85, 0.85), (0.45, 0.45, 0.5)), scale=1.0, roughness=0.3),
    Material("moss", "noise", ((0.15, 0.3, 0.08), (0.35, 0.4, 0.2)), scale=2.0),
)
FIXED_WALL = Material("fixed-wall", colours=((0.6, 0.6, 0.58), (0.6, 0.6, 0.58)), roughness=0.9)
FIXED_FLOOR = Material("fixed-floor", colours=((0.35, 0.34, 0.33), (0.35, 0.34, 0.33)), roughness=0.9)
# The fixed background of published scenes: the fabric by name where there are CC0 textures, else a pile of two browns.
FIXED_CC_TEXTURE = "Fabric001"
CARPET = Material("carpet", "noise", ((0.32, 0.26, 0.2), (0.2, 0.16, 0.12)), scale=150.0, roughness=0.95)


@cache
def cc_textures(folder: Path) -> tuple[str, ...]:
    """Names of the opaque materials in a folder of CC0 textures (ambientCG's, 2K JPG, as BlenderProc reads them).

    Raises ValueError where there is none.
    """
    found = []
    for asset in sorted(path for path in folder.iterdir() if path.is_dir()):
        names = {path.name for path in asset.iterdir()}
        for stem in (f"{asset.name}_2K", f"{asset.name}_2K-JPG"):
            if f"{stem}_Color.jpg" in names and f"{stem}_Opacity.jpg" not in names:
                found.append(asset.name)
                break
    if not found:
        raise ValueError(f"textures: {folder} holds no NAME/NAME_2K-JPG_Color.jpg; give a folder of CC0 textures")
    return tuple(found)


def surface_names(textures: str | None) -> tuple[str, ...]:
    """Names of the covers of walls and floor: the packaged ones, or those of a folder of CC0 textures."""
    return tuple(cover.name for cover in SURFACES) if textures is None else cc_textures(Path(textures))


def published_background(textures: str | None) -> str:
    """Name of the fixed cover of floor and walls in published scenes."""
    return CARPET.name if textures is None else FIXED_CC_TEXTURE
