"""The shipped sweeps compare like with like: n = 0 is fine-tuned by the recipe, and for the steps, of every n."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.config.load import load_config
from sweeper.stages.identity import Identities, Trial
from sweeper.study.arms import make_plan
from sweeper.study.steps import with_steps

CONFIGS = Path(__file__).parents[3] / "configs"
# Those of the paper have the paper's lengths; prices are no sweep.
SHIPPED = sorted(set(CONFIGS.glob("*.yaml")) - {CONFIGS / "prices.yaml"})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_no_pre_training_is_fine_tuned_by_the_recipe_and_for_the_steps_of_every_size(path: Path) -> None:
    config = load_config(path)
    plan = make_plan(config)
    # And where the sweep chooses the steps: whatever it chose.
    chosen = [with_steps(config, steps) for steps in config.tune.iterations or ()]

    for each in (config, *chosen):
        identities = Identities(each)
        for arm in (*plan.arms, *plan.controls):
            runs = [plan.run(plan.reference(arm), 0, each.seed), *(plan.run(arm, n, each.seed) for n in plan.choices)]
            trained = [identities.finetune(Trial(run, 0, {}, "test", None))["recipe"] for run in runs]
            assert all(recipe == trained[0] for recipe in trained), arm.name

    # Each arm may leave the values that n = 0 was tuned to: how long it learns is none of them.
    assert not config.tune.space.keys() & {"iterations", "batch_size"}


def test_every_shipped_sweep_is_looked_at() -> None:
    assert {"quickstart", "reality", "evidence"} <= {path.stem for path in SHIPPED}


def test_imagenet_in_the_papers_sweeps_is_whole_as_the_table_of_recipes_says() -> None:
    shipped = [load_config(path).finetune for path in CONFIGS.glob("paper/*.yaml")]
    named = [each for each in shipped if each.dataset == "imagenet"]
    assert len(named) == 3
    assert {(each.resolution, each.fit) for each in named} == {(512, "letterbox")}
