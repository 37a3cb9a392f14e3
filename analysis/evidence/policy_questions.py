"""Every policy on four questions, one trial at a time: two with known laws, two on the paper's recorded curves.

1. `design_trial`: alpha and C of one known law, every run at the same price. What counts is the Fisher variance, at the
   true law, of the runs that were chosen, beside that of the locally optimal design (`analysis.replay.optimal_design`).
2. `gap_cost_trial`: what it costs until the standard error of C is what the fixed grid has after four rounds.
3. `rendering_trial`: which of the nine rendering settings is the best at n = 64,000, for a fifth of the grid's cost.
4. `cross_task_trial`: C of each cross-task pair, for half of the grid's cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.estimator.fit import LawFit
from analysis.laws import TrueLaw
from analysis.paper.recorded import Curve, Setting
from analysis.policy.goals import DEFAULT_TERMS, Goals
from analysis.policy.registry import POLICIES
from analysis.replay.optimal_design import GAP, best_design, bound, relative, variance
from analysis.replay.pools import STANDARD_PRICES, Pool, PoolArm, Prices, recorded_pool, simulated_pool, whole_grid
from analysis.replay.replay import Rules, Step, replay

RUNGS = tuple(1000 * 2**i for i in range(7))
# What may be run: the rungs and one size between any two; and, where sizes beyond are allowed, two doublings more.
SIZES = tuple(round(1000 * 2 ** (i / 2)) for i in range(13))
BEYOND = tuple(round(1000 * 2 ** (i / 2)) for i in range(17))
_FINE = tuple(1000 * 2 ** (i / 4) for i in range(33))
DESIGN_RUNS = (14, 28)
GRID_ROUNDS = 4
_NEAR_BEST = 0.002
_EQUAL = Prices(pretrain=1.0, finetune=0.0, image=0.0)
# Of the settings, one look each: three would be more than a fifth of the grid. Its size was chosen on drawn settings
# (`analysis.evidence.drawn_cases`, docs/dev/policy-bench.md).
RENDERING_PILOT = (16_000,)
# Of the pairs, the ends: checkpoints are shared, and what lies between is the policy's to choose.
CROSS_TASK_PILOT = (1_000, 64_000)
# Nothing but C, more precise than any arm of the pairs becomes, so that none is left alone before the budget ends.
C_ALONE = Goals(alpha_sd=float("inf"), c_sd=1e-4)


def draw_law(i: int) -> TrueLaw:
    """The i-th law: alpha in 0.2 to 0.8, C in 0.05 to 0.95, noise in 0.001 to 0.01 (log-uniform); half of what is
    not transfer gap is left at n = 1000."""
    rng = np.random.default_rng([5, i])
    alpha, C = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.05, 0.95))
    return TrueLaw(alpha, C, 0.5 * (1 - C) * 1000**alpha, float(np.exp(rng.uniform(np.log(0.001), np.log(0.01)))))


def design_trial(policy: str, i: int) -> tuple[float, ...]:
    """Variance of alpha and C relative to their squares, over the locally optimal design's, after DESIGN_RUNS."""
    law = draw_law(i)
    goals = Goals(alpha_sd=0.1, c_sd=0.1, relative=True)
    rules = Rules(runs=max(DESIGN_RUNS), goals=goals, prices=_EQUAL, ladder=RUNGS)
    runs = list(replay(simulated_pool(law, SIZES, i), POLICIES[policy], rules, i))[-1].runs
    aim, fine = relative(law), _upto(_FINE, RUNGS[-1])
    return tuple(
        variance([run.n for run in runs[:k]], law, aim) / variance(best_design(fine, k, law, aim), law, aim)
        for k in DESIGN_RUNS
    )


def gap_cost_trial(policy: str, i: int, beyond: bool = False) -> float:
    """Cost until the standard error of C is the fixed grid's after GRID_ROUNDS, over the grid's cost; inf above 2."""
    law = draw_law(i)
    pool = simulated_pool(law, BEYOND if beyond else SIZES, i)
    wanted, grid_cost = _grid_gap(law)
    rules = Rules(budget=2 * grid_cost, goals=Goals(alpha_sd=float("inf"), c_sd=wanted**0.5), ladder=RUNGS)
    for step in replay(pool, POLICIES[policy], rules, i):
        if variance([run.n for run in step.runs], law, GAP) <= wanted * (1 + 1e-9):
            return step.spent / grid_cost
    return float("inf")


def gap_cost_bound(i: int, beyond: bool = False) -> float:
    """The least that any design costs which knows the law, runs being divisible, over the grid's cost."""
    law = draw_law(i)
    wanted, grid_cost = _grid_gap(law)
    run = STANDARD_PRICES.pretrain + STANDARD_PRICES.finetune
    tops = [top for top in _FINE if 4_000 <= top <= (BEYOND if beyond else SIZES)[-1]]
    costs = [run * bound(_upto(_FINE, top), law, GAP) / wanted + STANDARD_PRICES.image * top for top in tops]
    return min(costs) / grid_cost


@dataclass(frozen=True, eq=False)
class Case:
    """Recorded arms with one error at each size, and what the whole grid costs."""

    arms: tuple[PoolArm, ...]
    errors: Mapping[str, Mapping[int, Sequence[float]]]

    def pool(self) -> Pool:
        """Everything that was measured."""
        return recorded_pool(self.arms, self.errors, 0)

    def cost(self) -> float:
        """Of the whole grid."""
        return STANDARD_PRICES.total(self.pool(), whole_grid(self.pool()))


