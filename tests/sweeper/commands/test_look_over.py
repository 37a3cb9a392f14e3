"""What `sweeper plan` finds in the pictures of both sides before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.commands.check import check
from sweeper.commands.plan import describe
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.stages.image_sets import setting_of
from sweeper.stages.photographs import photographs
from tests.sweeper.examples import real_sweep, sweep_of
from tests.tasks.data import own_folders


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def sweep(folder: Path, source: dict[str, Any], *overrides: str, **finetune: Any) -> SweepConfig:
    own = {"tasks": ["objdet"], "dataset": "coco:photos", "recipe": {"warmup_images": 0}} | finetune
    content = real_sweep(renderings={"bought": {"source": source}}, finetune=own, ladder={"sizes": [3, 5, 9]})
    content["pretrain"] = {"validation_images": 1}
    content["tune"] = {"trials": 0}
    places = f"store={folder / 'store'}", f"output={folder / 'run'}", f"data_root={folder}"
    return sweep_of(folder, content, *places, "render.resolution=32", *overrides)


def folders(folder: Path) -> dict[str, Any]:
    own_folders.coco(folder / "photos", count=4)
    own_folders.blenderproc(folder / "bought")
    own_folders.cvat(folder / "bought2")
    return {"kind": "coco", "path": str(folder / "bought2")}


def test_sizes_are_told_before_and_after_and_both_sides_have_one_fit(tmp_path: Path) -> None:
    source = folders(tmp_path)

    said = describe(sweep(tmp_path, source))

    for side in ("photographs", "renders bought"):
        assert f"{side}: images of 80 x 40 px (medians) become 32 px by letterbox, x 0.4; objects 20 px -> 8 px" in said
    assert "give one fit for both" not in said


def test_one_key_says_how_images_become_squares_and_a_side_may_say_otherwise(tmp_path: Path) -> None:
    source = folders(tmp_path)

    both = sweep(tmp_path, source, "fit=stretch")
    apart = sweep(tmp_path, source | {"fit": "crop"}, "fit=stretch")

    fits = [
        (photographs(each)._set.fit, setting_of(each, "bought").source.fit)  # type: ignore[union-attr]
        for each in (both, apart)
    ]
    assert fits == [("stretch", "stretch"), ("stretch", "crop")]
    said = describe(sweep(tmp_path, source | {"fit": "crop"}))
    assert "mind: renders bought become squares by crop, photographs by letterbox; give one fit for both" in said
    assert "mind: objects of renders bought are 2 times as large as those of the photographs" in said


def test_objects_that_become_too_small_are_told(tmp_path: Path) -> None:
    source = folders(tmp_path)

    assert "smaller than 4 px" not in describe(sweep(tmp_path, source))
    own_folders.coco(tmp_path / "photos", change=_small)
    said = describe(sweep(tmp_path, source))
    assert (
        "photographs: images of 80 x 40 px (medians) become 32 px by letterbox, x 0.4; objects 8 px -> 3.2 px" in said
    )
    assert "mind: 100% of the objects of photographs become smaller than 4 px at 32 px; raise the resolution" in said
    assert "mind: objects of renders bought are 2.5 times as large as those of the photographs" in said


def test_renders_whose_list_and_pictures_disagree_are_scaled_or_refused(tmp_path: Path) -> None:
    source = folders(tmp_path)
    for k in range(10):
        own_folders.save(own_folders.picture(40 + k, scale=0.5), tmp_path / f"bought2/images/default/{k}.jpg")
    assert "10 pictures are of another size than their labels, which are scaled to them" in describe(
        sweep(tmp_path, source)
    )
    own_folders.save(own_folders.picture().resize((40, 40)), tmp_path / "bought2/images/default/3.jpg")
    with pytest.raises(BadInput, match=r"3\.jpg is 40 x 40 px, and its labels are for 80 x 40 px, as 1 of 10 differ"):
        describe(sweep(tmp_path, source))


def test_masks_that_number_objects_are_hinted_at(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    folders(tmp_path)
    for k in range(12):
        mask = np.zeros((40, 40), np.uint8)
        mask[2:12, 2:12], mask[20:30, 20:30] = 1, 2
        own_folders.save(own_folders.picture(k).resize((40, 40)), tmp_path / f"masks/images/{k}.png")
        own_folders.save(Image.fromarray(mask), tmp_path / f"masks/masks/{k}.png")
    source = {"kind": "masks", "path": str(tmp_path / "masks")}

    assert "are these objects instead of classes?" in describe(sweep(tmp_path, source | {"class_names": ["a", "b"]}))
    with pytest.raises(BadInput, match=r"maps show class 2, and class_names lists 1; .*are these objects instead"):
        describe(sweep(tmp_path, source | {"class_names": ["a"]}))


UNSEEDED = """
import numpy as np
from render_actors.sources import Picture


