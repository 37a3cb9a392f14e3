"""How far a figure over few recorded curves is luck: the same question asked of worlds like the recorded one.

A world: the laws that all recorded sizes tell, with new runs that scatter about them as the recorded ones do. Two
questions of `sweeper bench fit` have few curves: the order of nine rendering settings at n = 64,000 from n <= 4,000,
and the prediction of the three curves of the 1280k collection.

    python -m analysis.chance --data-root DATA
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from scipy.stats import kendalltau

from analysis.contest import Task, curve_errors, nine_renderings, posterior_errors, tasks
from analysis.fit import LawFit, fit_laws
from analysis.laws import Floats, LawSamples, law_error
from analysis.prior import Prior
from analysis.recorded import Curve, Setting, read_paper
from analysis.rivals import RIVALS

WORLDS = 100
PAPER, POSTERIOR, LAWS_KNOWN = "nls_D_0.48", "posterior", "the laws known"
POPULATION_KNOWN = "the population of laws known"
_POPULATION = 40_000
_SEEN, _TOP = 4_000.0, np.array([64_000.0])


def order_by_chance(paper: Mapping[Setting, Curve], worlds: int = WORLDS, seed: int = 0) -> dict[str, Floats]:
    """Kendall's tau of the nine settings, predicted from n <= 4,000 against the runs at 64,000; (worlds,) each.

    Of the posterior, of least squares with D = 0.48, of one who knew the laws; and of one who knew how the nine laws
    are spread and how noisy each setting is, the most that pooling could learn: what is left to an estimator that
    judges a setting by its own runs and by what the others are like.
    """
    recorded = {setting.rendering: curve for setting, curve in nine_renderings(paper).items()}
    laws, rng = _laws(recorded, {}), np.random.default_rng(seed)
    population = _population(list(laws.values()), np.random.default_rng([seed, 1]))
    taus: dict[str, list[float]] = {POSTERIOR: [], PAPER: [], POPULATION_KNOWN: [], LAWS_KNOWN: []}
    for _ in range(worlds):
        world = {name: _runs(law, law.predict(law.n), rng) for name, law in laws.items()}
        seen = {name: curve.upto(_SEEN) for name, curve in world.items()}
        orders = {POSTERIOR: [fit.predict(_TOP) for fit in _laws(seen, {}).values()]}
        orders[PAPER] = [RIVALS[PAPER](curve, _TOP) for curve in seen.values()]
        orders[POPULATION_KNOWN] = [_at_top(population, seen[name], law.sigma.mean) for name, law in laws.items()]
        orders[LAWS_KNOWN] = [law.predict(_TOP) for law in laws.values()]
        runs = [curve.error[curve.n == _TOP] for curve in world.values()]
        for who, order in orders.items():
            taus[who].append(float(kendalltau(np.ravel(order), np.ravel(runs)).statistic))
    return {who: np.array(values) for who, values in taus.items()}


def _population(laws: Sequence[LawFit], rng: np.random.Generator) -> LawSamples:
    """Draws of laws spread as these are: jointly normal in log alpha, logit of the share of gap at 4,000 and log error
    there."""
    levels = np.array([float(law.predict(_SEEN)) for law in laws])
    alphas, gaps = (np.array([getattr(law, name).mean for law in laws]) for name in ("alpha", "C"))
    spread = np.stack([np.log(alphas), logit(gaps / levels), np.log(levels)])
    draws = rng.multivariate_normal(spread.mean(axis=1), np.cov(spread), _POPULATION)
    alpha, share, level = np.exp(draws[:, 0]), expit(draws[:, 1]), np.exp(draws[:, 2])
    return LawSamples(alpha, level * share, level * (1 - share) * _SEEN**alpha, np.zeros_like(alpha))


def _at_top(population: LawSamples, seen: Curve, sigma: float) -> Floats:
    """The mean error at 64,000, shape (1,), of the laws of the population given these runs, whose noise is known."""
    misfit = ((np.log(seen.error / population.error(seen.n)) / sigma) ** 2).sum(axis=1)
    return np.average(population.error(_TOP), axis=0, weights=np.exp((misfit.min() - misfit) / 2))


def rmse_by_chance(task: Task, worlds: int = WORLDS, seed: int = 1) -> dict[str, Floats]:
    """Mean RMSE over the set's scored sizes, of the posterior and of least squares with D = 0.48; (worlds,) each.

    Every world has laws of its own, drawn from what the recorded runs leave open.
    """
    whole = {name: _joined(curve, task.scored[name]) for name, curve in task.seen.items()}
    laws, rng = _laws(whole, task.groups), np.random.default_rng(seed)
    found: dict[str, list[float]] = {POSTERIOR: [], PAPER: []}
    for _ in range(worlds):
        world = {name: _runs(law, _drawn(law, rng), rng) for name, law in laws.items()}
        tops = {name: float(curve.n.max()) for name, curve in task.seen.items()}
        seen = {name: curve.upto(tops[name]) for name, curve in world.items()}
        drawn = Task(task.name, seen, {name: c.beyond(tops[name]) for name, c in world.items()}, task.groups, task.log)
        found[POSTERIOR].append(float(np.mean(posterior_errors(drawn, Prior())[0])))
        found[PAPER].append(float(np.mean(curve_errors(drawn, RIVALS[PAPER]))))
    return {who: np.array(values) for who, values in found.items()}


def _laws(curves: Mapping[str, Curve], groups: Mapping[str, str]) -> dict[str, LawFit]:
    return fit_laws({name: (curve.n, curve.error) for name, curve in curves.items()}, groups=groups)


def _joined(first: Curve, then: Curve) -> Curve:
    return Curve(np.append(first.n, then.n), np.append(first.error, then.error))


def _drawn(law: LawFit, rng: np.random.Generator) -> Floats:
    """Errors of one of the laws that the runs leave possible, at the sizes of the runs."""
    draws, at = law.samples, int(rng.integers(law.samples.alpha.size))
    return law_error(law.n, float(draws.alpha[at]), float(draws.C[at]), float(draws.D[at]))


def _runs(law: LawFit, errors: Floats, rng: np.random.Generator) -> Curve:
    """New runs about these errors, with a noise that the recorded runs leave possible."""
    noise = law.samples.sigma[rng.integers(law.samples.sigma.size)] * rng.standard_normal(errors.size)
    return Curve(law.n, np.minimum(errors * np.exp(noise), 1.0))


def main() -> None:
    """What chance alone makes of both figures, in lines."""
    asked = argparse.ArgumentParser(description="How far two figures of `sweeper bench fit` are luck.")
    asked.add_argument("--data-root", type=Path, required=True, help="the folder that holds curves/")
    asked.add_argument("--worlds", type=int, default=WORLDS)
    given = asked.parse_args()
    paper = read_paper(given.data_root / "curves" / "cg_transfer_finetune.csv")
    for who, taus in order_by_chance(paper, given.worlds).items():
        print(f"Kendall's tau, {who}: mean {taus.mean():.3f}, at least 0.94 in {(taus >= 0.94).mean():.0%} of worlds")
    (large,) = (task for task in tasks(paper, {}) if task.name == "1280k")
    rmse = rmse_by_chance(large, given.worlds)
    apart = rmse[POSTERIOR] - rmse[PAPER]
    print(
        f"1280k: mean RMSE {rmse[POSTERIOR].mean():.5f}, least squares with D = 0.48 {rmse[PAPER].mean():.5f};"
        f" no worse in {(apart <= 0).mean():.0%} of worlds, sd of the difference {apart.std():.5f}"
    )


if __name__ == "__main__":
    main()
