"""Which trials of a tuning are stopped early, and which fine-tunes never are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.search.searcher import EarlyStop
from sweeper.stages.finetune import Looks
from sweeper.stages.identity import Split, Trial

ARM = "plain/mulclass/small_resnet/sinclass"
OTHER = "fixed/mulclass/small_resnet/sinclass"


@dataclass
class Tuned:
    """As much of Tune's trial as its schedulers look at."""

    trial_id: str
    config: dict[str, Any] = field(default_factory=dict)


def trial(name: str, arm: str = ARM, split: Split = "validation", n: int = 100) -> Tuned:
    return Tuned(name, {"trial": Trial(Run(arm, n, 0), 0, {"lr": 0.1}, split, None).text})


def told(scheduler: EarlyStop, tuned: Tuned, error: float, percent: int = 25) -> str:
    """What the scheduler answers to a look at a trial."""
    return scheduler.on_trial_result(None, tuned, {"error": error, "percent": percent})


@pytest.fixture
def scheduler() -> EarlyStop:
    return EarlyStop()


def entered(scheduler: EarlyStop, *trials: Tuned) -> None:
    for each in trials:
        scheduler.on_trial_add(None, each)


def test_the_worse_half_stops_at_a_quarter_and_the_better_goes_on(scheduler: EarlyStop) -> None:
    trials = {name: trial(name) for name in "abcd"}
    entered(scheduler, *trials.values())

    answers = {
        name: told(scheduler, trials[name], error) for name, error in zip("abcd", (0.4, 0.5, 0.3, 0.6), strict=True)
    }

    assert answers == {"a": "CONTINUE", "b": "STOP", "c": "CONTINUE", "d": "STOP"}
    # and again at half
    assert told(scheduler, trials["c"], 0.2, percent=50) == "CONTINUE"
    assert told(scheduler, trials["a"], 0.3, percent=50) == "STOP"


def test_trials_of_other_arms_and_sizes_are_no_rivals(scheduler: EarlyStop) -> None:
    good, elsewhere, larger = trial("a"), trial("b", OTHER), trial("c", n=200)
    entered(scheduler, good, elsewhere, larger)

    assert told(scheduler, good, 0.1) == "CONTINUE"
    assert told(scheduler, elsewhere, 0.9) == "CONTINUE"
    assert told(scheduler, larger, 0.9) == "CONTINUE"


def test_fine_tunes_on_the_test_split_are_never_stopped(scheduler: EarlyStop) -> None:
    tried, tested = trial("a"), trial("b", split="test")
    entered(scheduler, tried, tested)

    assert told(scheduler, tried, 0.1) == "CONTINUE"
    assert told(scheduler, tested, 0.9, percent=100) == "CONTINUE"


@pytest.mark.parametrize(
    ("iterations", "folds", "percents"),
    [(100, 2, [25, 50, 75]), (100, 3, [25, 33, 58, 67, 92]), (10, 5, [20, 40, 60, 80])],
)
def test_a_trial_tells_how_it_gets_on_fold_after_fold(iterations: int, folds: int, percents: list[int]) -> None:
    heard: list[tuple[float, int]] = []
    looks = Looks(iterations, folds, lambda error, percent: heard.append((error, percent)))

    for fold in range(folds):
        for step in [*range(looks.every, iterations, looks.every), iterations]:
            looks(step, metric=0.5 + 0.1 * fold)
        looks.take(0.5 - 0.1 * fold)

    assert [percent for _, percent in heard] == percents
    assert heard[0][0] == pytest.approx(0.5)
    assert heard[-1][0] < 0.5, "the mean over the folds so far"
