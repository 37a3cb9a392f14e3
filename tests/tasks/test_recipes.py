"""Recipes are plain data that refuse what cannot be trained."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from tasks.base import task_names
from tasks.recipes.recipe import Recipe
from tasks.recipes.registry import recipe, recipe_names

PLAIN = Recipe(iterations=100, batch_size=10, lr=0.1, warmup_images=200)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": 0}, "iterations must be a whole number of at least 1"),
        ({"lr": float("nan")}, "lr must be positive"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam'; known: adamw, sgd"),
        ({"augment": ("flipp",)}, "unknown augmentation 'flipp'; known: flip, crop, colour, grey, resized_crop"),
        ({"warmup_images": 1001}, "warmup_images is longer than the whole training"),
        ({"scale_jitter": (2.0, 0.5)}, "scale_jitter is least and most"),
        ({"auxiliary_rate": 0.0}, "auxiliary_rate must be positive"),
        ({"nesterov": True}, "nesterov is a kind of momentum; set optimizer sgd"),
        ({"smallest_crop": 1.0}, "smallest_crop is a share of the image's side in "),
        ({"window": -1}, "window must be a whole number of at least 0"),
        ({"shorter_edge": (0, 40), "eval_shorter_edge": 20}, "shorter_edge is least and most in px, from 1 on"),
        ({"shorter_edge": (20, 40)}, "shorter_edge needs eval_shorter_edge"),
        ({"eval_window": 20}, "eval_window is cut from a photograph of eval_shorter_edge px"),
        ({"stretch": True, "eval_shorter_edge": 20}, "stretch and eval_shorter_edge both say what is evaluated"),
        (
            {"stretch": True, "augment": ("resized_crop",)},
            "augment resized_crop and stretch, crop or scale_jitter both",
        ),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PLAIN, **change)


def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_zero() -> None:
    rates = [PLAIN.lr_at(step) for step in range(100)]

    assert rates[0] == pytest.approx(0.1 / 20)
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) in (19, 20)
    assert rates[-1] < 1e-4


def test_a_constant_schedule_stays_and_a_polynomial_one_ends_low() -> None:
    assert replace(PLAIN, schedule="constant").lr_at(99) == pytest.approx(0.1)
    assert replace(PLAIN, schedule="poly", warmup_images=0).lr_at(50) == pytest.approx(0.1 * 0.5**0.9)


def test_every_named_recipe_can_be_written_into_an_identity() -> None:
    for name in recipe_names():
        assert json.loads(json.dumps(asdict(recipe(name))))["iterations"] > 0


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="known recipes: pretrain-mulclass-quick, pretrain-sinclass-quick"):
        recipe("best")


def test_every_task_has_a_paper_recipe_and_a_quick_one_for_each_stage_it_takes_part_in() -> None:
    for name in task_names():
        stages = ("finetune",) if name == "sinclass" else ("pretrain", "finetune")
        for stage in stages:
            quick, full = recipe(f"{stage}-{name}-quick"), recipe(f"{stage}-{name}-paper")
            assert quick.iterations * quick.batch_size < full.iterations * full.batch_size / 10
            assert (full.optimizer, full.momentum, full.weight_decay) == ("sgd", 0.9, 1e-4)
            assert full.sync_batch_norm
            assert (full.eval_every > 0) == (stage == "pretrain"), "the last iterate of a fine-tune counts"


def test_what_a_long_enough_recipe_sees_is_eight_passes_of_the_largest_set_it_was_measured_on() -> None:
    pretrained, photographs = recipe("pretrain-sinclass-quick"), recipe("finetune-sinclass-small-photographs")

    assert pretrained.iterations * pretrained.batch_size == 128_000 == 8 * 16_000
    assert "grey" in pretrained.augment
    assert "grey" not in photographs.augment, "a photograph's colour tells its class"
    assert pretrained.smallest_crop == photographs.smallest_crop == 0.6
    assert photographs.iterations * photographs.batch_size == 9_600
