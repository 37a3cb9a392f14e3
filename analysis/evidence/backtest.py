"""Every estimator on the recorded curves: fit the smaller sizes, predict the larger ones, score.

Nothing of the estimators was chosen on the scored sizes: see docs/concepts/estimator.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from analysis.estimator.fit import fit_laws
from analysis.estimator.law_fit import LawFit
from analysis.estimator.prior import Prior
from analysis.laws import Floats
from analysis.paper.other_estimators import OTHER_ESTIMATORS, Predict
from analysis.paper.recorded import Curve, Setting

POSTERIOR = "posterior"
# No method: the score of one who knew every curve, so that only the scatter of the runs to be predicted is left.
RUN_NOISE = "run_noise_alone"


@dataclass(frozen=True, eq=False)
class Task:
    """One recorded set: of each curve what to fit and what to score, and the groups that pool.

    `log`: errors are compared in logs.
    """

    name: str
    seen: Mapping[str, Curve]
    scored: Mapping[str, Curve]
    groups: Mapping[str, str]
    log: bool = False


@dataclass(frozen=True)
class Score:
    """A method on a set: mean over curves of the RMSE; share of scored runs in the 90 % band, if there is one."""

    method: str
    rmse: float
    coverage: float | None
    curves: int


def tasks(paper: Mapping[Setting, Curve], few_shot: Mapping[str, tuple[Curve, Curve]]) -> list[Task]:
    """The recorded sets: 64k, 1280k, across the two collections (for reference only), and the few-shot curves."""
    small = {s: c for s, c in paper.items() if s.collection == "64k"}
    large = {s: c for s, c in paper.items() if s.collection == "1280k"}
    found = [_split("64k", small, 16_000), _split("1280k", large, 160_000)]
    across = {}
    for setting, curve in large.items():
        same = [c for s, c in small.items() if (s.pretrain_task, s.rendering, s.group) == _key(setting)]
        if same:
            across[setting] = Curve(np.append(same[0].n, curve.n), np.append(same[0].error, curve.error))
    found.append(_split("64k_to_1280k", across, 64_000))
    few = {name: seen for name, (seen, _) in few_shot.items()}
    found.append(Task("few_shot", few, {k: later for k, (_, later) in few_shot.items()}, {k: k for k in few}, True))
    return [task for task in found if task.seen]


def score(task: Task, seed: int = 0) -> list[Score]:
    """All methods on one set, the posterior first, then what run noise alone would leave."""
    fits = _fit(task, Prior(), seed)
    errors, inside = _judge(task, fits)
    scores = [Score(POSTERIOR, float(np.mean(errors)), float(np.mean(inside)), len(errors))]
    floor = np.mean([_noise_rmse(task, fits[name], later.n) for name, later in task.scored.items()])
    scores.append(Score(RUN_NOISE, float(floor), None, len(errors)))
    for method, predict in OTHER_ESTIMATORS.items():
        scores.append(Score(method, float(np.mean(curve_errors(task, predict))), None, len(errors)))
    return scores


def posterior_errors(task: Task, prior: Prior, seed: int = 0) -> tuple[list[float], list[bool]]:
    """Of the posterior under `prior`: the RMSE of every curve scored, and whether each run is in its 90 % band."""
    return _judge(task, _fit(task, prior, seed))


def _fit(task: Task, prior: Prior, seed: int) -> dict[str, LawFit]:
    arms = {name: (curve.n, curve.error) for name, curve in task.seen.items()}
    return fit_laws(arms, groups=task.groups, prior=prior, seed=seed)


def _judge(task: Task, fits: Mapping[str, LawFit]) -> tuple[list[float], list[bool]]:
    errors, inside = [], list[bool]()
    for name, later in task.scored.items():
        errors.append(_rmse(task, fits[name].predict(later.n), later))
        low, high = fits[name].band(later.n, 0.9, new_run=True)
        inside += ((low <= later.error) & (later.error <= high)).tolist()
    return errors, inside


def curve_errors(task: Task, predict: Predict) -> list[float]:
    """The RMSE of every curve scored, of an estimator that fits each curve by itself."""
    return [_rmse(task, predict(task.seen[name], later.n), later) for name, later in task.scored.items()]


def nine_renderings(paper: Mapping[Setting, Curve]) -> dict[Setting, Curve]:
    """The paper's nine rendering settings: objdet to objdet, ResNet-50, 64k collection, fraction 1 %."""
    wanted = ("64k", "objdet", "objdet", 1, "r50")
    return {
        s: c
        for s, c in paper.items()
        if (s.collection, s.pretrain_task, s.finetune_task, s.fraction, s.backbone) == wanted
    }


def order_of_renderings(paper: Mapping[Setting, Curve], seed: int = 0) -> dict[str, float]:
    """Kendall tau, by method, of the paper's nine rendering settings: as predicted from n <= 4000, with 64k."""
    chosen = {setting.rendering: curve for setting, curve in nine_renderings(paper).items()}
    truth = [float(curve.error[curve.n == 64_000][0]) for curve in chosen.values()]
    seen = {name: curve.upto(4_000) for name, curve in chosen.items()}
    at = np.array([64_000.0])
    fits = fit_laws({name: (curve.n, curve.error) for name, curve in seen.items()}, seed=seed)
    orders = {POSTERIOR: [float(fit.predict(at)[0]) for fit in fits.values()]}
    orders |= {m: [float(predict(curve, at)[0]) for curve in seen.values()] for m, predict in OTHER_ESTIMATORS.items()}
    taus = {method: float(kendalltau(order, truth).statistic) for method, order in orders.items()}
    known = fit_laws({name: (curve.n, curve.error) for name, curve in chosen.items()}, seed=seed)
    return taus | {RUN_NOISE: _noise_tau(list(known.values()), at)}


def _noise_tau(fits: Sequence[LawFit], at: Floats, draws: int = 400) -> float:
    """The Kendall tau expected of one who knew every curve, taken from all its sizes, with runs that scatter about it.

    Rather too high: curves that are estimated lie further apart than the true ones.
    """
    curves = np.array([float(fit.predict(at)[0]) for fit in fits])
    sigma = np.stack([fit.samples.sigma[:draws] for fit in fits], axis=1)
    runs = curves * np.exp(sigma * np.random.default_rng(0).standard_normal(sigma.shape))
    return float(np.mean([kendalltau(curves, each).statistic for each in runs]))


def _split(name: str, curves: Mapping[Setting, Curve], largest_seen: float) -> Task:
    seen = {s.name: c.upto(largest_seen) for s, c in curves.items()}
    scored = {s.name: c.beyond(largest_seen) for s, c in curves.items()}
    return Task(name, seen, scored, {s.name: s.group for s in curves})


def _key(setting: Setting) -> tuple[str, str, str]:
    return setting.pretrain_task, setting.rendering, setting.group


def _noise_rmse(task: Task, fit: LawFit, n: Floats) -> float:
    """The RMSE expected of one who knew the curve: what the runs' own scatter leaves, as inferred from the fit."""
    sigma = fit.samples.sigma[:, None]
    off = sigma * np.random.default_rng(0).standard_normal((sigma.size, n.size))
    if not task.log:
        off = fit.predict(n) * np.expm1(off)
    return float(np.sqrt((off**2).mean(axis=1)).mean())


def _rmse(task: Task, predicted: Floats, later: Curve) -> float:
    transform = np.log if task.log else np.asarray
    return float(np.sqrt(np.mean((transform(predicted) - transform(later.error)) ** 2)))
