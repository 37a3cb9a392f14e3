"""Images of the user's own: a function of theirs, or a labelled folder; what is wrong with them is told."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from render_actors.actor import drawing_of, shard_identity
from render_actors.export.coco import export_coco
from render_actors.labels import RenderedImage
from render_actors.setting.setting import RenderSetting
from render_actors.setting.source import Kind, Source
from render_actors.sources.labelled_folder import FIRST_HELD_OUT_SCENE, folder_classes, folder_size
from sweeper.config.load import load_config
from sweeper.errors import BadInput
from sweeper.stages.identity import Identities
from sweeper.stages.image_sets import setting_of as setting_of_config
from sweeper.study.arms import Arm
from tests.render_actors.drawn import drawn_image
from tests.render_actors.sinks import FolderSink

ARM = Arm("mine", "mulclass", "small_resnet", "sinclass")

PAGE = Path(__file__).parents[3] / "docs" / "own-renderer.md"


# A source of the user's own keeps nothing but its shards.
NOWHERE = FolderSink(Path("/nowhere"))


def setting_of(source: Source, **more: object) -> RenderSetting:
    values: dict = {"resolution": 24, "poses_per_scene": 3, "labels": source.labels} | more
    return RenderSetting(source=source, **values)


def function(folder: Path, body: str) -> Source:
    path = folder / "mine.py"
    path.write_text(
        f"import numpy as np\nfrom render_actors.sources import Picture\n\ndef render(setting, seed, scene):\n{body}\n"
    )
    return Source("function", f"{path}:render", ("square", "dot"))


def test_the_pages_example_renders(tmp_path: Path) -> None:
    # given the example of docs/own-renderer.md as it stands there
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    (tmp_path / "shapes.py").write_text(code)
    source = Source("function", f"{tmp_path / 'shapes.py'}:render", ("disc", "square"))
    setting = RenderSetting(resolution=32, poses_per_scene=5, source=source)
    drawing = drawing_of(setting, NOWHERE)
    # when scene 2 is drawn twice, then it is the same, its labels fit, and scene 3 is another
    images, again = drawing.scene(0, 2), drawing.scene(0, 2)
    assert [image.index for image in images] == [10, 11, 12, 13, 14]
    assert all(first.rgb.tobytes() == second.rgb.tobytes() for first, second in zip(images, again, strict=True))
    assert drawing.scene(0, 3)[0].rgb.tobytes() != images[0].rgb.tobytes()
    assert {seen.class_id for k in range(8) for image in drawing.scene(0, k) for seen in image.objects} == {0, 1}


# A right picture, of which each case spoils one thing.
RIGHT = {
    "rgb": "np.zeros((24, 24, 3), np.uint8)",
    "instances": "np.ones((24, 24), np.uint8)",
    "class_ids": "[1]",
    "normals": "np.full((24, 24, 3), [0.0, 0.6, 0.8])",
    "depth": "np.ones((24, 24))",
}


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"rgb": "np.zeros((24, 24, 3))"}, "rgb is float64 (24, 24, 3); give uint8 (24, 24, 3)"),
        ({"rgb": "[[0]]"}, "rgb is list; give uint8 (24, 24, 3) as a NumPy array"),
        ({"instances": "np.ones((12, 24), np.uint8)"}, "instances is uint8 (12, 24); give uint8 (24, 24)"),
        ({"class_ids": "[]"}, "has instance 1 but 0 class ids"),
        ({"class_ids": "[2]"}, "has class ids [2]; the source names 2 classes: 0 to 1"),
        ({"class_ids": "['dot']"}, "class ids are ['dot']; give whole numbers"),
        ({"class_ids": "[0] * 256"}, "has 256 class ids; 8 bits number 255 instances at most"),
        ({"normals": "None"}, "has no normals; give float (24, 24, 3)"),
        ({"normals": "np.ones((24, 24))"}, "normals is float64 (24, 24); give float (24, 24, 3)"),
        ({"normals": "np.ones((24, 24, 3))"}, "has normals of length 1.73; give unit ones, or 0 where there is none"),
        ({"normals": "np.full((24, 24, 3), np.nan)"}, "has normals of length nan"),
        ({"depth": "np.ones((24, 24, 3))"}, "depth is float64 (24, 24, 3); give float (24, 24)"),
        ({"depth": "np.full((24, 24), np.inf)"}, "has a depth of inf; give metres, finite and 0 or more"),
        ({"depth": "-np.ones((24, 24))"}, "has a depth of -1; give metres"),
    ],
)
def test_a_wrong_image_is_refused_by_function_seed_scene_and_number(
    tmp_path: Path, spoilt: dict[str, str], message: str
) -> None:
    arguments = ", ".join(f"{name}={value}" for name, value in (RIGHT | spoilt).items())
    source = function(tmp_path, f"    return [Picture({arguments})] * 3")
    with pytest.raises(ValueError, match="^" + re.escape(f"{source.where}: seed 7, scene 1, image 3: {message}")):
        drawing_of(setting_of(source), NOWHERE).scene(7, 1)


def test_normals_may_be_absent_in_places_and_a_picture_has_no_more_than_is_asked_for(tmp_path: Path) -> None:
    arguments = ", ".join(f"{name}={value}" for name, value in RIGHT.items())
    source = function(tmp_path, f"    p = Picture({arguments})\n    p.normals[:5] = 0\n    return (p, p, p)")
    images = drawing_of(setting_of(source), NOWHERE).scene(0, 0)
    assert images[0].normals is not None
    assert not images[0].normals[:5].any()
    # normals of another size are nobody's business where the labels do not ask for them
    bare = function(tmp_path, f"    return [Picture({arguments.replace('24, 24, 3), [', '9, 9, 3), [')})] * 3")
    assert drawing_of(setting_of(bare, labels=("classes",)), NOWHERE).scene(0, 0)[0].normals is None


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("[]", "seed 0, scene 1 has 0 images; return poses_per_scene = 3 of them"),
        ("int('x')", "seed 0, scene 1: it raised ValueError: invalid literal for int() with base 10: 'x'"),
        ("None", "seed 0, scene 1 gives NoneType; return a list of Picture"),
        ("[(1, 2)] * 3", "seed 0, scene 1, image 3: is tuple; return render_actors.sources.function.Picture"),
    ],
)
def test_what_is_no_list_of_pictures_is_refused(tmp_path: Path, returned: str, message: str) -> None:
    drawing = drawing_of(setting_of(function(tmp_path, f"    return {returned}")), NOWHERE)
    with pytest.raises(ValueError, match=re.escape(message)):
        drawing.scene(0, 1)


def test_changed_code_is_another_identity(tmp_path: Path) -> None:
    first = shard_identity(setting_of(function(tmp_path, "    return []")), 0, 0, 1)
    assert json.loads(json.dumps(first)) == first
    assert shard_identity(setting_of(function(tmp_path, "    return [1]")), 0, 0, 1) != first
    # and no path of this machine is in it
    assert str(tmp_path) not in json.dumps(first)


@pytest.mark.parametrize(
    ("kind", "where", "message"),
    [
        ("function", "nothing", "names no function"),
        ("function", "no/such.py:render", "no/such.py is not found"),
        ("function", "no.such.module:render", "no.such.module is not found"),
        ("coco", "no/such/folder", "is not a folder"),
    ],
)
def test_a_source_that_is_not_there_is_refused(kind: Kind, where: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Source(kind, where, ("a",))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    return {}['x']", "seed 0, scene 0: it raised KeyError: 'x' (mine.py, line 5)"),
        ("    assert scene", "seed 0, scene 0: it raised AssertionError (mine.py, line 5)"),
        ("    return [", "mine.py cannot be loaded: SyntaxError: '[' was never closed (mine.py, line 5)"),
        ("    pass\n\ndef render(setting):\n    pass", "render is called with (setting, seed, scene): too many pos"),
        ("    pass\n\nimport nowhere_to_be_found", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere"),
    ],
)
def test_a_mistake_in_a_function_is_told_with_its_kind_file_and_line(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        drawing_of(setting_of(function(tmp_path, body)), NOWHERE).scene(0, 0)


def test_what_may_pass_is_told_too_and_may_be_tried_again(tmp_path: Path) -> None:
    busy = function(tmp_path, "    raise ConnectionError('the license server is busy')")
    with pytest.raises(RuntimeError, match="it raised ConnectionError: the license server is busy"):
        drawing_of(setting_of(busy), NOWHERE).scene(0, 0)


def test_a_missing_name_is_refused(tmp_path: Path) -> None:
    source = function(tmp_path, "    return []")
    with pytest.raises(ValueError, match="has no function draw"):
        drawing_of(
            setting_of(dataclasses.replace(source, where=source.where.replace(":render", ":draw"))),
            NOWHERE,
        )


def write_coco(folder: Path, count: int = 20) -> Source:
    export_coco((drawn_image(k % 10, side=24) for k in range(1)), "abcde", folder)
    content = json.loads((folder / "annotations.json").read_text())
    images = [{"id": k, "file_name": f"{k}.png", "width": 24, "height": 24} for k in range(count)]
    for k in range(count):
        Image.fromarray(drawn_image(k % 10).rgb).save(folder / "images" / f"{k}.png")
    annotations = [content["annotations"][0] | {"id": k, "image_id": k} for k in range(count)]
    (folder / "annotations.json").write_text(json.dumps(content | {"images": images, "annotations": annotations}))
    return Source("coco", str(folder), folder_classes("coco", folder))


def write_masks(folder: Path, count: int = 20) -> Source:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for k in range(count):
        Image.fromarray(drawn_image(k % 10).rgb).save(folder / "images" / f"{k}.png")
        Image.fromarray(drawn_image(0).instances).save(folder / "masks" / f"{k}.png")
    return Source("masks", str(folder), ("square", "dot"))


def write_class_folders(folder: Path, count: int = 20) -> Source:
    for k in range(count):
        (folder / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 40, 3), 100 * (k % 2) + k, np.uint8)).save(folder / "ab"[k % 2] / f"{k}.png")
    return Source("imagefolder", str(folder), folder_classes("imagefolder", folder))


def every_image(source: Source, seed: int, first_scene: int, scenes: int) -> list[RenderedImage]:
    drawing = drawing_of(setting_of(source, poses_per_scene=1), NOWHERE)
    return [image for k in range(scenes) for image in drawing.scene(seed, first_scene + k)]


def test_a_folder_is_taken_in_a_seeded_order_with_a_tenth_held_out(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path)
    assert folder_size(source) == (18, 2)
    training = [int(image.rgb[0, 0, 0]) for image in every_image(source, 0, 0, 18)]
    held_out = [int(image.rgb[0, 0, 0]) for image in every_image(source, 0, FIRST_HELD_OUT_SCENE, 2)]
    # each image once, none in both parts, and another order for another seed
    assert len({*training, *held_out}) == 20
    assert [int(image.rgb[0, 0, 0]) for image in every_image(source, 1, 0, 18)] != training


def test_class_folders_give_the_class_of_an_image(tmp_path: Path) -> None:
    for image in every_image(write_class_folders(tmp_path), 0, 0, 18):
        assert [seen.class_id for seen in image.objects] == [int(image.rgb[0, 0, 0] >= 100)]


def test_class_folders_have_no_boxes(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path)
    with pytest.raises(ValueError, match="unknown label 'boxes' of a source of kind imagefolder; choose from classes"):
        setting_of(source, labels=("classes", "boxes"))


def test_coco_annotations_become_masks_and_boxes(tmp_path: Path) -> None:
    # given what our own export writes, then it comes back as it was
    for image in every_image(write_coco(tmp_path), 0, 0, 18):
        assert [(seen.class_id, seen.box) for seen in image.objects] == [(3, (4, 2, 9, 8))]


def test_a_polygon_and_a_bare_box_are_painted(tmp_path: Path) -> None:
    source = write_coco(tmp_path)
    path = tmp_path / "annotations.json"
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[4, 2, 8, 2, 8, 7, 4, 7]] if annotation["id"] % 2 else None
    path.write_text(json.dumps(content))
    for image in every_image(source, 0, 0, 18):
        assert [(seen.class_id, seen.box) for seen in image.objects] == [(3, (4, 2, 9, 8))]


def change_coco(folder: Path, **more: object) -> Source:
    """A COCO folder whose annotation 7, or whose lists, say something else."""
    source, path = write_coco(folder), folder / "annotations.json"
    content = json.loads(path.read_text())
    lists = {name: value for name, value in more.items() if name in content}
    content["annotations"][7] |= {name: value for name, value in more.items() if name not in content}
    path.write_text(json.dumps(content | lists))
    return source


def test_a_polygon_without_a_box_is_painted_behind_smaller_objects(tmp_path: Path) -> None:
    source = change_coco(tmp_path, bbox=None, segmentation=[[4, 2, 8, 2, 8, 7, 4, 7]])
    for image in every_image(source, 0, 0, 18):
        assert [(seen.class_id, seen.box) for seen in image.objects] == [(3, (4, 2, 9, 8))]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"category_id": 99}, "annotation 7 has category_id 99, which is not listed"),
        ({"image_id": 99}, "annotation 7 has image_id 99, which is not listed"),
        ({"image_id": [1]}, "annotation 7 has image_id [1], which is not listed"),
        ({"bbox": None, "segmentation": None}, "annotation 7 has neither bbox nor segmentation"),
        ({"bbox": [1, 2, "a", 4]}, "annotation 7 has bbox [1, 2, 'a', 4]; give x, y, width, height in px"),
        ({"segmentation": [[1, 2, 3, 4]]}, "annotation 7 has a polygon that is not x, y, x, y, ... of three points"),
        ({"segmentation": {"size": [24, 24], "counts": [3, 4]}}, "annotation 7 has run lengths that do not add up"),
        ({"segmentation": {"size": [24, 24], "counts": "a1"}}, "annotation 7 has a compressed run length"),
        ({"categories": [{"name": "a"}]}, "category number 1 needs an id (a whole number) and a name"),
        ({"images": [{"id": 0}]}, "image number 1 needs an id (a whole number) and a file_name"),
        ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "category id 1 stands there twice"),
        ({"images": {}}, "it needs the lists images, annotations, categories"),
    ],
)
def test_what_coco_annotations_cannot_say_is_told_with_the_file(tmp_path: Path, wrong: dict, message: str) -> None:
    source = change_coco(tmp_path, **wrong)
    with pytest.raises(ValueError, match=rf"annotations\.json.*{re.escape(message)}"):
        folder_size(source)


def test_class_names_must_list_every_category(tmp_path: Path) -> None:
    source = dataclasses.replace(write_coco(tmp_path), class_names=("a", "b"))
    with pytest.raises(ValueError, match=r"annotations\.json: has 5 categories, class_names lists 2"):
        folder_size(source)


def test_runs_of_another_size_than_their_image_are_told_with_the_file(tmp_path: Path) -> None:
    source = change_coco(tmp_path, segmentation={"size": [10, 10], "counts": [50, 50]})
    with pytest.raises(ValueError, match=r"7\.png: a mask of \(10, 10\) for an image of \(24, 24\)"):
        every_image(source, 0, 0, 18) + every_image(source, 0, FIRST_HELD_OUT_SCENE, 2)


@pytest.mark.parametrize("content", [b"no picture", None, b"\x89PNG\r\n\x1a\n and no more"])
@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_broken_image_or_mask_is_named(tmp_path: Path, part: str, content: bytes | None) -> None:
    source, whole = write_masks(tmp_path), tmp_path / part / "0.png"
    cut = whole.read_bytes()[:60]
    for file in (tmp_path / part).iterdir():
        file.write_bytes(cut if content is None else content)
    with pytest.raises(ValueError, match=rf"{part}/\d+\.png cannot be read as an image \(.*\); remove or mend it"):
        every_image(source, 0, 0, 1)


def test_a_mask_of_another_size_than_its_image_is_named(tmp_path: Path) -> None:
    source = write_masks(tmp_path)
    for file in (tmp_path / "masks").iterdir():
        Image.new("L", (12, 24), 1).save(file)
    with pytest.raises(ValueError, match=r"masks/(\d+)\.png is \(12, 24\) px, .*images/\1\.png is \(24, 24\)"):
        every_image(source, 0, 0, 1)


def test_class_masks_become_a_semantic_map(tmp_path: Path) -> None:
    source = write_masks(tmp_path)
    for image in every_image(source, 0, 0, 18):
        np.testing.assert_array_equal(image.semantic, drawn_image(0).instances)


@pytest.mark.parametrize("kind", ["coco", "masks"])
def test_corrected_labels_are_other_images_though_their_files_have_the_same_size(tmp_path: Path, kind: str) -> None:
    # given a labelled folder, and a copy in which one label is another
    write = {"coco": write_coco, "masks": write_masks}[kind]
    source, corrected = write(tmp_path / "a"), write(tmp_path / "b")
    if kind == "coco":
        file = Path(corrected.where) / "annotations.json"
        content = json.loads(file.read_text())
        label = content["annotations"][0]
        label["category_id"] = next(c["id"] for c in content["categories"] if c["id"] != label["category_id"])
        file.write_text(json.dumps(content))
    else:
        file = sorted((Path(corrected.where) / "masks").iterdir())[0]
        file.write_bytes(file.read_bytes()[:-1] + b"?")

    # then its shards are others, and a folder of the same bytes elsewhere has the same
    shards = [shard_identity(setting_of(each), 0, 0, 1) for each in (source, corrected, write(tmp_path / "c"))]
    assert shards[0] == shards[2] != shards[1]


def test_an_image_without_a_mask_is_named(tmp_path: Path) -> None:
    source = write_masks(tmp_path)
    (tmp_path / "masks" / "7.png").unlink()
    with pytest.raises(ValueError, match=r"7\.png has no map; add .*masks/7\.png"):
        folder_size(source)


def test_other_code_is_another_study_and_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    # given a sweep over a function, then rows measured under its old code do not count for the new
    function(tmp_path, "    return []")
    config = tmp_path / "sweep.yaml"
    path = tmp_path / "mine.py"
    config.write_text(
        f"name: own\nrenderings:\n  mine: {{source: {{kind: function, class_names: [a], path: '{path}:render'}}}}\n"
    )
    before = Identities(load_config(config)).study(ARM)
    assert Identities(load_config(config)).study(ARM) == before
    function(tmp_path, "    return [1]")
    assert Identities(load_config(config)).study(ARM) != before
    path.unlink()
    with pytest.raises(BadInput, match=r"renderings\.mine: .*mine\.py is not found"):
        Identities(load_config(config)).study(ARM)
    with pytest.raises(BadInput, match=r"renderings\.mine: .*mine\.py is not found"):
        setting_of_config(load_config(config), "mine")
