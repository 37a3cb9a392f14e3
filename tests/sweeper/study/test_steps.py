"""How many steps are enough: paired over folds, for n = 0 and a large n, and the larger for all."""

from __future__ import annotations

from statistics import fmean

from sweeper.study.steps import StepsTried, choose, chosen_in, enough_for

NONE, ARM = "none/none/small_resnet/sinclass", "plain/mulclass/small_resnet/sinclass"


def tried(arm: str, n: int, **folds: list[float]) -> list[StepsTried]:
    """By the name `_STEPS` the errors on the folds."""
    return [
        StepsTried(arm, n, int(name.lstrip("_")), fmean(errors), tuple(errors), 1.0) for name, errors in folds.items()
    ]


def test_the_fewest_steps_that_no_fold_tells_from_the_best_are_enough() -> None:
    # given 600 steps that are as good as 1,200 but for the folds' noise, and 300 that are worse on every fold
    none = tried(NONE, 0, _300=[0.60, 0.52, 0.56], _600=[0.50, 0.43, 0.48], _1200=[0.51, 0.42, 0.47])

    assert enough_for(none) == {(NONE, 0): 600}


def test_folds_that_differ_from_each_other_hide_no_difference_that_all_of_them_show() -> None:
    # given folds that are 20 points apart, on each of which the longer training gains a point
    none = tried(NONE, 0, _300=[0.41, 0.511, 0.609], _600=[0.40, 0.50, 0.60])

    assert enough_for(none) == {(NONE, 0): 600}


def test_all_runs_have_the_larger_of_what_none_and_pre_training_take() -> None:
    none = tried(NONE, 0, _300=[0.60, 0.52, 0.56], _600=[0.50, 0.43, 0.48], _1200=[0.52, 0.44, 0.48])
    best_early = tried(ARM, 4000, _300=[0.40, 0.33, 0.38], _600=[0.41, 0.34, 0.38], _1200=[0.42, 0.36, 0.39])

    choice = choose([*none, *best_early])

    assert enough_for(choice.tried) == {(NONE, 0): 600, (ARM, 4000): 300}
    assert choice.iterations == 600
    assert f"600 for n = 0 of {NONE} and 300 for n = 4,000 of {ARM} are enough" in choice.reason
    assert "more were not tried" not in choice.reason


def test_where_the_most_that_was_tried_is_the_best_the_reason_says_that_more_was_not() -> None:
    choice = choose(tried(NONE, 0, _300=[0.6, 0.5, 0.55], _600=[0.4, 0.3, 0.36]))

    assert choice.iterations == 600
    assert choice.reason.endswith("; more were not tried")


def test_a_training_that_diverged_is_never_enough() -> None:
    assert choose(tried(NONE, 0, _300=[1.0, 1.0, 1.0], _600=[0.4, 0.3, 0.36])).iterations == 600


def test_what_was_chosen_is_read_back_for_the_same_photographs_and_recipe_alone() -> None:
    choice = choose(tried(NONE, 0, _300=[0.6, 0.5, 0.55], _600=[0.4, 0.3, 0.36]))
    log = [{"step": 1, "arm": ARM}, choice.event("mine")]

    assert chosen_in(log, "mine") == choice
    assert chosen_in(log, "another") is None
