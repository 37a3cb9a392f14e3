"""Which of the values that were tried are used: ties, and when an arm leaves the values of n = 0."""

from __future__ import annotations

import pytest

from sweeper.config.tune import Tune
from sweeper.search.choice import Settings, Tried, best, choice, is_better

TUNE = Tune.model_validate({"lr": [1e-4, 1e-1], "folds": 3})
OWN = {"lr": 3e-3}


def tried(lr: float, *folds: float, share: float = 1.0) -> Tried:
    return Tried({"lr": lr}, sum(folds) / len(folds), share, folds)


@pytest.mark.parametrize(
    ("rates", "wins"),
    [
        ((1e-2, 3e-3, 1e-3), 3e-3),
        # on the scale of the range, which is logarithmic
        ((4e-4, 1.5e-2), 1.5e-2),
        ((1e-2, 5e-4), 1e-2),
        # as near as each other: the lower
        ((9e-3, 1e-3), 1e-3),
    ],
)
def test_of_equals_the_recipes_own_wins_then_the_nearest_to_it(rates: tuple[float, ...], wins: float) -> None:
    for order in (rates, rates[::-1]):
        assert choice(TUNE, OWN, [tried(lr, 0.2, 0.3) for lr in order], None) == {"lr": wins}


def test_means_that_differ_in_their_last_digit_are_equal() -> None:
    first, second = tried(1e-2, 0.1, 0.2, 0.3), tried(3e-3, 0.3, 0.2, 0.1)
    assert first.error != second.error

    assert choice(TUNE, OWN, [first, second], None) == OWN


def test_nearest_counts_a_changed_choice_as_the_whole_of_a_range() -> None:
    tune = Tune.model_validate({"space": {"lr": [1e-4, 1e-1], "augment": {"choices": [[], ["flip"]]}}})
    own: Settings = {"lr": 1e-4, "augment": ("flip",)}
    ends = [Tried({"lr": 5e-2, "augment": ["flip"]}, 0.2), Tried({"lr": 1e-4, "augment": []}, 0.2)]

    won = best(tune, own, ends)

    assert won is not None
    assert won.settings == {"lr": 5e-2, "augment": ["flip"]}


def test_what_was_tried_to_its_end_and_erred_least_is_chosen_where_there_is_nothing_common() -> None:
    trials = [tried(3e-3, 0.3), tried(1e-2, 0.2), tried(2e-2, 0.1, share=0.5)]

    assert choice(TUNE, OWN, trials, None) == {"lr": 1e-2}
    assert choice(TUNE, OWN, trials[2:], None) == OWN


@pytest.mark.parametrize(
    ("common", "own", "leaves"),
    [
        ((0.30, 0.32, 0.31), (0.20, 0.23, 0.21), True),
        # better by luck: on one fold of three
        ((0.30, 0.32, 0.31), (0.10, 0.32, 0.31), False),
        # as much better on each fold
        ((0.50, 0.25, 0.75), (0.25, 0.00, 0.50), True),
        # two folds show nothing
        ((0.30, 0.32), (0.20, 0.22), False),
    ],
)
def test_an_arm_leaves_the_common_values_where_its_folds_show_better_ones(
    common: tuple[float, ...], own: tuple[float, ...], leaves: bool
) -> None:
    chosen = choice(TUNE, OWN, [tried(1e-2, *common), tried(1e-3, *own)], {"lr": 1e-2})

    assert chosen == {"lr": 1e-3 if leaves else 1e-2}


def test_common_values_that_were_stopped_early_or_not_tried_are_kept() -> None:
    better = tried(1e-3, 0.10, 0.11, 0.12)

    assert choice(TUNE, OWN, [better, tried(1e-2, 0.5, share=0.25)], {"lr": 1e-2}) == {"lr": 1e-2}
    assert choice(TUNE, OWN, [better], {"lr": 1e-2}) == {"lr": 1e-2}


def test_the_test_is_one_sided_at_five_percent() -> None:
    # t = mean / (sd / sqrt(3)) of the gains; its 95 % point with two degrees of freedom is 2.920
    zeros = (0.0, 0.0, 0.0)
    gains = {t: tuple(t / 3**0.5 + each for each in (-1.0, 0.0, 1.0)) for t in (2.91, 2.93, -5.0)}

    assert [is_better(zeros, gains[t]) for t in (2.91, 2.93, -5.0)] == [False, True, False]
