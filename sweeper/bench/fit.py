"""`sweeper bench fit`: speed of the estimator, and every method on the recorded curves in one run."""

from pathlib import Path

import numpy as np

from analysis.estimator.fit import fit_law, fit_laws
from analysis.evidence.backtest import POSTERIOR, RUN_NOISE, order_of_renderings, score, tasks
from analysis.laws import law_error
from analysis.paper.other_estimators import OTHER_ESTIMATORS
from sweeper.bench.figures import Figure, processor_seconds
from sweeper.bench.recorded import few_shot_curves, paper_curves

_CURVES = 100
_PAPERS_METHOD = "nls_D_0.48"


def measure(data_root: Path | None = None) -> dict[str, Figure]:
    """Speed, then the recorded curves where `data_root` (or SWEEPER_DATA_ROOT) says where they lie.

    References: of speed, least squares with D free, and the same arms fitted one by one; of a method's RMSE the
    paper's, least squares with D = 0.48; of a coverage its nominal value; of Kendall's tau the paper's. Raises BadInput
    where the curves cannot be read.
    """
    paper, few_shot = paper_curves(data_root), few_shot_curves(data_root)
    figures = _speed()
    for task in tasks(paper, few_shot):
        scores = {each.method: each for each in score(task)}
        unit = f"RMSE of {'log ' * task.log}error, mean of {len(task.scored)} curves"
        for method in (POSTERIOR, *OTHER_ESTIMATORS, RUN_NOISE):
            figures[f"rmse_{task.name}_{method}"] = Figure(scores[method].rmse, scores[_PAPERS_METHOD].rmse, unit)
        covered = scores[POSTERIOR].coverage
        assert covered is not None
        figures[f"coverage_90_{task.name}_{POSTERIOR}"] = Figure(covered, 0.9, "share of the scored runs")
    orders = order_of_renderings(paper)
    for method, tau in orders.items():
        figures[f"kendall_tau_renderings_{method}"] = Figure(tau, orders[_PAPERS_METHOD], "Kendall tau")
    return figures


def _speed() -> dict[str, Figure]:
    rng = np.random.default_rng(0)
    seven, eight = 1000 * 2.0 ** np.arange(7), 1000 * 2.0 ** np.arange(8)
    curves = [_noisy(seven, rng) for _ in range(_CURVES)]
    arms = {f"arm {i}": (eight, _noisy(eight, rng)) for i in range(50)}
    fit_laws(dict(list(arms.items())[:3]))
    alone = processor_seconds(lambda: [fit_law(seven, error) for error in curves])
    plain = processor_seconds(lambda: [fit_law(seven, error, method="nls") for error in curves])
    pooled = processor_seconds(lambda: fit_laws(arms))
    apart = processor_seconds(lambda: [fit_law(*each) for each in arms.values()])
    return {
        "curves_per_s": Figure(_CURVES / alone, _CURVES / plain, "7-point curves a second; reference: least squares"),
        "pooled_50_arms_s": Figure(pooled, apart, "seconds; reference: the same arms one by one"),
    }


def _noisy(n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    alpha, C = rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.5)
    return law_error(n, alpha, C, 0.4 * 1000**alpha) * np.exp(0.01 * rng.standard_normal(n.size))
