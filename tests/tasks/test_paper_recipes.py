"""docs/reference/recipes.md sets the paper's appendix A beside its keys: what it says is what the recipes hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from pydantic import TypeAdapter

from sweeper.config.schema import SweepConfig
from tasks.recipes.recipe import Recipe
from tasks.recipes.registry import recipe, recipe_names

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "recipes.md").read_text()
# stage, task, backbone ("" = any), key -> value
Said = dict[tuple[str, str, str, str], Any]


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the first table under a heading, its header first, without the rule."""
    lines = TEXT[TEXT.index(heading) :].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    for line in lines[first:]:
        if not line.startswith("|"):
            return
        if not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def said() -> Said:
    (_, _, _, *titles), *lines = rows("## Appendix A")
    tasks = [re.findall(r"`(\w+)`", title)[0] for title in titles]
    types, found = get_type_hints(Recipe), Said()
    for _, stage, where, *cells in lines:
        key, *backbone = re.findall(r"`(\w+)`", where)
        for task, cell in zip(tasks, cells, strict=True):
            if not cell:
                continue
            written = re.fullmatch(r"`(.+)` (said|table|open|ours)", cell)
            assert written, f"{key}, {task}: {cell!r}"
            value = TypeAdapter(types[key]).validate_python(yaml.safe_load(written[1]))
            for each in ("pretrain", "finetune") if stage == "both" else (stage,):
                found[each, task, "".join(backbone), key] = value
    return found


SAID = said()
OF_PAPER = [
    (stage, task)
    for stage in ("pretrain", "finetune")
    for task in ("objdet", "semseg", "mulclass", "sinclass", "normal")
    if f"{stage}-{task}-paper" in recipe_names()
]


@pytest.mark.parametrize(("stage", "task"), OF_PAPER)
def test_a_recipe_is_what_the_table_says_and_nothing_else(stage: str, task: str) -> None:
    for backbone in ("resnet50", "resnet152"):
        built = recipe(f"{stage}-{task}-paper", backbone)
        for field in fields(Recipe):
            plain = SAID.get((stage, task, "", field.name), field.default)
            wanted = SAID.get((stage, task, backbone, field.name), plain)
            assert wanted is not MISSING, f"no line says {field.name} of {stage}-{task}"
            assert getattr(built, field.name) == wanted, f"{stage}-{task} on {backbone}: {field.name}"


def test_the_table_speaks_of_every_task_of_the_paper_and_of_what_one_backbone_has_of_its_own() -> None:
    assert {key[:2] for key in SAID} >= set(OF_PAPER)
    assert {key[3] for key in SAID if key[2]} == {"batch_size", "iterations", "eval_every"}


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("backbone", ["resnet50", "resnet152"])
def test_tasks_that_the_paper_does_not_have_are_trained_as_those_that_it_has(stage: str, backbone: str) -> None:
    def of(task: str) -> Recipe:
        return recipe(f"{stage}-{task}-paper", backbone)

    assert of("insseg") == of("objdet")
    assert of("keypoint") == replace(of("objdet"), augment=() if stage == "pretrain" else ("flip",))
    assert of("depth") == of("normal")


def test_a_backbone_with_half_the_batch_sees_as_many_images_and_warms_up_over_as_many() -> None:
    for stage, images, warm_up in (("pretrain", 14_400_000, 3_750), ("finetune", 1_440_000, 3_750)):
        small, large = (recipe(f"{stage}-objdet-paper", backbone) for backbone in ("resnet50", "resnet152"))
        assert small.iterations * small.batch_size == large.iterations * large.batch_size == images
        assert large.warmup_images / large.batch_size == warm_up
        assert large.lr_at(warm_up) == pytest.approx(0.02, rel=1e-3)


def test_the_keys_of_section_4_1_are_keys_of_a_sweep_file() -> None:
    named = [key for _, keys, *_ in list(rows("## Section 4.1"))[1:] for key in re.findall(r"`([\w.]+)`", keys)]

    assert len(named) > 8
    for section, key in (name.split(".") for name in named):
        model = SweepConfig.model_fields[section].annotation
        assert key in model.model_fields, f"{section}.{key}"  # type: ignore[union-attr]
