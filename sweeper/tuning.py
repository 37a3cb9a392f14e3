"""The fine-tuning learning rate: Optuna proposes, folds of the real training images decide, never the test split."""

from __future__ import annotations

import math
from collections.abc import Iterable

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import Trial, TrialState, create_trial

from sweeper.config import Tune

LR = "lr"

# Optuna learns from the trials that are done: more at a time would be drawn blindly.
MOST_AT_ONCE = 2


class LearningRate:
    """One Optuna study: the learning rate of one arm (or of its reference without pre-training).

    Nothing of it is stored: it is rebuilt from the (learning rate, validation error) rows of the results table.
    """

    def __init__(self, tune: Tune, default: float, tried: Iterable[tuple[float, float]], seed: int) -> None:
        self._tune, self._default = tune, default
        self._space = FloatDistribution(*tune.lr, log=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._seed = seed
        self._study = optuna.create_study()
        self._running: dict[float, Trial] = {}
        tried = list(tried)
        for lr, error in tried:
            if tune.lr[0] <= lr <= tune.lr[1]:
                self._study.add_trial(create_trial(params={LR: lr}, distributions={LR: self._space}, value=error))
        for lr in _first_rates(tune, default):
            if not any(math.isclose(lr, other, rel_tol=1e-6) for other, _ in tried):
                self._study.enqueue_trial({LR: lr})

    @property
    def done(self) -> int:
        """Learning rates tried so far."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    @property
    def remaining(self) -> int:
        """Learning rates still to be tried, those running now included."""
        return max(0, self._tune.trials - self.done)

    def ask(self) -> float | None:
        """The next learning rate to try, or None while enough are running or all are done."""
        running = len(self._running)
        if running >= MOST_AT_ONCE or self.done + running >= self._tune.trials:
            return None
        # A sampler for each trial, so that a resumed study goes on as an undisturbed one would.
        seed = 1000 * self._seed + len(self._study.trials)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=3, constant_liar=True)
        trial = self._study.ask({LR: self._space})
        lr = float(trial.params[LR])
        self._running[lr] = trial
        return lr

    def tell(self, lr: float, error: float) -> None:
        """The validation error of a learning rate."""
        self._study.tell(self._running.pop(lr), error)

    def abandon(self) -> None:
        """Forget the trials that were running: the run they belonged to is gone."""
        for trial in self._running.values():
            self._study.tell(trial, state=TrialState.FAIL)
        self._running = {}

    def best(self) -> float:
        """The learning rate with the lowest validation error; the recipe's own where none was tried."""
        if self.done == 0:
            return self._default
        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        # Of equals the smallest, in whatever order they were told: a resumed sweep must choose the same.
        return float(min((trial.value, trial.params[LR]) for trial in done)[1])


def _first_rates(tune: Tune, default: float) -> list[float]:
    """Where every study begins: the recipe's own rate and both quarters of the range; random ones may coincide."""
    low, high = tune.lr
    quarters = [low ** (1 - share) * high**share for share in (0.25, 0.75)]
    return ([default] if low <= default <= high else []) + quarters
