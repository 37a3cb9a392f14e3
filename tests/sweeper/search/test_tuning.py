"""What is tuned, in what order, when it is frozen; and that it is rebuilt from the rows of the results table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from sweeper.commands.check import check_space
from sweeper.config.tune import Tune, spelled
from sweeper.errors import BadInput
from sweeper.search.choice import Settings, Tried
from sweeper.search.tuning import Tuning
from tests.sweeper.examples import real_sweep, sweep_of

TUNE = Tune.model_validate({"lr": [1e-4, 1e-1], "trials": 4})
DEFAULT = {"lr": 2e-3}
MANY = Tune.model_validate(
    {
        "space": {
            "lr": [1e-4, 1e-1],
            "iterations": [50, 800],
            "momentum": {"low": 0.5, "high": 0.99, "log": False},
            "augment": {"choices": [[], ["flip"], ["flip", "crop"]]},
            "scale_jitter": {"choices": [[1.0, 1.0], [0.5, 2.0]]},
        },
        "trials": 12,
    }
)
MANY_DEFAULT = {"lr": 2e-3, "iterations": 100, "momentum": 0.9, "augment": ("flip",), "scale_jitter": (1.0, 1.0)}

# so many keys that not all combinations of their ends can be looked at
WIDE = {
    "lr": [1e-4, 1e-1],
    "weight_decay": [1e-3, 1e-1],
    "iterations": [200, 400],
    "warmup_images": [1, 64],
    "auxiliary_rate": [1, 10],
    "device_batch": [1, 8],
    "channels_last": {"choices": [True, False]},
    "schedule": {"choices": ["cosine", "poly"]},
}


def off(settings: Settings) -> float:
    """A validation error that is lowest at 1e-2."""
    return abs(math.log(settings["lr"] / 1e-2))


def tune_to_the_end(tuning: Tuning) -> list[Settings]:
    """The values that are asked for, one after the other."""
    asked = []
    while (settings := tuning.ask()) is not None:
        asked.append(settings)
        tuning.tell(Tried(settings, off(settings)))
    return asked


def test_the_recipes_own_value_is_tried_first_and_kept_where_none_was_tried() -> None:
    tuning = Tuning(TUNE, DEFAULT, [], seed=0)

    assert tuning.choice() == DEFAULT
    assert tuning.ask() == DEFAULT


@pytest.mark.parametrize("seed", [0, 20261123, 2**32 - 1])
def test_values_differ_stay_in_range_and_end_after_the_agreed_number(seed: int) -> None:
    tuning = Tuning(TUNE, DEFAULT, [], seed=seed)

    asked = tune_to_the_end(tuning)

    rates = [settings["lr"] for settings in asked]
    assert len(set(rates)) == 4
    assert all(1e-4 <= lr <= 1e-1 for lr in rates)
    assert max(rates) / min(rates) > 10, "the range is looked at from end to end"
    assert (tuning.done, tuning.remaining) == (4, 0)
    assert tuning.choice() == min(asked, key=off)


def test_any_recipe_value_can_be_tuned_and_keeps_its_type() -> None:
    tuning = Tuning(MANY, MANY_DEFAULT, [], seed=0)

    asked = tune_to_the_end(tuning)

    assert spelled(asked[0]) == spelled(MANY_DEFAULT)
    assert all(isinstance(settings["iterations"], int) for settings in asked)
    assert all(50 <= s["iterations"] <= 800 and 0.5 <= s["momentum"] <= 0.99 for s in asked)
    assert {str(settings["augment"]) for settings in asked} > {"[]"}, "choices may be lists"
    assert {tuple(settings["scale_jitter"]) for settings in asked} == {(1.0, 1.0), (0.5, 2.0)}, "of numbers, too"
    assert spelled(tuning.choice()) == spelled(min(asked, key=off))


def test_optuna_finds_a_better_value_than_the_recipes_own() -> None:
    tuning = Tuning(TUNE.model_copy(update={"trials": 12}), {"lr": 1e-4}, [], seed=0)

    tune_to_the_end(tuning)

    assert off(tuning.choice()) < 0.3 < off({"lr": 1e-4})


def test_no_more_than_two_values_are_tried_at_a_time() -> None:
    tuning = Tuning(TUNE, DEFAULT, [], seed=0)

    first, second, third = tuning.ask(), tuning.ask(), tuning.ask()

    assert first is not None
    assert second is not None
    assert third is None
    assert tuning.remaining == 4, "none of them is finished"
    tuning.tell(Tried(first, 0.5))
    assert tuning.ask() not in (None, first, second)


def test_a_trial_that_was_stopped_early_counts_and_is_never_chosen() -> None:
    tuning = Tuning(TUNE, DEFAULT, [], seed=0)
    first, second = tuning.ask(), tuning.ask()
    assert first is not None
    assert second is not None

    tuning.tell(Tried(first, 0.5))
    tuning.tell(Tried(second, 0.4, share=0.25))

    assert (tuning.done, tuning.remaining) == (2, 2)
    assert tuning.choice() == first
    again = Tuning(TUNE, DEFAULT, [Tried(first, 0.5), Tried(second, 0.4, share=0.25)], seed=0)
    assert (again.done, again.choice(), again.ask()) == (2, first, tuning.ask())


def test_what_is_running_is_not_proposed_again_where_there_are_few_choices() -> None:
    few = Tune.model_validate({"space": {"optimizer": {"choices": ["adamw", "sgd"]}}, "trials": 6})
    tuning = Tuning(few, {"optimizer": "adamw"}, [], seed=0)

    for _ in range(30):
        running = [settings for _ in range(4) if (settings := tuning.ask()) is not None]
        assert len(running) == len({spelled(settings) for settings in running})
        for settings in running:
            tuning.tell(Tried(settings, 0.5))

    assert tuning.remaining == 0


def test_rebuilt_from_its_rows_it_goes_on_where_it_was() -> None:
    tuning = Tuning(TUNE, DEFAULT, [Tried(DEFAULT, 0.5), Tried({"lr": 7e-3}, 0.3)], seed=0)

    assert (tuning.done, tuning.remaining, tuning.choice()) == (2, 2, {"lr": 7e-3})
    assert tuning.ask() != DEFAULT


@pytest.mark.parametrize("settings", [{"lr": 0.5}, {"momentum": 0.9}, {}])
def test_rows_outside_the_space_that_is_tuned_now_do_not_count(settings: dict[str, Any]) -> None:
    assert Tuning(TUNE, DEFAULT, [Tried(settings, 0.1)], seed=0).done == 0


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_rebuilt_from_its_rows_it_asks_for_what_it_would_have_asked_for(finished: int) -> None:
    asked = tune_to_the_end(Tuning(TUNE, DEFAULT, [], seed=0))

    rebuilt = Tuning(TUNE, DEFAULT, [Tried(settings, off(settings)) for settings in asked[:finished]], seed=0)

    assert [settings["lr"] for settings in tune_to_the_end(rebuilt)] == pytest.approx(
        [settings["lr"] for settings in asked[finished:]]
    )


def test_the_default_is_tried_even_where_another_value_was_finished_before_a_kill() -> None:
    assert Tuning(TUNE, DEFAULT, [Tried({"lr": 7e-3}, 0.3)], seed=0).ask() == DEFAULT


def test_trials_of_a_run_that_is_gone_are_asked_for_again() -> None:
    tuning = Tuning(TUNE, DEFAULT, [], seed=0)
    while tuning.ask() is not None:
        pass

    tuning.abandon()

    assert tuning.ask() is not None
    assert tuning.done == 0


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"learning_rate": [0.1, 0.2]}, r"tune\.space: finetune\.recipe: unknown key learning_rate"),
        ({"base": {"choices": ["quick", "paper"]}}, r"tune\.space: base names a whole recipe"),
        ({"lr": {"choices": [True, 0.1]}}, r"tune\.space: finetune\.recipe\.lr: a number is needed, not yes or no"),
        ({"scale_jitter": {"choices": [[1, 1], [2, 0.5]]}}, r"tune\.space: .*scale_jitter is least and most"),
        ({"optimizer": {"choices": ["sgd", "adam"]}}, r"tune\.space: finetune\.recipe\.optimizer"),
        ({"momentum": {"low": 0.5, "high": 1.0}}, r"tune\.space: .*momentum must lie in \[0, 1\)"),
        ({"augment": {"choices": [["flip"], ["flop"]]}} | WIDE, r"tune\.space: finetune\.recipe\.augment"),
        ({"lr": [0.1, 0.2], "iterations": [1, 400]}, r"tune\.space: .*warmup_images is longer than the whole training"),
    ],
)
def test_values_that_the_recipe_refuses_are_refused_before_anything_is_spent(
    tmp_path: Path, space: dict[str, Any], said: str
) -> None:
    config = sweep_of(tmp_path, real_sweep(tune={"space": space}))

    with pytest.raises(BadInput, match=said):
        check_space(config, "sinclass")


@pytest.mark.parametrize(
    ("space", "trials", "made"),
    [
        ({"lr": {"choices": [1e-3, 1e-2]}}, 10, 2),
        ({"lr": {"choices": [1e-3, 0.001, 1e-2]}}, 10, 2),
        ({"lr": {"choices": [1e-3, 1e-2]}, "iterations": {"choices": [50, 100, 200]}}, 10, 6),
        ({"lr": {"choices": [1e-3, 1e-2]}, "iterations": {"choices": [50, 100, 200]}}, 5, 5),
        ({"lr": {"choices": [1e-3, 1e-2]}, "momentum": [0.5, 0.9]}, 10, 10),
    ],
)
def test_no_combination_is_tried_twice_and_the_recipes_own_comes_first(
    space: dict[str, Any], trials: int, made: int
) -> None:
    """Given few choices and many trials, each combination is tried once, the recipe's own first, resumed or not."""
    tune = Tune.model_validate({"space": space, "trials": trials})
    default = {key: value for key, value in {"lr": 1e-2, "iterations": 100, "momentum": 0.9}.items() if key in space}

    asked = tune_to_the_end(Tuning(tune, default, [], seed=0))
    resumed = Tuning(tune, default, [Tried(each, off(each)) for each in asked[:1]], seed=0)

    assert tune.trials_made == made
    assert len({spelled(each) for each in asked}) == len(asked) == made
    assert asked[0] == default
    assert resumed.remaining == made - 1
    assert len(tune_to_the_end(resumed)) == made - 1
