"""What was rendered keeps its name: the identities of shards that settings of all kinds have always had."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from render_actors.actor import shard_identity
from render_actors.setting.setting import RenderSetting
from render_actors.setting.source import Source
from sweeper.storage.artifacts import artifact_key

# Shard 3 of seed 7, five scenes a shard, under RENDER_VERSION 2; computed when `min_visible_px` joined the content.
NAMES = {
    "default": "cb35066303fd64d360cd2fac63ba7dea",
    "one object": "dee2986d10b1bebc715c07e4d442cbc3",
    "texture-less": "f10c7c64556b3f6627b14017188b2494",
    "dropped": "767c19cbf7d580abda17f08965adb466",
    "covered": "2cbcad0cb457184834c776f0cba16db0",
    "numbers": "a23ec9c2f898ed7a45ac17ead4e5c9c5",
    "light": "56e35b7775af51adb6a3a477d6c20583",
    "labels": "628108bbc3a6062cf4f28ff3dd9cbd4d",
    "gpu": "01af8bf3e46d27905697c1b77c47e6b8",
    "bop": "2373f53e6feb0d9f1ca9c11e3194ccb6",
    "textures": "60914c1e524022ea7c58c8610f3af33e",
    "masks": "f9a8571494f9defaabe1b3792489583d",
    "function": "de8c89c358a1681b8238b24b93d42b66",
}
# Fields that have been part of the content from the beginning, at whatever value.
FROM_THE_BEGINNING = {
    "appearance",
    "light",
    "background",
    "texture",
    "resolution",
    "samples",
    "classes",
    "max_objects",
    "poses_per_scene",
    "max_bounces",
    "min_visible_px",
    "labels",
}


def values_of(name: str, folder: Path) -> dict[str, Any]:
    """The values of the setting called `name`, its files written to `folder`."""
    if name == "bop":
        models = folder / "bop" / "tless" / "models"
        models.mkdir(parents=True)
        (models / "models_info.json").write_text('{"1": {"diameter": 100}}')
        (models / "obj_000001.ply").write_text("ply")
        return {"objects": str(folder / "bop"), "classes": 1}
    if name == "textures":
        (folder / "cc0" / "Wood001").mkdir(parents=True)
        (folder / "cc0" / "Wood001" / "Wood001_2K-JPG_Color.jpg").write_bytes(b"wood")
        return {"textures": str(folder / "cc0")}
    if name == "masks":
        for part in ("images", "masks"):
            (folder / part).mkdir()
            for name in ("1.png", "2.png"):
                (folder / part / name).write_bytes(part.encode())
        return {"source": Source("masks", str(folder), ("cat", "dog")), "labels": ("classes", "semantic")}
    if name == "function":
        code = folder / "mine.py"
        code.write_text("def scene(setting, seed, index):\n    return []\n")
        return {"source": Source("function", f"{code}:scene", ("cat",)), "texture": "without"}
    numbers = {"resolution": 128, "samples": 16, "classes": 40, "max_objects": 10, "poses_per_scene": 2}
    more: dict[str, dict[str, Any]] = {
        "default": {},
        "one object": {"appearance": "single", "light": "fix", "background": "fix"},
        "texture-less": {"texture": "without", "classes": 173},
        "dropped": {"placement": "physics"},
        "covered": {"material": "random", "min_objects": 3},
        "numbers": numbers | {"max_bounces": 3},
        "light": {"size_jitter": False, "light_strength": (0.5, 2.0), "min_visible_px": 20},
        "labels": {"labels": ("masks", "classes", "depth", "masks", "poses")},
        "gpu": {"device": "cuda"},
    }
    return more[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_shard_keeps_its_name(name: str, tmp_path: Path) -> None:
    # packages that draw may change: their versions are left out
    identity = shard_identity(RenderSetting(**values_of(name, tmp_path)), 7, 3, 5) | {"version": "2"}
    assert artifact_key(identity) == NAMES[name]


def test_a_new_attribute_orphans_nothing_that_was_rendered() -> None:
    for each in dataclasses.fields(RenderSetting):
        assert each.name in FROM_THE_BEGINNING or each.metadata.get("later"), (
            f"RenderSetting.{each.name} is new. Add LATER to its metadata in render_actors/setting/setting.py and give "
            "it as default what was so before it: then it is left out of the content at its default. Otherwise every "
            "image that anybody has rendered loses its name and is rendered again. Leave FROM_THE_BEGINNING as it is."
        )
        assert each.default is not dataclasses.MISSING, f"RenderSetting.{each.name} needs a default: what was so before"
    assert set(RenderSetting().content()) == FROM_THE_BEGINNING
