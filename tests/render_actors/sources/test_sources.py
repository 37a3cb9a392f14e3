"""Images of the user's own: a function of theirs, or a labelled folder; what is wrong with them is told."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from render_actors.actor import drawing_of, shard_identity
from render_actors.setting.setting import RenderSetting
from render_actors.setting.source import Kind, Source
from sweeper.config.load import load_config
from sweeper.errors import BadInput
from sweeper.stages.identity import Identities
from sweeper.stages.image_sets import setting_of as setting_of_config
from sweeper.study.arms import Arm
from tests.render_actors.sinks import FolderSink

ARM = Arm("mine", "mulclass", "small_resnet", "sinclass")

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "write-a-renderer.md"


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
    # given the example of docs/howto/write-a-renderer.md as it stands there
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
