"""Rendering settings and cross-task pairs with drawn laws: the recorded ones are one draw, on which nothing is chosen.

And what a policy is measured against on pairs: designs fixed beforehand (4 sizes for each pre-training task, and the
most sizes up to 64,000 that half of the grid's cost pays for); the bound is in `analysis.pair_bound`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from analysis.evidence.policy_questions import (
    RENDERING_PILOT,
    RUNGS,
    Apart,
    Case,
    Gap,
    gaps_apart,
    is_near_best,
    name_rendering,
)
from analysis.laws import Floats, TrueLaw
from analysis.policy.runs import Run
from analysis.replay.pools import STANDARD_PRICES, PoolArm
from analysis.replay.replay import Step

SETTINGS = 9
PRETRAIN_TASKS, FINETUNE_TASKS = 4, 3
_FOUR, _THREE = (1_000, 4_000, 16_000, 64_000), (1_000, 8_000, 64_000)
# Sizes of each pre-training task. Half of the grid's cost pays for 13 pre-trainings with all their fine-tunes where
# the largest is of 64,000, that is three sizes for each and a fourth for one, or four for all but one; four for all
# are 58 % of it.
DESIGNS: Mapping[str, Sequence[Sequence[int]]] = {
    "three_sizes_each": (_FOUR, _THREE, _THREE, _THREE),
    "four_sizes_but_for_one": (_FOUR, _FOUR, _FOUR, RUNGS[:1]),
    "four_sizes_each": (_FOUR,) * PRETRAIN_TASKS,
}


def drawn_renderings(i: int) -> tuple[Case, dict[str, float]]:
    """The i-th draw: nine settings at the paper's seven sizes, one run each; and their true errors at 64,000.

    C lies within 0.05 above a common 0.2 to 0.9; run noise is 0.001 to 0.004 (log-uniform). In even draws alpha and
    what is not transfer gap at n = 1,000 scatter by 0.4 and 0.3 in log about common values (log-normal about 0.4 and
    0.08, sd 0.4 and 0.5); in odd ones each setting has its own (about 0.35 and 0.08, sd 0.8 and 0.7).
    """
    rng = np.random.default_rng([78, i])
    base, noise = rng.uniform(0.2, 0.9), np.exp(rng.uniform(np.log(0.001), np.log(0.004)))
    common = np.exp(rng.normal(np.log([0.4, 0.08]), [0.4, 0.5]))
    arms, errors, truth = list[PoolArm](), dict[str, Mapping[int, Sequence[float]]](), dict[str, float]()
    for setting in range(SETTINGS):
        alike = common * np.exp(rng.normal(0, [0.4, 0.3]))
        own = np.exp(rng.normal(np.log([0.35, 0.08]), [0.8, 0.7]))
        alpha, removable = alike if i % 2 == 0 else own
        name = f"setting {setting}"
        law = base + rng.uniform(0, 0.05) + removable * (np.array(RUNGS) / 1000) ** -alpha
        runs = np.minimum(law * np.exp(noise * rng.standard_normal(len(RUNGS))), 1.0)
        arms.append(PoolArm(name, name, name, "all"))
        errors[name] = {n: [float(error)] for n, error in zip(RUNGS, runs, strict=True)}
        truth[name] = float(law[-1])
    return Case(tuple(arms), errors), truth


def drawn_rendering_trial(policy: str, i: int, pilot: tuple[int, ...] = RENDERING_PILOT) -> tuple[bool, float]:
    """Whether the setting it names for a fifth of the grid's cost has a true error at 64,000 within 0.002 of the best;
    and what it spent, as a share of the grid's cost."""
    case, truth = drawn_renderings(i)
    named, spent = name_rendering(policy, case, i, pilot)
    return is_near_best(named, truth), spent


def drawn_pairs(i: int) -> Case:
    """The i-th draw: 4 pre-training tasks x 3 fine-tuning tasks at the paper's seven sizes, one run each.

    Of a fine-tuning task alpha (log-normal about 0.45, sd 0.4 in log), the error at n = 1,000 (0.1 to 0.8) and the
    share of it that images can remove (0.1 to 0.5) are drawn; its pairs scatter about them in log by 0.15 (alpha),
    0.15 (C) and 0.25 (what images can remove).
    Run noise 0.001 to 0.006 (log-uniform), of a pair by 0.4 in log about it.
    """
    arms, errors = list[PoolArm](), dict[str, Mapping[int, Sequence[float]]]()
    for arm, law, noise in _pairs(i):
        runs = np.minimum(law.error(RUNGS) * np.exp(law.sigma * noise), 1.0)
        arms.append(arm)
        errors[arm.name] = {n: [float(error)] for n, error in zip(RUNGS, runs, strict=True)}
    return Case(tuple(arms), errors)


def _pairs(i: int) -> Iterator[tuple[PoolArm, TrueLaw, Floats]]:
    """Every pair of the i-th draw with its law and the standard normal noise of its runs, shape (rungs,)."""
    rng = np.random.default_rng([77, i])
    noise = np.exp(rng.uniform(np.log(0.001), np.log(0.006)))
    for fine in range(FINETUNE_TASKS):
        rate, first = np.exp(rng.normal(np.log(0.45), 0.4)), rng.uniform(0.1, 0.8)
        share = rng.uniform(0.1, 0.5)
        for task in range(PRETRAIN_TASKS):
            alpha = rate * np.exp(rng.normal(0, 0.15))
            removable = first * share * np.exp(rng.normal(0, 0.25))
            C = float(np.clip(first * (1 - share) * np.exp(rng.normal(0, 0.15)), 0.02, 0.95))
            sigma = noise * np.exp(rng.normal(0, 0.4))
            law = TrueLaw(float(alpha), C, float(removable * RUNGS[0] ** alpha), float(sigma))
            arm = PoolArm(f"task {task} > fine {fine}", "drawn", f"task {task}", f"fine {fine}")
            yield arm, law, rng.standard_normal(len(RUNGS))


def drawn_laws(i: int) -> dict[str, TrueLaw]:
    """The laws of the pairs of the i-th draw, by arm."""
    return {arm.name: law for arm, law, _ in _pairs(i)}


def design_apart(design: str, case: Case, whole: Mapping[str, Gap]) -> tuple[tuple[Apart, ...], float]:
    """How far C is from the full grid's where each pre-training task has the sizes of this design; and what it costs,
    as a share of the grid."""
    sizes = dict(zip(dict.fromkeys(arm.checkpoint for arm in case.arms), DESIGNS[design], strict=True))
    runs = tuple(Run(arm.name, n, 0) for arm in case.arms for n in sizes[arm.checkpoint])
    step = Step(case.pool(), runs, STANDARD_PRICES.total(case.pool(), runs))
    return gaps_apart(step.fits, whole), step.spent / case.cost()
