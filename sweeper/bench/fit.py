"""`sweeper bench fit`: speed of the estimator, and every method on the recorded curves in one run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analysis.estimator.fit import fit_law, fit_laws
from analysis.evidence.backtest import POSTERIOR, RUN_NOISE, order_of_renderings, score, tasks
from analysis.laws import law_error
from analysis.paper.other_estimators import OTHER_ESTIMATORS
from analysis.paper.recorded import read_few_shot, read_paper
from sweeper.bench.registry import Figure
from sweeper.errors import BadInput

_CURVES = 100


def measure(data_root: Path | None) -> dict[str, Figure]:
    """Speed, then the recorded curves where `data_root` (or SWEEPER_DATA_ROOT) says where they lie.

    References: of speed, least squares with D free, and the same arms fitted one by one; of a method's RMSE the
    paper's, least squares with D = 0.48; of a coverage its nominal value; of Kendall's tau the paper's.
    """
    root = data_root or (Path(os.environ["SWEEPER_DATA_ROOT"]) if os.environ.get("SWEEPER_DATA_ROOT") else None)
    if root is None:
        raise BadInput("bench fit needs the recorded curves; name their folder with --data-root or SWEEPER_DATA_ROOT")
    try:
        paper = read_paper(root / "curves" / "cg_transfer_finetune.csv")
        few_shot = read_few_shot(root / "curves" / "alabdulmohsin_vision.csv")
    except ValueError as error:
        raise BadInput(str(error)) from None
    figures = _speed()
    for task in tasks(paper, few_shot):
        scores = {each.method: each for each in score(task)}
        unit = f"RMSE of {'log ' * task.log}error, mean of {len(task.scored)} curves"
        plain = scores["nls_D_0.48"].rmse
        for method in (POSTERIOR, *OTHER_ESTIMATORS, RUN_NOISE):
            figures[f"rmse_{task.name}_{method}"] = Figure(scores[method].rmse, plain, unit)
        covered = scores[POSTERIOR].coverage
        assert covered is not None
        figures[f"coverage_90_{task.name}_{POSTERIOR}"] = Figure(covered, 0.9, "share of the scored runs")
    orders = order_of_renderings(paper)
    for method, tau in orders.items():
        figures[f"kendall_tau_renderings_{method}"] = Figure(tau, orders["nls_D_0.48"], "Kendall tau")
    return figures


def _speed() -> dict[str, Figure]:
    """Seconds of this process's processor time, so that what else runs here weighs less."""
    rng = np.random.default_rng(0)
    seven, eight = 1000 * 2.0 ** np.arange(7), 1000 * 2.0 ** np.arange(8)
    curves = [_noisy(seven, rng) for _ in range(_CURVES)]
    arms = {f"arm {i}": (eight, _noisy(eight, rng)) for i in range(50)}
    fit_laws(dict(list(arms.items())[:3]))
    alone = _seconds(lambda: [fit_law(seven, error) for error in curves])
    plain = _seconds(lambda: [fit_law(seven, error, method="nls") for error in curves])
    pooled = _seconds(lambda: fit_laws(arms))
    apart = _seconds(lambda: [fit_law(*each) for each in arms.values()])
    return {
        "curves_per_s": Figure(_CURVES / alone, _CURVES / plain, "7-point curves a second; reference: least squares"),
        "pooled_50_arms_s": Figure(pooled, apart, "seconds; reference: the same arms one by one"),
    }


def _noisy(n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    alpha, C = rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.5)
    return law_error(n, alpha, C, 0.4 * 1000**alpha) * np.exp(0.01 * rng.standard_normal(n.size))


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
