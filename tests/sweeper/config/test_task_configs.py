"""What a sweep file may combine: tasks, labels, recipes, data; and what it is told where it may not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from render_actors.setting.setting import RenderSetting
from sweeper.commands.check import check
from sweeper.commands.report import recipes_text
from sweeper.errors import BadInput
from sweeper.stages.identity import Identities
from sweeper.stages.image_sets import setting_of
from sweeper.stages.training_labels import labelled_set
from sweeper.study.recipes import resolve_recipe
from tasks.label_forms import NO_BOX
from tests.sweeper.examples import real_sweep, sweep_of


def pretrained_on(*tasks: str, **changes: Any) -> dict[str, Any]:
    return real_sweep(pretrain={"tasks": list(tasks)}, **changes)


def test_what_the_tasks_learn_from_is_rendered_unless_the_file_says_what(tmp_path: Path) -> None:
    plain = setting_of(sweep_of(tmp_path, pretrained_on("mulclass", "objdet")), "plain")
    more = setting_of(sweep_of(tmp_path, pretrained_on("objdet", "semseg", "normal")), "plain")

    assert set(plain.labels) == {"classes", "boxes", "masks"}
    assert set(more.labels) == {"classes", "boxes", "masks", "semantic", "normals"}
    posed = setting_of(sweep_of(tmp_path, pretrained_on("keypoint")), "plain")
    assert set(posed.labels) == {"classes", "boxes", "masks", "poses"}
    with pytest.raises(BadInput, match=r"render\.labels: the pre-training tasks need depth; add it"):
        setting_of(sweep_of(tmp_path, pretrained_on("depth", render={"labels": ["classes"]})), "plain")


def test_the_class_aimed_at_is_learnt_where_a_camera_aims_at_one_object(tmp_path: Path) -> None:
    # given the task sinclass, then renders that aim at one object have its label, and others are refused
    for aiming in ({"framing": "object"}, {"appearance": "single"}):
        config = sweep_of(tmp_path, pretrained_on("sinclass", renderings={"plain": aiming}))
        assert set(setting_of(config, "plain").labels) == {"classes", "boxes", "masks", "target"}
    told = "renderings.plain: rendering setting: label target (task sinclass) needs one object that the camera aims at"
    with pytest.raises(BadInput, match=re.escape(told)) as refused:
        setting_of(sweep_of(tmp_path, pretrained_on("sinclass")), "plain")
    assert "\n" not in str(refused.value)
    small = {"renderings": {"plain": {"framing": "object"}}, "render": {"min_visible_px": 100, "resolution": 32}}
    with pytest.raises(BadInput, match="min_visible_px = 100 may leave out the object aimed at; give 20 at most"):
        setting_of(sweep_of(tmp_path, pretrained_on("sinclass", **small)), "plain")


def test_the_prototypes_rendering_can_be_asked_for(tmp_path: Path) -> None:
    plain = {"framing": "object", "look": "hue", "denoise": True, "samples": 4}
    shared = {"resolution": 32, "classes": 20, "max_objects": 5, "poses_per_scene": 5, "samples": 16}
    config = sweep_of(tmp_path, pretrained_on("sinclass", renderings={"plain": plain}, render=shared))

    setting = setting_of(config, "plain")

    # the rendering's own samples go before the shared ones
    assert setting == RenderSetting(
        framing="object",
        look="hue",
        denoise=True,
        samples=4,
        resolution=32,
        poses_per_scene=5,
        labels=("classes", "boxes", "masks", "target"),
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"pretrain": {"tasks": ["objdet"], "backbones": ["vit_s_16"]}},
            "pretrain.backbones: objdet reads maps of several sizes (a feature pyramid) and vit_s_16 has",
        ),
        (
            {"pretrain": {"tasks": ["keypoint"], "backbones": ["vit_s_16"]}},
            "pretrain.backbones: keypoint reads maps of several sizes (a feature pyramid) and vit_s_16 has",
        ),
        (
            {"pretrain": {"tasks": ["keypoint"], "recipe": {"augment": ["flip"]}}},
            "pretrain.recipe: augment has flip, and nothing says which of the keypoints centre, corner_xyz, ",
        ),
        (
            {"pretrain": {"backbones": ["resnet18"]}, "render": {"resolution": 16}},
            "pretrain.backbones: resnet18 needs images of 32 px or more, not 16",
        ),
        (
            {"pretrain": {"tasks": ["semseg"], "workers": 1, "recipe": {"device_batch": 1}}},
            "pretrain.recipe: semseg on small_resnet needs two images of 64 px at a time, for its batch norm; raise",
        ),
        (
            {"finetune": {"tasks": ["normal"], "recipe": {"batch_size": 1, "warmup_images": 0}}},
            "finetune.recipe: normal on small_resnet needs two images of 64 px at a time, for its batch norm; raise",
        ),
        (
            {
                "pretrain": {"backbones": ["resnet18"], "workers": 1, "recipe": {"device_batch": 1}},
                "render": {"resolution": 32},
            },
            "pretrain.recipe: mulclass on resnet18 needs two images of 32 px at a time, for its batch norm; raise",
        ),
        (
            {
                "finetune": {"tasks": ["semseg"], "recipe": {"warmup_images": 0}},
                "tune": {"space": {"device_batch": [1, 8]}},
            },
            "tune.space: semseg on small_resnet needs two images of 64 px at a time, for its batch norm; raise",
        ),
        (
            {"finetune": {"tasks": ["sinclass", "semseg"]}},
            "finetune.tasks: sinclass, semseg learn from different labels; one sweep has one kind",
        ),
        (
            {"pretrain": {"min_workers": 1}},
            "pretrain.min_workers: the model would depend on how many workers there were; add pretrain.recipe.sync",
        ),
        (
            {"finetune": {"tasks": ["objdet"], "dataset": "fashion-mnist"}},
            "finetune.dataset: data set 'fashion-mnist' has class_index labels; the task needs boxes",
        ),
    ],
)
def test_what_cannot_work_together_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        check(sweep_of(tmp_path, real_sweep(**changes)))

    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_real_images_that_say_nothing_are_refused_in_one_line(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    # given maps of one class, and one class of photographs
    for split in ("train", "test"):
        for folder in ("images", "annotations", "one"):
            (tmp_path / folder / split / "only").mkdir(parents=True)
        for name in "abcd":
            Image.fromarray(np.full((32, 32, 3), 9, np.uint8)).save(tmp_path / "images" / split / f"{name}.jpg")
            Image.fromarray(np.full((32, 32), 1, np.uint8)).save(tmp_path / "annotations" / split / f"{name}.png")
            Image.fromarray(np.full((32, 32, 3), 9, np.uint8)).save(tmp_path / "one" / split / "only" / f"{name}.jpg")
    ignored = {"tasks": ["semseg"], "dataset": f"masks:{tmp_path}", "ignore_label": 1}
    single = {"dataset": f"imagefolder:{tmp_path / 'one'}"}

    with pytest.raises(BadInput, match=r"dataset: .*: the training maps show one class at most, by the numbers 1"):
        check(sweep_of(tmp_path, real_sweep(finetune=ignored)))
    with pytest.raises(BadInput, match=r"dataset: .*one has one class; give two or more to be told apart"):
        check(sweep_of(tmp_path, real_sweep(finetune=single)))


def test_the_end_of_a_recipes_name_gives_each_task_its_own() -> None:
    assert resolve_recipe("pretrain", "objdet", {"base": "paper"}, "resnet50").batch_size == 64
    assert resolve_recipe("pretrain", "mulclass", {"base": "paper"}, "resnet50").batch_size == 256
    assert resolve_recipe("pretrain", "objdet", {"base": "pretrain-mulclass-paper"}, "resnet50").batch_size == 256


def test_a_recipe_may_differ_on_one_backbone_and_the_files_own_values_stand(tmp_path: Path) -> None:
    from sweeper.study.arms import Arm

    # the paper's ResNet-152 has half the batch and twice the steps
    large = resolve_recipe("pretrain", "objdet", {"base": "paper"}, "resnet152")
    assert (large.batch_size, large.iterations, large.eval_every) == (32, 450_000, 3_750)
    assert (large.warmup_images, large.lr) == (120_000, 0.02)
    real = resolve_recipe("finetune", "objdet", {"base": "paper"}, "resnet152")
    assert (real.batch_size, real.iterations) == (32, 45_000)
    assert resolve_recipe("pretrain", "objdet", {"base": "paper", "batch_size": 8}, "resnet152").batch_size == 8

    # and the identity of what is trained holds the values that were resolved
    sweep = sweep_of(tmp_path, pretrained_on("objdet"), "pretrain.recipe={base: paper}")
    arms = [Arm("plain", "objdet", backbone, "sinclass") for backbone in ("resnet50", "resnet152")]
    identities = [Identities(sweep).checkpoint(Run(arm.name, 10, 0, 10)) for arm in arms]
    assert [each["recipe"]["iterations"] for each in identities] == [225_000, 450_000]


def test_the_run_folders_config_says_every_recipe_of_every_backbone_once(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, pretrained_on("objdet"), "pretrain.recipe={base: paper}")
    backbones = {"backbones": ("resnet18", "resnet50", "resnet152")}
    sweep = sweep.model_copy(update={"pretrain": sweep.pretrain.model_copy(update=backbones)})

    whole, half, real = recipes_text(sweep).splitlines()

    assert whole.startswith("# pretrain objdet on resnet18, resnet50, as resolved: {")
    assert '"iterations": 225000, "batch_size": 64' in whole
    assert half.startswith("# pretrain objdet on resnet152, as resolved: {")
    assert '"iterations": 450000, "batch_size": 32' in half
    assert real.startswith("# finetune sinclass, as resolved: {")


def test_keys_that_came_later_part_rows_only_where_they_are_set(tmp_path: Path) -> None:
    from sweeper.study.arms import Arm

    arm = Arm("plain", "mulclass", "small_resnet", "sinclass")
    before = Identities(sweep_of(tmp_path, real_sweep())).study(arm)

    for override in (
        "finetune.resolution=48",
        "finetune.balanced=false",
        "finetune.recipe={auxiliary_rate: 2.0}",
        "finetune.recipe={window: 48}",
        "finetune.recipe={decay_norms: false}",
    ):
        assert Identities(sweep_of(tmp_path, real_sweep(), override)).study(arm) != before


def test_rendered_labels_become_what_each_task_learns_from() -> None:
    import numpy as np

    from render_actors.shards.arrays import RenderedArrays

    objects = np.array([[[[0, 0], [1, 3]], [[2, 0], [2, 0]]]], np.uint8)
    semantic = np.array([[[0, 4], [1, 1]]], np.uint8)
    boxes = np.array([[1, 3, 1, 0, 2, 1], [1, 0, 0, 1, 2, 2]], np.int32)
    images, sets = np.zeros((2, 2, 2, 3), np.uint8), np.zeros((2, 4), np.uint8)
    arrays = RenderedArrays(
        images, sets, boxes=boxes, objects=objects.repeat(2, axis=0), semantic=semantic.repeat(2, axis=0)
    )
    names = ("a", "b", "c", "d")

    padded = labelled_set("boxes", arrays, names).labels
    assert padded[0].tolist() == [[NO_BOX] * 5] * 2
    assert padded[1].tolist() == [[3, 1, 0, 2, 1], [0, 0, 1, 2, 2]]
    assert labelled_set("instances", arrays, names).labels[0].tolist() == [[[0, 0], [1, 3]], [[2, 0], [2, 0]]]
    assert labelled_set("semantic", arrays, names).class_names == ("background", *names)


def test_a_rendered_object_becomes_a_row_of_its_class_its_box_and_its_keypoints() -> None:
    import numpy as np

    from render_actors.shards.arrays import RenderedArrays
    from render_actors.shards.keypoints import NAMES, projection

    # given in the second of two images an object of class 1, a cube of side 0.2 m, 1 m before the camera
    matrix = projection(np.column_stack([np.eye(3), (0, 0, 1)]), 0.1, np.array([[80.0, 0, 16], [0, 80, 16], [0, 0, 1]]))
    cube = np.array([(0, 0, 0), *((x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1))], float)
    arrays = RenderedArrays(
        np.zeros((2, 32, 32, 3), np.uint8),
        np.zeros((2, 2), np.uint8),
        boxes=np.array([[1, 1, 8, 8, 24, 24]], np.int32),
        instances=np.zeros((2, 32, 32), np.uint8),
        projections=np.array([[1, *matrix.ravel()]]),
    )

    data = labelled_set("keypoints", arrays, ("a", "b"), np.stack([2 * cube, cube]))

    assert data.keypoint_names == NAMES
    assert set(data.labels[0].ravel()) == {NO_BOX}
    [row] = data.labels[1]
    reach = 80 * 0.1 / 0.9
    assert row[:6].tolist() == pytest.approx([1, *[16 - reach] * 2, *[16 + reach] * 2, (2 * reach) ** 2], rel=1e-6)
    assert row[6:10].tolist() == pytest.approx([16, 16, 2, 0.05])
