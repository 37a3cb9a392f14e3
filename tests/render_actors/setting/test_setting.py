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

# Shard 3 of seed 7, five scenes a shard, under RENDER_VERSION 2; computed by the commit d91138a, "masks" since.
NAMES = {
    "default": "b462623c8e3bf19625438bda46f601cb",
    "one object": "05681410fe647a46c3d82d52084c5749",
    "texture-less": "4517c1ae447d8177c986c26c788ffc4e",
    "dropped": "3250c89b89ca157a9947aa9392b5a2f5",
    "covered": "de88c9a19abdbe25ca9df64949ac72f3",
    "numbers": "cf8d68955d5b14ad7a945de9bf45415c",
    "light": "de3b0cff64e345a1820197f72c3ea0a5",
    "labels": "3909101dfe120741162426df3b18fc6f",
    "gpu": "cd4715336fc93fa662d8638b2263e433",
    "bop": "4cb4f58aa21e732fce962449c1bbe961",
    "textures": "ac2166e603d973d9e1e14bd09d88424b",
    "masks": "61a30d49b31baf9df59973299f6b4fd8",
    "function": "7724768d300c2688242117b1c1cc1fc1",
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
    "min_visible_share",
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
            (folder / part / "1.png").write_bytes(part.encode())
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
        "light": {"size_jitter": False, "light_strength": (0.5, 2.0), "min_visible_share": 0.01},
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