def renderings(paper: Mapping[Setting, Curve]) -> Case:
    """The paper's nine rendering settings: objdet to objdet, ResNet-50, 64k collection."""
    chosen = {s: c for s, c in _plain(paper).items() if (s.pretrain_task, s.finetune_task) == ("objdet", "objdet")}
    arms = tuple(PoolArm(s.rendering, s.rendering, s.rendering, s.group) for s in chosen)
    return Case(arms, _errors(arms, chosen))


def cross_tasks(paper: Mapping[Setting, Curve]) -> Case:
    """The paper's cross-task pairs, all on one rendering setting: a pre-training serves every fine-tuning task."""
    chosen = {s: c for s, c in _plain(paper).items() if s.rendering == "bop"}
    arms = tuple(PoolArm(f"{s.pretrain_task} > {s.finetune_task}", "bop", s.pretrain_task, s.group) for s in chosen)
    return Case(arms, _errors(arms, chosen))


def rendering_trial(policy: str, case: Case, seed: int) -> tuple[bool, float]:
    """Whether the setting it names for n = 64,000 has a recorded error within 0.002 of the best; and what it spent,
    as a share of the grid's cost."""
    named, spent = name_rendering(policy, case, seed)
    return is_near_best(named, {arm: errors[RUNGS[-1]][0] for arm, errors in case.errors.items()}), spent


def name_rendering(
    policy: str, case: Case, seed: int, pilot: tuple[int, ...] = RENDERING_PILOT, share: float = 0.2
) -> tuple[str, float]:
    """The setting of the lowest predicted error at n = 64,000 for `share` of the grid's cost; and the share spent."""
    top = float(RUNGS[-1])
    goals = Goals(objective="best", n_target=top, tie=_NEAR_BEST)
    rules = Rules(budget=share * case.cost(), goals=goals, pilot=pilot)
    end = list(replay(case.pool(), POLICIES[policy], rules, seed))[-1]
    return min(end.fits, key=lambda arm: float(end.fits[arm].predict(top))), end.spent / case.cost()


def is_near_best(named: str, errors: Mapping[str, float]) -> bool:
    """Whether the error of this arm is within 0.002 of the lowest."""
    return errors[named] <= min(errors.values()) + _NEAR_BEST


@dataclass(frozen=True)
class Gap:
    """C of an arm: posterior mean and standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Apart:
    """How far C of one arm is from the full grid's: in standard errors of the full grid's C, and in its own."""

    in_grid_errors: float
    in_own_errors: float


def whole_fits(case: Case) -> Mapping[str, LawFit]:
    """What the full grid says of every arm."""
    return Step(case.pool(), tuple(whole_grid(case.pool())), case.cost()).fits


def gaps(fits: Mapping[str, LawFit], *, identified: bool = True) -> dict[str, Gap]:
    """C of every arm, or of those that are identified."""
    return {arm: Gap(fit.C.mean, fit.C.sd) for arm, fit in fits.items() if fit.identified or not identified}


def whole_gaps(case: Case) -> dict[str, Gap]:
    """C of every arm that the full grid identifies."""
    return gaps(whole_fits(case))


def fitted_law(fit: LawFit) -> TrueLaw:
    """The law that a fit says: posterior means, and D such that it has the posterior's error in the middle of the
    sizes."""
    middle = float(np.exp(np.log(fit.n).mean()))
    D = (float(fit.predict(middle)) - fit.C.mean) * middle**fit.alpha.mean
    return TrueLaw(fit.alpha.mean, fit.C.mean, D, fit.sigma.mean)


def cross_task_trial(
    policy: str,
    case: Case,
    whole: Mapping[str, Gap],
    seed: int,
    share: float = 0.5,
    goals: Goals = DEFAULT_TERMS.goals,
) -> tuple[Apart, ...]:
    """How far C of each identified arm is from the full grid's, for this share of the grid's cost.

    The sweep is asked with `goals`, by default those of any sweep: alpha and C of every arm.
    """
    rules = Rules(budget=share * case.cost(), goals=goals, pilot=CROSS_TASK_PILOT)
    return gaps_apart(list(replay(case.pool(), POLICIES[policy], rules, seed))[-1].fits, whole)


def gaps_apart(fits: Mapping[str, LawFit], whole: Mapping[str, Gap]) -> tuple[Apart, ...]:
    """How far C of each arm of `whole` is from it; endless of one that was never run."""
    never = Gap(float("inf"), 1.0)
    found = {arm: Gap(fits[arm].C.mean, fits[arm].C.sd) if arm in fits else never for arm in whole}
    return tuple(
        Apart((found[arm].mean - gap.mean) / gap.sd, (found[arm].mean - gap.mean) / found[arm].sd)
        for arm, gap in whole.items()
    )


def _grid_gap(law: TrueLaw) -> tuple[float, float]:
    """Variance of C by the fixed grid after GRID_ROUNDS, and what that costs."""
    run = STANDARD_PRICES.pretrain + STANDARD_PRICES.finetune
    cost = GRID_ROUNDS * len(RUNGS) * run + STANDARD_PRICES.image * RUNGS[-1]
    return variance(GRID_ROUNDS * RUNGS, law, GAP), cost


def _plain(paper: Mapping[Setting, Curve]) -> dict[Setting, Curve]:
    return {s: c for s, c in paper.items() if (s.collection, s.backbone, s.fraction) == ("64k", "r50", 1)}


def _errors(arms: Sequence[PoolArm], curves: Mapping[Setting, Curve]) -> dict[str, Mapping[int, Sequence[float]]]:
    pairs = zip(arms, curves.values(), strict=True)
    return {arm.name: {int(n): [float(e)] for n, e in zip(c.n, c.error, strict=True)} for arm, c in pairs}


def _upto(sizes: Sequence[float], top: float) -> list[float]:
    return [n for n in sizes if n <= top * (1 + 1e-9)]
