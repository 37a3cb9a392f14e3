"""What other tasks' tables teach: which settings tend to be good, and how effects spread over factors and orders."""

from dataclasses import dataclass, replace

import numpy as np

from analysis.effects.factors import Factors
from analysis.effects.model import EffectsPrior
from analysis.laws import Floats

# Least sd of the log of a scale from one task to the next, however alike the known ones are: a half, for tasks are few.
_LEAST_SPREAD = 0.5
# Share of the mean activity below which a factor does nothing that run noise does not do.
_LEAST_ACTIVITY = 1e-3
# Correlation with the only other task there is.
_UNKNOWN_CORRELATION = 0.5


@dataclass(frozen=True, eq=False)
class OtherTasks:
    """Standardised tables, (combinations, tasks), the coefficient `expected` of each, and the `prior` of the scales."""

    tables: Floats
    expected: Floats
    prior: EffectsPrior


def taught(factors: Factors, others: Floats | None, prior: EffectsPrior) -> OtherTasks:
    """What tables of log errors of all combinations, (tasks, combinations), teach; nothing where there are none.

    Were all tasks, the new one too, correlated alike, with rho, the best prediction from T of them would be
    rho / (1 + (T - 1) rho) of each.
    """
    if others is None or not len(others):
        return OtherTasks(np.zeros((len(factors.combinations), 0)), np.zeros(0), prior)
    centred = others - others.mean(axis=1, keepdims=True)
    tables = centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-12)
    tasks, rho = len(tables), _UNKNOWN_CORRELATION
    if tasks > 1:
        alike = tables @ tables.T / tables.shape[1]
        rho = max(float((alike.sum() - tasks) / (tasks * (tasks - 1))), 0.0)
    return OtherTasks(tables.T, np.full(tasks, rho / (1 + (tasks - 1) * rho)), _scales(factors, centred, prior))


def _scales(factors: Factors, centred: Floats, prior: EffectsPrior) -> EffectsPrior:
    """The prior of the scales as they are spread over the tables; of a single one as wide as before."""
    if len(centred) < 2:
        return prior
    squares = (centred @ factors.columns / centred.shape[1]) ** 2
    of_term = np.stack([squares[:, factors.term_of == t].sum(axis=1) for t in range(len(factors.terms))], axis=1)
    count = len(factors.names)
    main, pairs = of_term[:, :count].sum(axis=1), of_term[:, count:].sum(axis=1)
    rest = np.maximum((centred**2).mean(axis=1) - main - pairs, 0.0)
    activity = of_term[:, :count] / np.maximum(main[:, None] / count, 1e-300) + _LEAST_ACTIVITY
    learnt = replace(
        prior,
        scale=_spread(np.sqrt(main)),
        rest=_spread(rest / np.maximum(main, 1e-300)),
        activities=tuple(_spread(activity[:, i]) for i in range(count)),
    )
    return replace(learnt, pairs=_spread(pairs / np.maximum(main, 1e-300))) if count > 1 else learnt


def _spread(values: Floats) -> tuple[float, float]:
    """Median and sd of the log of a scale, log-normal over tasks."""
    logs = np.log(np.maximum(values, 1e-6))
    return float(np.exp(logs.mean())), float(np.hypot(logs.std(), _LEAST_SPREAD))