def render(setting, seed, scene):
    rng = np.random.{rng}
    side = setting.resolution
    shape = side, side, 3
    draw = rng.integers if hasattr(rng, "integers") else rng.randint
    return [
        Picture(draw(0, 255, shape).astype(np.uint8), np.ones((side, side), np.uint8), [0])
        for _ in range(setting.poses_per_scene)
    ]
"""


def test_a_function_that_ignores_its_seed_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    folders(tmp_path)
    file = tmp_path / "unseeded.py"
    source = {"kind": "function", "path": f"{file}:render", "class_names": ["a"]}

    file.write_text(UNSEEDED.format(rng="default_rng()"))
    with pytest.raises(BadInput, match=r"unseeded\.py:render draws scene 0 of seed 0 otherwise each time"):
        describe(sweep(tmp_path, source))
    file.write_text(UNSEEDED.format(rng="default_rng([seed, scene])"))
    assert "bought" in describe(sweep(tmp_path, source))


def test_a_set_of_one_class_is_no_task(tmp_path: Path) -> None:
    folders(tmp_path)
    own_folders.coco(tmp_path / "one", change=_one_class)

    with pytest.raises(BadInput, match="has one class; give two or more to be told apart"):
        describe(
            sweep(tmp_path, {"kind": "coco", "path": str(tmp_path / "bought2")}, tasks=["mulclass"], dataset="coco:one")
        )


def _small(content: dict[str, Any]) -> None:
    for each in content["annotations"]:
        each |= {"bbox": [10, 5, 8, 8], "segmentation": own_folders.polygon((10, 5, 8, 8))}


def _one_class(content: dict[str, Any]) -> None:
    content["categories"] = content["categories"][:1]
    for each in content["annotations"]:
        each["category_id"] = 1


@pytest.mark.parametrize("missing", ["photos", "bought2"])
def test_what_a_cluster_job_did_not_get_is_said_to_be_missing_from_what_was_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    source = folders(tmp_path)
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    hint = "not in what was uploaded: ray job submit leaves out what git ignores"

    with pytest.raises(BadInput) as here:
        describe(sweep(tmp_path, source))
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(BadInput, match=hint):
        describe(sweep(tmp_path, source))

    assert hint not in str(here.value)


def test_the_classes_of_the_real_task_are_known_to_the_verdict_where_its_error_is_a_share(tmp_path: Path) -> None:
    own_folders.class_folders(tmp_path / "classes")
    source = folders(tmp_path)

    whole = sweep(tmp_path, source, tasks=["sinclass"], dataset="imagefolder:classes")

    assert check(whole)[0].finetune.classes == 2
    assert check(sweep(tmp_path, source))[0].finetune.classes is None


def test_photographs_among_the_renders_are_told(tmp_path: Path) -> None:
    """Given test photographs copied into the folder of renders, errors would be too low; plan says which."""
    source = folders(tmp_path)
    copied = (tmp_path / "photos/images/val0.png").read_bytes()
    (tmp_path / "bought2/images/default/0.jpg").write_bytes(copied)

    said = describe(sweep(tmp_path, source))

    assert "mind: renderings.bought: 1 of its 10 images are test photographs, byte by byte" in said
