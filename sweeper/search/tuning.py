"""Tuning of recipe values: Optuna proposes, folds of the real training images decide, never the test split."""

import json
from collections.abc import Iterable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sweeper.config.tune import Space, Tune, spelled
from sweeper.search.choice import Settings, Tried, choice

# Optuna learns from the trials that are done: more at a time would be drawn blindly.
MOST_AT_ONCE = 2


_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class Tuning:
    """One Optuna study: recipe values of one arm, at one size where each is tuned for itself.

    `default`: the recipe's own values of the same keys. `settled`: values that runs were fine-tuned with already, and
    that stand whatever is tried from now on. Nothing of it is stored: it is rebuilt from the rows of the results table.
    """

    def __init__(
        self, tune: Tune, default: Settings, tried: Iterable[Tried], seed: int, settled: Settings | None = None
    ) -> None:
        self._tune, self._default, self._seed, self._settled = tune, default, seed, settled
        self._space = {key: _distribution(space, default[key]) for key, space in tune.space.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study()
        self._running: dict[str, Trial] = {}
        self._tried = [each for each in tried if self._holds(each.settings)]
        for each in self._tried:
            self._study.add_trial(self._past(each))
        self._common: Settings | None = None
        self.follows = self._begun = False

    def follow(self, common: Settings | None) -> None:
        """Begin with the values of n = 0, so that its own can be compared with them; None where it stands alone."""
        self._common, self.follows = common, True

    @property
    def done(self) -> int:
        """Trials that ended, early or not."""
        return len(self._study.get_trials(deepcopy=False, states=_DONE))

    @property
    def remaining(self) -> int:
        """Trials still to come, those running now included."""
        return max(0, self._tune.trials_made - self.done)

    def ask(self) -> Settings | None:
        """The next recipe values to try, or None while enough are running or all are done."""
        self._begin()
        running = len(self._running)
        if running >= MOST_AT_ONCE or self.done + running >= self._tune.trials_made:
            return None
        # A sampler for each trial, so that a resumed study goes on as an undisturbed one would.
        seed = (1000 * self._seed + len(self._study.trials)) % 2**32
        startup = 1 + 2 * len(self._space)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)
        trial, settings = self._proposed(seed)
        if spelled(settings) in self._running:
            # Where there are few choices, what is running may be proposed again: wait for it.
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        self._running[spelled(settings)] = trial
        return settings

    def _proposed(self, seed: int) -> tuple[Trial, Settings]:
        """What Optuna proposes; of few choices, where it proposes what was tried already, one that was not."""
        trial = self._study.ask(self._space)
        settings, known = self._decoded(trial.params), {spelled(each.settings) for each in self._tried}
        if spelled(settings) in known:
            left = [each for each in self._tune.combinations or () if spelled(each) not in known | self._running.keys()]
            if left:
                self._study.tell(trial, state=TrialState.FAIL)
                self._study.enqueue_trial(self._encoded(left[seed % len(left)]))
                trial = self._study.ask(self._space)
                settings = self._decoded(trial.params)
        return trial, settings

    def tell(self, tried: Tried) -> None:
        """What came of values that were asked for."""
        trial = self._running.pop(spelled(tried.settings))
        self._tried.append(tried)
        if tried.share < 1:
            trial.report(tried.error, _percent(tried))
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, tried.error)

    def abandon(self) -> None:
        """Forget the trials that were running: the run they belonged to is gone."""
        for trial in self._running.values():
            self._study.tell(trial, state=TrialState.FAIL)
        self._running = {}

    def choice(self) -> Settings:
        """The values that runs are fine-tuned with, once all trials are done (`sweeper.search.choice`)."""
        if self._settled is not None:
            return self._settled
        return choice(self._tune, self._default, self._tried, self._common)

    def _begin(self) -> None:
        """Line up the values that every study begins with, but for those that were tried before."""
        if self._begun:
            return
        self._begun = True
        known = {spelled(each.settings) for each in self._tried}
        for settings in _first(self._tune, self._default, self._common):
            if self._holds(settings) and spelled(settings) not in known:
                self._study.enqueue_trial(self._encoded(settings))
                known.add(spelled(settings))

    def _past(self, tried: Tried) -> FrozenTrial:
        params = self._encoded(tried.settings)
        if tried.share == 1:
            return create_trial(params=params, distributions=self._space, value=tried.error)
        values = {_percent(tried): tried.error}
        return create_trial(
            state=TrialState.PRUNED, params=params, distributions=self._space, intermediate_values=values
        )

    def _holds(self, settings: Settings) -> bool:
        """Whether these values lie in the space."""
        if settings.keys() != self._space.keys():
            return False
        return all(_inside(self._space[key], value) for key, value in self._encoded(settings).items())

    def _encoded(self, settings: Settings) -> Settings:
        """As Optuna keeps them: choices as JSON, because they may be lists; a recipe's 1.0 is the choice 1."""
        space = self._tune.space
        return {k: v if (of := space[k].choices) is None else _chosen(of, v) for k, v in settings.items()}

    def _decoded(self, params: Settings) -> Settings:
        return {k: json.loads(v) if self._tune.space[k].choices is not None else v for k, v in params.items()}


def _chosen(choices: tuple[Any, ...], value: Any) -> str:
    """A choice as Optuna keeps it."""
    same = (each for each in choices if each == value and isinstance(each, bool) == isinstance(value, bool))
    return json.dumps(next(same, value))


def _percent(tried: Tried) -> int:
    return round(100 * tried.share)


def _distribution(space: Space, default: Any) -> BaseDistribution:
    """A range of whole numbers where the recipe's own value is one."""
    if space.choices is not None:
        return CategoricalDistribution([json.dumps(choice) for choice in space.choices])
    assert space.low is not None
    assert space.high is not None
    if isinstance(default, int):
        return IntDistribution(round(space.low), round(space.high), log=space.is_log)
    return FloatDistribution(space.low, space.high, log=space.is_log)


def _inside(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return bool(distribution.low <= value <= distribution.high)


def _first(tune: Tune, default: Settings, common: Settings | None) -> list[Settings]:
    """Where every study begins: the values of n = 0, the recipe's own, then both quarters of the learning rate's range.

    Random ones may coincide.
    """
    first, rate = [default] if common is None else [common, default], tune.space.get("lr")
    if rate is not None and rate.low is not None and rate.high is not None and rate.low > 0:
        first += [default | {"lr": rate.low ** (1 - share) * rate.high**share} for share in (0.25, 0.75)]
    return first
