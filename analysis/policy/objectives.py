"""The objective of a sweep as a risk that runs reduce: variances in units of the wanted precision, or of an answer.

`law` and `predict` ask for numbers: the risk of an arm is the sum of (expected posterior sd / wanted sd)^2.

`verdict`, `target` and `best` ask for a yes or no. With probability P of a yes (from the posterior's draws), the risk
is the expected posterior variance of the answer, E[P' (1 - P')] over the possible results of the runs (preposterior
analysis: Raiffa and Schlaifer 1961). The answer is modelled as the sign of a normal score of the quantity behind it, of
which runs explain the share rho; then P' = Phi((t - sqrt(rho) w) / sqrt(1 - rho)) with t = Phi^-1(P) and w standard
normal, and

    E[P' (1 - P')] = Phi(t) - Phi2(t, t; rho) = 2 T(t, sqrt((1 - rho) / (1 + rho)))

with Owen's T (1956), since E[P'^2] is a bivariate normal probability. P itself is exactly that of the draws; only its
change by further runs is approximated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri, owens_t

from analysis.estimator.law_fit import LawFit
from analysis.laws import Floats
from analysis.policy.belief import Asked, fall, gap, prediction, rate_and_gap
from analysis.policy.goals import Goals
from analysis.policy.runs import ArmState


@dataclass(frozen=True)
class Expected:
    """What a run is expected to do to one quantity: `about` names it, `before` and `after` are its sd (of an
    answer, yes 1 or no 0: at most 0.5). In words: `why` it is run and what it is expected `to_do`."""

    about: str
    before: float
    after: float
    why: str
    to_do: str


class Aim(Protocol):
    """What is to be learnt of one arm."""

    @property
    def asked(self) -> Asked:
        """The quantities that the aim depends on."""

    def risk(self, left: Floats) -> Floats:
        """Risk when these shares of the quantities' variances are left; (..., quantities) to (...)."""

    def expect(self, before: Floats, after: Floats) -> Expected:
        """What a run does, in words and figures: `before` and `after` are the shares left, (quantities,) each."""


@dataclass(frozen=True, eq=False)
class Precision:
    """Numbers to be known: their standard deviations now and those wanted, shape (quantities,)."""

    names: tuple[str, ...]
    titles: tuple[str, ...]
    sd: Floats
    wanted: Floats
    asked: Asked

    def risk(self, left: Floats) -> Floats:
        """Sum of squared standard deviations in units of those wanted."""
        total: Floats = (np.maximum(left, 0.0) * (self.sd / self.wanted) ** 2).sum(axis=-1)
        return total

    def expect(self, before: Floats, after: Floats) -> Expected:
        """As `Aim.expect`; the quantity whose fall lowers the risk most comes first."""
        sd = [self.sd * np.sqrt(np.maximum(left, 0.0)) for left in (before, after)]
        first, *others = np.argsort(-(sd[0] ** 2 - sd[1] ** 2) / self.wanted**2, kind="stable").tolist()
        also = "".join(f" ({self.names[i]}: {sd[0][i]:.3g} to {sd[1][i]:.3g})" for i in others)
        to_do = f"take its sd from {sd[0][first]:.3g} to {sd[1][first]:.3g}{also}"
        start, end = float(sd[0][first]), float(sd[1][first])
        return Expected(self.names[first], start, end, f"to pin down {self.titles[first]}", to_do)


@dataclass(frozen=True, eq=False)
class Doubt:
    """A yes or no that holds with `probability`; `reach`: the share of its variance that lies with this arm."""

    name: str
    title: str
    probability: float
    reach: float
    asked: Asked

    def risk(self, left: Floats) -> Floats:
        """Expected variance of the answer, at most 0.25."""
        rho = self._explained(left)
        risk: Floats = 2 * owens_t(ndtri(self.probability), np.sqrt((1 - rho) / (1 + rho)))
        return risk

    def expect(self, before: Floats, after: Floats) -> Expected:
        """As `Aim.expect`, for the expected standard deviation of the answer, yes 1 or no 0.

        Unlike the chance of being wrong, it also falls where no outcome of a run would change the answer.
        """
        now, then = self.spread(before), self.spread(after)
        why = f"to decide {self.title} (probability {self.probability:.0%})"
        return Expected(self.name, now, then, why, f"take the sd of the answer from {now:.3g} to {then:.3g}")

    def spread(self, left: Floats) -> float:
        """sqrt(E[P' (1 - P')]), at most 0.5, once these shares (1,) are left."""
        return float(np.sqrt(np.maximum(self.risk(left), 0.0)))

    def _explained(self, left: Floats) -> Floats:
        return np.clip(self.reach * (1 - left[..., 0]), 0.0, 1 - 1e-9)


def aims(arms: Sequence[ArmState], goals: Goals) -> list[Aim]:
    """What is to be learnt of each arm; nothing of none, as where no setting of an adaptive design has a law."""
    if not arms:
        return []
    if goals.objective == "law":
        return [_law(state.fit, state.arm, goals) for state in arms]
    if goals.objective == "predict":
        return [_prediction(state.fit, state.arm, goals) for state in arms]
    if goals.objective == "target" or (goals.objective == "verdict" and goals.target_error is not None):
        return [_target(state.fit, state.arm, goals) for state in arms]
    if goals.objective == "verdict":
        return [_doubling(state.fit, state.arm, goals) for state in arms]
    return list(_best(arms, goals))


