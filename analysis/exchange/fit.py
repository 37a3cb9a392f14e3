"""The posterior of a law of (n, s) from measured errors, and what it predicts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.exchange.laws import DEFAULT, LAWS, JointLaw, Scale
from analysis.exchange.noise import JointRuns, Likelihood
from analysis.exchange.sampler import sample
from analysis.laws import Floats

DRAWS = 500
MOST_RUNS = 2_000
# Runs that a posterior of ten parameters says anything of, priors being what they are.
FEWEST_RUNS = 6
# A law is asked for no more than this beyond the labels and renders that were measured: a doubling.
BEYOND = 2.0


@dataclass(frozen=True, eq=False)
class ExchangeFit:
    """Draws of a law of (n, s). `z`: (draws, parameters). `set_aside`: runs at n = 0 that the law says nothing of.

    `log_evidence` is comparable between laws on the same runs only.
    """

    law: JointLaw
    scale: Scale
    likelihood: Likelihood
    z: Floats
    noise: tuple[Floats, NDArray[np.int_]]
    log_evidence: float
    set_aside: int

    @property
    def runs(self) -> JointRuns:
        """The runs that were fitted."""
        return self.likelihood.runs

    @property
    def theta(self) -> Floats:
        """Parameters in the law's own terms; (draws, parameters)."""
        return self.law.mean + self.law.sd * self.z

    def log_error(self, n: ArrayLike, s: ArrayLike) -> Floats:
        """Log error of the law at n and s, which broadcast to one axis; (draws, cells)."""
        sizes, labels = _cells(n, s)
        return self.law.log_error(self.z, sizes, labels, self.scale)

    def predict(
        self, n: ArrayLike, s: ArrayLike, seed: int | None = None, *, luck: bool = True, random: int = 0
    ) -> Floats:
        """Draws of the log error that runs at n and s would show; (draws, cells).

        Args:
            n, s: where; both broadcast to one axis.
            seed: the number of the seed in `runs` whose subsets and checkpoints they share; None: all their own.
            luck: False for the expected error, without a run's luck and noise.
            random: seed of the draws.
        """
        sizes, labels = _cells(n, s)
        blocks = np.full(sizes.size, seed) if seed is not None else -1 - np.arange(sizes.size)
        new = JointRuns(sizes, labels, np.zeros(sizes.size), blocks)
        known = self.likelihood
        at_cells = self.law.log_error(self.z, known.n, known.s, self.scale)
        rng = np.random.default_rng([random, 1])
        return known.predicted(at_cells, new, self.log_error(sizes, labels), self.noise, rng, luck=luck)


def fit_exchange(
    n: ArrayLike,
    s: ArrayLike,
    error: ArrayLike,
    *,
    seed: Sequence[Hashable] | None = None,
    law: str = DEFAULT,
    draws: int = DRAWS,
    random: int = 0,
) -> ExchangeFit:
    """The posterior of a law of (n, s).

    Args:
        n: images of the pre-training of each run, 0 for none; (runs,).
        s: labels that it was fine-tuned on, above 0; (runs,).
        error: its error, in (0, 1]; (runs,).
        seed: what tells subsets of photographs, and checkpoints, of equal size apart; None: each size has one of each.
        law: "labels", "paper" or "relaxed" (`analysis.exchange.laws`).
        draws: draws of the posterior.
        random: seed of the draws.

    Raises:
        ValueError: in one line, where the runs cannot say anything of both sizes.
    """
    chosen = LAWS[law]
    runs = checked(n, s, error, seed)
    fitted = runs if chosen.holds_at_zero else runs.only(runs.n > 0)
    if not chosen.holds_at_zero and np.unique(fitted.n).size < 2:
        raise ValueError(f"law {law} needs runs at two sizes n > 0; there is one")
    scale = Scale.of(runs.n, runs.s, np.exp(runs.log_error))
    likelihood = Likelihood.of(fitted)
    rng = np.random.default_rng(random)

    def log_density(z: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            found = likelihood.log_density(chosen.log_error(z, likelihood.n, likelihood.s, scale))
        return np.where(np.isfinite(found), found, -1e12)

    sampled = sample(log_density, len(chosen.parameters), draws, rng)
    at_cells = chosen.log_error(sampled.z, likelihood.n, likelihood.s, scale)
    noise = likelihood.draw_noise(at_cells, rng)
    set_aside = runs.n.size - fitted.n.size
    return ExchangeFit(chosen, scale, likelihood, sampled.z, noise, sampled.log_evidence, set_aside)


def checked(n: ArrayLike, s: ArrayLike, error: ArrayLike, seed: Sequence[Hashable] | None = None) -> JointRuns:
    """Runs over both sizes, equal ones (n, s, seed) as their mean; ValueError where they cannot be fitted."""
    sizes, labels, errors = (np.asarray(each, float).reshape(-1) for each in (n, s, error))
    if not sizes.size == labels.size == errors.size:
        raise ValueError(f"n, s and error have {sizes.size}, {labels.size} and {errors.size} values; give one a run")
    if not (np.isfinite(sizes).all() and (sizes >= 0).all()):
        raise ValueError("n must be finite and 0 or more")
    if not (np.isfinite(labels).all() and (labels > 0).all()):
        raise ValueError("s must be finite and above 0")
    if not ((errors > 0) & (errors <= 1)).all():
        raise ValueError("errors must lie in (0, 1]")
    numbers = {name: i for i, name in enumerate(dict.fromkeys(seed or []))}
    ids = np.array([numbers[name] for name in seed] if seed is not None else np.zeros(sizes.size), int)
    keys, row = np.unique(np.column_stack([sizes, labels, ids]), axis=0, return_inverse=True)
    logs = np.bincount(row.reshape(-1), np.log(errors)) / np.bincount(row.reshape(-1))
    runs = JointRuns(keys[:, 0], keys[:, 1], logs, keys[:, 2].astype(int))
    _refuse(runs)
    return runs


def _refuse(runs: JointRuns) -> None:
    if np.unique(runs.s).size < 2:
        raise ValueError("all runs have the same s; what renders are worth in labels needs runs at two s or more")
    if np.unique(runs.n).size < 2:
        raise ValueError("all runs have the same n; what renders are worth in labels needs two n or more, 0 may be one")
    if runs.n.size < FEWEST_RUNS:
        raise ValueError(f"there are {runs.n.size} runs over (n, s); label equivalents need {FEWEST_RUNS} or more")
    if runs.n.size > MOST_RUNS:
        raise ValueError(
            f"there are {runs.n.size:,} runs over (n, s), more than the {MOST_RUNS:,} that are fitted; leave"
            " points of each training out"
        )


def _cells(n: ArrayLike, s: ArrayLike) -> tuple[Floats, Floats]:
    sizes, labels = np.broadcast_arrays(np.asarray(n, float), np.asarray(s, float))
    return sizes.reshape(-1), labels.reshape(-1)
