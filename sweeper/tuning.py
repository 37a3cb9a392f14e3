"""The fine-tuning learning rate: Optuna proposes, folds of the real training images decide, never the test split."""

from __future__ import annotations

from collections.abc import Iterable

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import Trial, TrialState, create_trial

from sweeper.config import Tune

LR = "lr"


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
        for lr, error in tried:
            if tune.lr[0] <= lr <= tune.lr[1]:
                self._study.add_trial(create_trial(params={LR: lr}, distributions={LR: self._space}, value=error))
        if tune.lr[0] <= default <= tune.lr[1] and default not in [t.params[LR] for t in self._study.trials]:
            self._study.enqueue_trial({LR: default})

    @property
    def done(self) -> int:
        """Learning rates tried so far."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    @property
    def remaining(self) -> int:
        """Learning rates still to be tried, those running now included."""
        return max(0, self._tune.trials - self.done)

    def ask(self) -> float | None:
        """The next learning rate to try, or None while the last ones run or all are done."""
        if self.done + len(self._running) >= self._tune.trials:
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
        return float(self._study.best_params[LR])