def chances_of_best(fits: Mapping[str, LawFit], goals: Goals) -> dict[str, float]:
    """Probability that each arm's error at `n_target` is the lowest, or within `tie` of it."""
    errors, others = _errors_and_best_other(list(fits.values()), goals)
    return dict(zip(fits, _share(errors <= others + goals.tie).tolist(), strict=True))


def arms_that_can_win(chances: Mapping[str, float], goals: Goals) -> set[str]:
    """The arms that can still win: their chance is at least `hopeless` times the leader's."""
    least = goals.hopeless * max(chances.values())
    return {arm for arm, chance in chances.items() if chance >= least}


def current_sds(arms: Sequence[ArmState], goals: Goals) -> dict[str, dict[str, float]]:
    """The sd of each quantity of the objective now, by arm: `Expected.before` where no runs are pending."""
    found = {}
    for state, aim in zip(arms, aims(arms, goals), strict=True):
        if isinstance(aim, Precision):
            found[state.arm] = dict(zip(aim.names, aim.sd.tolist(), strict=True))
        elif isinstance(aim, Doubt):
            found[state.arm] = {aim.name: aim.spread(np.ones(1))}
    return found


def _law(fit: LawFit, arm: str, goals: Goals) -> Precision:
    scale = np.array([fit.alpha.mean, fit.C.mean]) if goals.relative else np.ones(2)
    wanted = np.array([goals.alpha_sd, goals.c_sd]) * scale
    titles = (f"the pre-training rate alpha of {arm}", f"the transfer gap C of {arm}")
    # From the draws: a fit by least squares may have no standard error.
    sd = np.array([fit.samples.alpha.std(), fit.samples.limit.std()])
    return Precision(("alpha", "C"), titles, sd, wanted, rate_and_gap())


def _prediction(fit: LawFit, arm: str, goals: Goals) -> Precision:
    assert goals.n_target is not None
    errors = fit.samples.error(goals.n_target)
    wanted = np.array([goals.prediction_sd * (errors.mean() if goals.relative else 1.0)])
    title = f"the error of {arm} at n = {goals.n_target:,.0f}"
    return Precision(("prediction",), (title,), np.array([errors.std()]), wanted, prediction(goals.n_target))


def _target(fit: LawFit, arm: str, goals: Goals) -> Doubt:
    assert goals.target_error is not None
    # What is at hand stays, even where the limit is lower.
    limit = None if goals.n_limit is None else max(goals.n_limit, float(fit.n.max()))
    last = fit.gap() if limit is None else fit.samples.error(limit) * np.exp(fit.level_shift)
    probability = float(_share(last[None] <= goals.target_error)[0])
    within = "any number of" if limit is None else f"{limit:,.0f}"
    title = f"whether {arm} reaches {goals.target_error:.1%} with {within} images"
    asked = gap() if limit is None else prediction(limit)
    return Doubt("target", title, probability, 1.0, asked)


def _doubling(fit: LawFit, arm: str, goals: Goals) -> Doubt:
    now = float(fit.n.max())
    errors = fit.samples.error(np.array([now, 2 * now]))
    pays = 1 - errors[:, 1] / errors[:, 0] >= goals.min_gain
    title = f"whether doubling {arm} to {2 * now:,.0f} images lowers its error by {goals.min_gain:.1%}"
    return Doubt("doubling", title, float(_share(pays[None])[0]), 1.0, fall(now))


def _best(arms: Sequence[ArmState], goals: Goals) -> list[Doubt]:
    assert goals.n_target is not None
    errors, others = _errors_and_best_other([state.fit for state in arms], goals)
    chances = _share(errors <= others + goals.tie)
    own = errors.var(axis=1)
    # With no other arm there is nothing to decide.
    apart = (errors - others).var(axis=1) if len(arms) > 1 else np.full(1, np.inf)
    title = f"has the lowest error at n = {goals.n_target:,.0f}"
    return [
        Doubt("best", f"whether {state.arm} {title}", float(p), float(min(share, 1.0)), prediction(goals.n_target))
        for state, p, share in zip(arms, chances, own / np.maximum(apart, 1e-300), strict=True)
    ]


def _errors_and_best_other(fits: Sequence[LawFit], goals: Goals) -> tuple[Floats, Floats]:
    """Joint draws of every arm's error at `n_target`, and of the lowest of the others; (arms, draws) each."""
    assert goals.n_target is not None
    rng = np.random.default_rng(0)
    # Each arm's draws are shuffled: the draws of two arms must not be correlated. What the test images do to all arms
    # alike does not change which is the best.
    errors = np.array([rng.permutation(fit.samples.error(goals.n_target) * np.exp(fit.arm_shift)) for fit in fits])
    if len(fits) == 1:
        return errors, np.full_like(errors, np.inf)
    lowest, second = np.partition(errors, 1, axis=0)[:2]
    return errors, np.where(errors == lowest, second, lowest)


def _share(holds: np.ndarray) -> Floats:
    """Share of draws (last axis) in which it holds; at least half a draw away from 0 and 1."""
    count = holds.shape[-1]
    return np.clip(holds.mean(axis=-1), 0.5 / count, 1 - 0.5 / count)
