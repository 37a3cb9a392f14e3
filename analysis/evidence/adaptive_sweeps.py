"""Whole sweeps of one arm in a simulated world, as the policy designs them: do intervals cover, are verdicts right?

A sweep begins with the pilot (four sizes and a repeat), takes what the policy proposes, looks after every run and
stops, as a real one does, at the first verdict that is given: looking often must not make verdicts wrong. With the
objective "law" it takes MOST_RUNS runs.
"""

from dataclasses import dataclass

import numpy as np

from analysis.estimator.fit import fit_laws
from analysis.estimator.law_fit import LawFit, shortest_interval
from analysis.estimator.observations import check_runs
from analysis.estimator.test_images import image_variances
from analysis.evidence.worlds import LADDER, Measurements, World
from analysis.policy.adaptive import propose
from analysis.policy.goals import Goals, Objective, Terms
from analysis.policy.runs import ArmState, Run
from analysis.replay.pools import EQUAL_PRICES
from analysis.verdict.verdict import Verdict, verdict

PILOT = (*(Run("arm", n, 0) for n in (64_000, 32_000, 8_000, 1_000)), Run("arm", 64_000, 1))
MOST_RUNS = 14
TARGETS = ("alpha", "C", "10x", "20x")


@dataclass(frozen=True)
class Look:
    """One verdict of a sweep, after `runs` runs: the likeliest label's probability, and whether that label is right."""

    question: str
    label: str
    runs: int
    probability: float
    given: bool
    right: bool


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep's looks, and of its last fit whether each 95 % interval of TARGETS holds the truth (nan where there is
    none) and how wide it is in log."""

    looks: tuple[Look, ...]
    covered: tuple[float, ...]
    widths: tuple[float, ...]
    identified: bool


def sweep(world: World, seed: int, objective: Objective = "verdict") -> Sweep:
    """One sweep to its end."""
    measurements, done, looks = Measurements(world, seed), list(PILOT), list[Look]()
    while True:
        fit = _fit(world, measurements, done)
        said = verdict(fit, target_error=world.target, min_gain=world.min_gain, n_limit=world.n_limit)
        looks.append(_look(world, said, done))
        if len(done) >= MOST_RUNS or (looks[-1].given and objective == "verdict"):
            return _judged(world, looks, fit)
        goals = Goals(objective=objective, target_error=world.target, min_gain=world.min_gain, n_limit=world.n_limit)
        state = ArmState("arm", fit, tuple(done))
        offered = {"arm": LADDER}
        chosen = propose([state], offered, EQUAL_PRICES.cost(()), seed=len(done), terms=Terms(goals))
        if not chosen:
            return _judged(world, looks, fit)
        done.append(chosen[0].run)


def _fit(world: World, measurements: Measurements, done: list[Run]) -> LawFit:
    errors, resampled = zip(*(measurements.error(run) for run in done), strict=True)
    images = None if world.test_size is None else image_variances({"arm": resampled})["arm"]
    block = [run.seed for run in done] if world.blocks else None
    seen = check_runs("", [run.n for run in done], errors, block=block, images=images, test_size=world.test_size)
    return fit_laws({"": seen})[""]


def _look(world: World, said: Verdict, done: list[Run]) -> Look:
    label = said.leaning or said.label
    right = world.bears_out(label, max(run.n for run in done))
    return Look(world.question, label, len(done), said.probability, said.leaning is None, right)


def _judged(world: World, looks: list[Look], fit: LawFit) -> Sweep:
    far = np.array([10.0, 20.0]) * LADDER[-1]
    truths = np.array([world.law.alpha, world.law.C, *(world.error(n) for n in far)])
    on_law = world.curve is None
    draws = np.column_stack([fit.samples.alpha, fit.gap(), fit.samples.error(far) * np.exp(fit.level_shift)[:, None]])
    low, high = shortest_interval(draws, 0.95)
    covered = np.where((low <= truths) & (truths <= high), 1.0, 0.0)
    if not on_law:
        covered[:2] = np.nan
    elif world.law.D == 0:
        covered[0] = np.nan
    widths = np.log(np.maximum(high, 1e-12) / np.maximum(low, 1e-3 * high))
    return Sweep(tuple(looks), tuple(covered), tuple(widths), fit.identified)
