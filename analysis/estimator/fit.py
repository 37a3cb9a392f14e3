"""Fit law (1), error(n) = D n^-alpha + C, to an arm's runs: what is known of it and what is not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from analysis.estimator.identified import beyond_prior, identifies, residual_dof
from analysis.estimator.law_fit import Estimate, LawFit, Method
from analysis.estimator.least_squares import LeastSquares, Space, least_squares
from analysis.estimator.likelihood import arm_data
from analysis.estimator.observations import Observed, check_runs, name_arm
from analysis.estimator.outliers import outlier_chances, outlier_parts
from analysis.estimator.pooling import FEWEST_ARMS, FEWEST_TEACHERS, pooled_priors, with_shared_noise
from analysis.estimator.posterior import LogRatio, arm_parts, draw, fit_grids
from analysis.estimator.prior import Prior
from analysis.laws import Floats, LawSamples

# Least squares identifies a value when its standard error is at most this share of the value (alpha) or of the mean
# error (C).
_NLS_SHARE = 0.5


def fit_law(
    n: ArrayLike,
    error: ArrayLike,
    *,
    method: Method = "posterior",
    D: float | None = None,
    prior: Prior | None = None,
    seed: int = 0,
    trajectory: ArrayLike | None = None,
    block: ArrayLike | None = None,
    test_size: ArrayLike | None = None,
    log_variance: ArrayLike | None = None,
    space: Space = "linear",
) -> LawFit:
    """Fit law (1) to the runs of one arm.

    Args:
        n: images of each run, shape (runs,), above 0. The reference n = 0 (no pre-training) is no part of the fit.
        error: error of each run, shape (runs,), in (0, 1]; 0 too where `test_size` is given: half a mistake stands for
            none. Repeats of a size are entries of their own.
        method: "posterior", or "nls" for the paper's least squares.
        D: the value at which "nls" holds D fixed (the paper: 0.48); None: it is fitted.
        prior: of the posterior; None: the default.
        seed: decides the draws; the same seed gives the same fit.
        trajectory: what training each point comes from, shape (runs,), any values. Points of one training share its
            noise: of more than TRAJECTORY_POINTS those nearest to places even in log n are kept, and the rest counted.
        block: what block each run belongs to, shape (runs,), any values: runs that share a seed or a choice of images.
            They share a part of the run noise, which is inferred. For the posterior alone.
        test_size: test images, one number or shape (runs,). The binomial variance of the counted mistakes is added to
            `log_variance`, and answers about the error itself carry the test set's sampling (`LawFit.level_shift`).
            Least squares weights all runs alike and takes only the latter.
        log_variance: known variance of each log error, shape (runs,): that of the mean over a run's fine-tuning
            repeats. It is added to the run noise, which is inferred.
        space: where "nls" sums its squares: "linear", as the paper's code does, or "log", as its text says.

    Raises:
        ValueError: in one line, for observations outside these ranges or options that do not go together.
    """
    seen = check_runs("", n, error, log_variance, trajectory=trajectory, block=block, test_size=test_size)
    return fit_laws({"": seen}, method=method, D=D, prior=prior, seed=seed, space=space)[""]


def fit_laws(
    arms: Mapping[str, Sequence[ArrayLike] | Observed],
    *,
    method: Method = "posterior",
    D: float | None = None,
    prior: Prior | None = None,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
    space: Space = "linear",
) -> dict[str, LawFit]:
    """Fit law (1) to every arm.

    The posterior pools: all arms share a level of run noise, and the arms of a group share D and alpha as far as their
    runs agree.

    Args:
        arms: (n, error) or (n, error, log_variance) of each arm, as in `fit_law`; or what `check_runs` makes of them
            with a trajectory, blocks or test sizes.
        groups: the group of each arm; None: all arms are one group. Put arms in one group that share the fine-tuning
            task, its amount of data and the backbone.
        method, D, prior, seed, space: as in `fit_law`.

    Raises:
        ValueError: as `fit_law` does; the line names the arm.
    """
    checked = {arm: seen if isinstance(seen, Observed) else check_runs(arm, *seen) for arm, seen in arms.items()}
    if method == "nls":
        if D is not None and not D > 0:
            raise ValueError(f"D is {D}; it must be above 0, or None to fit it")
        if any(seen.block is not None for seen in checked.values()):
            raise ValueError("least squares knows of no block; leave it out or use method='posterior'")
        if space not in ("linear", "log"):
            raise ValueError(f"unknown space {space!r}; choose 'linear' or 'log'")
        return {arm: _fit_nls(arm, seen, D, seed, space) for arm, seen in checked.items()}
    if method != "posterior":
        raise ValueError(f"unknown method {method!r}; choose 'posterior' or 'nls'")
    if D is not None:
        raise ValueError("D can only be fixed with method='nls'; the posterior infers it")
    if space != "linear":
        raise ValueError("a space can only be chosen with method='nls'; the posterior is one of log errors")
    return _fit_posterior(checked, groups or {}, prior or Prior(), seed)


def _fit_posterior(
    arms: Mapping[str, Observed], groups: Mapping[str, str], prior: Prior, seed: int
) -> dict[str, LawFit]:
    def rng(arm: str) -> np.random.Generator:
        return np.random.default_rng([seed, crc32(arm.encode())])

    data = {arm: arm_data(seen.n, seen.error, seen.log_variance, seen.block) for arm, seen in arms.items()}
    split = outlier_parts if prior.outlier_share > 0 else arm_parts
    grids = {arm: fit_grids(split(seen, prior), prior) for arm, seen in data.items()}
    if len(arms) > 1:
        told_noise = with_shared_noise(grids, prior)
        ratios = dict[str, LogRatio]()
        for sloping, flat in _pools(arms, groups):
            alone = [(data[arm], draw(prior, told_noise[arm], rng(arm))) for arm in sloping]
            told, told_flat = pooled_priors(alone, [data[arm] for arm in flat], prior)
            # Too few arms with a slope get no information from their group.
            ratios |= dict(zip(sloping, told, strict=False)) | dict(zip(flat, told_flat, strict=True))
        grids = {arm: fit_grids([grid.part for grid in own], prior, ratios.get(arm)) for arm, own in told_noise.items()}
    samples = {arm: draw(prior, grids[arm], rng(arm)) for arm in arms}
    dof = _dof_by_group(arms, groups)
    return {
        arm: _posterior_fit(seen, samples[arm], outlier_chances(grids[arm]), prior, dof[groups.get(arm, "")])
        for arm, seen in arms.items()
    }


def _dof_by_group(arms: Mapping[str, Observed], groups: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for arm, seen in arms.items():
        found[groups.get(arm, "")] = found.get(groups.get(arm, ""), 0) + residual_dof(seen.n)
    return found


def _pools(arms: Mapping[str, Observed], groups: Mapping[str, str]) -> list[tuple[list[str], list[str]]]:
    """The groups that are large enough to learn from: arms whose runs show a slope, and those at a single size."""
    members: dict[str, tuple[list[str], list[str]]] = {}
    for arm, seen in arms.items():
        members.setdefault(groups.get(arm, ""), ([], []))[seen.sizes == 1].append(arm)
    return [
        (sloping, flat)
        for sloping, flat in members.values()
        if len(sloping) >= (FEWEST_TEACHERS if flat else FEWEST_ARMS)
    ]


def _posterior_fit(seen: Observed, samples: LawSamples, outlier: Floats, prior: Prior, dof: int) -> LawFit:
    beyond = beyond_prior(samples, prior)
    identified, reason = (False, beyond) if beyond else identifies(seen, samples, dof)
    values = (samples.alpha, samples.limit, samples.D, samples.sigma)
    estimates = [Estimate(float(draws.mean()), float(draws.std()), draws) for draws in values]
    fit = _law_fit(seen, "posterior", estimates, samples, (identified, reason), outlier, dof, beyond)
    if seen.test_size is None:
        return fit
    # C is of the error itself, and carries the sampling of the test set.
    gap = fit.gap()
    return replace(fit, C=Estimate(float(gap.mean()), float(gap.std()), gap))


def _fit_nls(arm: str, seen: Observed, D: float | None, seed: int, space: Space) -> LawFit:
    need = 3 if D is None else 2
    if seen.sizes < need:
        raise ValueError(
            f"{name_arm(arm)}least squares needs at least {need} distinct sizes, there are {seen.sizes};"
            " add runs or use method='posterior'"
        )
    found = least_squares(seen.n, seen.error, D, np.random.default_rng(seed), space)
    values = (found.alpha, found.C, found.D, found.sigma)
    spread = (*found.sd.tolist(), float("nan"))
    samples = found.samples
    draws = (samples.alpha, samples.C, samples.D, samples.sigma)
    estimates = [Estimate(*each) for each in zip(values, spread, draws, strict=True)]
    known = _nls_identified(found, float(seen.error.mean()))
    return _law_fit(seen, "nls", estimates, samples, known, np.zeros(seen.n.size), residual_dof(seen.n))


def _law_fit(
    seen: Observed,
    method: Method,
    estimates: list[Estimate],
    samples: LawSamples,
    known: tuple[bool, str],
    outlier: Floats,
    dof: int,
    beyond_prior: str = "",
) -> LawFit:
    alpha, C, D, sigma = estimates
    identified, reason = known
    return LawFit(
        n=seen.n,
        error=seen.error,
        log_variance=seen.log_variance,
        method=method,
        alpha=alpha,
        C=C,
        D=D,
        sigma=sigma,
        samples=samples,
        identified=identified,
        reason=reason,
        outlier=outlier,
        beyond_prior=beyond_prior,
        test_size=seen.test_size,
        left_out=seen.left_out,
        residual_dof=dof,
        images=seen.images,
    )


def _nls_identified(found: LeastSquares, mean_error: float) -> tuple[bool, str]:
    if found.at_bound:
        return False, f"{' and '.join(found.at_bound)} ran into a bound"
    if found.dof < 1:
        return False, "as many values as runs: no spare run to judge the fit by"
    if found.sd[0] > _NLS_SHARE * found.alpha or found.sd[1] > _NLS_SHARE * mean_error:
        return False, "the standard errors are too wide for alpha or C to mean much"
    return True, "the runs determine alpha and C"
