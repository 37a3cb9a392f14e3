"""How likely measured log errors are under a law's values: noise of its own for each run, and luck that runs share.

The covariance of the log errors is sigma^2 (I + r1 [same s and seed] + r2 [same n and seed] + r3 K). Runs on one choice
of s photographs share its luck, runs from one checkpoint that of its pre-training; K is smooth over log n and log s:
how a law that is nearly right goes wrong. The ratios r lie on a small grid and sigma^2 has an inverse chi-squared
prior, so that both are integrated out and a law's parameters alone are sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import gammaln, logsumexp

from analysis.laws import Floats

# Powers of four of the variance of a run, each as likely as the other before any run; a misfit that is no larger than
# the noise is not told from it.
_SUBSET, _CHECKPOINT, _MISFIT = (0.0, 1.0, 4.0), (0.0, 1.0), (0.0, 4.0)
# K falls to 0.6 over a factor of e^1.5 in s and e^2 in n; n = 0 lies as far below the smallest n.
_REACH_S, _REACH_N = 1.5, 2.0
# One run's worth of a guess at sigma: a per cent, as single fine-tunes have.
_GUESSED_RUNS, _GUESSED_SIGMA = 1.0, 0.01


@dataclass(frozen=True, eq=False)
class JointRuns:
    """Runs: n >= 0, s > 0, log error, and the seed as a number; all (runs,)."""

    n: Floats
    s: Floats
    log_error: Floats
    seed: NDArray[np.int_]

    @property
    def error(self) -> Floats:
        """In (0, 1]; (runs,)."""
        return np.asarray(np.exp(self.log_error))

    def only(self, keep: NDArray[np.bool_]) -> JointRuns:
        """The runs to keep."""
        return JointRuns(self.n[keep], self.s[keep], self.log_error[keep], self.seed[keep])


@dataclass(frozen=True, eq=False)
class _Covariance:
    """One choice of the ratios: what the likelihood needs of it, over the table's cells (n, s)."""

    ratios: tuple[float, float, float]
    best: Floats
    precision: Floats
    rest: float
    log_determinant: float


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Of runs on `cells` (n, s), each named once; `row`: the cell of each run."""

    runs: JointRuns
    n: Floats
    s: Floats
    row: NDArray[np.intp]
    choices: tuple[_Covariance, ...]

    @staticmethod
    def of(runs: JointRuns) -> Likelihood:
        """Everything that does not depend on the law's values."""
        cells, row = np.unique(np.column_stack([runs.n, runs.s]), axis=0, return_inverse=True)
        row = row.reshape(-1)
        parts = _parts(runs, runs)
        free = [ratios if _matters(part) else (0.0,) for part, ratios in zip(parts, _RATIOS, strict=True)]
        choices = tuple(_covariance(runs, row, parts, ratios) for ratios in product(*free))
        return Likelihood(runs, cells[:, 0], cells[:, 1], row, choices)

    def log_density(self, log_law: Floats) -> Floats:
        """Of the runs, sigma and ratios integrated out; log_law: (draws, cells); returns (draws,)."""
        return np.asarray(logsumexp(self._by_choice(log_law), axis=1))

    def _by_choice(self, log_law: Floats) -> Floats:
        return np.stack([self._of_choice(each, log_law) for each in self.choices], axis=1)

    def _of_choice(self, choice: _Covariance, log_law: Floats) -> Floats:
        runs = self.runs.n.size
        nu = _GUESSED_RUNS
        scale = nu * _GUESSED_SIGMA**2
        constant = gammaln((nu + runs) / 2) - gammaln(nu / 2) - runs / 2 * np.log(np.pi * scale)
        squares = self._squares(choice, log_law)
        return np.asarray(constant - choice.log_determinant / 2 - (nu + runs) / 2 * np.log1p(squares / scale)) - np.log(
            len(self.choices)
        )

    @staticmethod
    def _squares(choice: _Covariance, log_law: Floats) -> Floats:
        off = log_law - choice.best
        return choice.rest + np.einsum("dc,dc->d", off @ choice.precision, off)

    def draw_noise(self, log_law: Floats, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int_]]:
        """sigma^2 and the number of the ratios, for each draw of the law."""
        dense = self._by_choice(log_law)
        weight = np.exp(dense - logsumexp(dense, axis=1, keepdims=True)).cumsum(axis=1)
        chosen = (rng.random((weight.shape[0], 1)) > weight[:, :-1]).sum(axis=1)
        squares = np.array(
            [self._squares(self.choices[c], law[None])[0] for c, law in zip(chosen, log_law, strict=True)]
        )
        freedom = _GUESSED_RUNS + self.runs.n.size
        sigma2 = (_GUESSED_RUNS * _GUESSED_SIGMA**2 + squares) / rng.chisquare(freedom, squares.size)
        return sigma2, chosen

    def predicted(self, log_law: Floats, new: JointRuns, new_law: Floats, noise: tuple[Floats, NDArray[np.int_]],
                  rng: np.random.Generator, *, luck: bool) -> Floats:  # fmt: skip
        """Log errors at new runs, given those measured; (draws, new runs).

        `luck`: with the luck and noise that a run there has; else the error expected, whatever the subset.
        `new.log_error` is not looked at.
        """
        out = np.empty_like(new_law)
        sigma2, chosen = noise
        for c in np.unique(chosen):
            mine = chosen == c
            gain, spread = self._conditional(self.choices[c].ratios, new, luck)
            residual = self.runs.log_error - log_law[mine][:, self.row]
            tosses = rng.standard_normal((int(mine.sum()), new.n.size)) @ spread.T
            out[mine] = new_law[mine] + residual @ gain.T + np.sqrt(sigma2[mine])[:, None] * tosses
        return out

    def _conditional(self, ratios: tuple[float, float, float], new: JointRuns, luck: bool) -> tuple[Floats, Floats]:
        known = cho_factor(_mixed(_parts(self.runs, self.runs), ratios) + np.eye(self.runs.n.size))
        asked = ratios if luck else (0.0, 0.0, ratios[2])
        across = _mixed(_parts(new, self.runs), asked)
        own = _mixed(_parts(new, new), asked) + (luck + 1e-9) * np.eye(new.n.size)
        gain = cho_solve(known, across.T).T
        values, vectors = np.linalg.eigh(own - gain @ across.T)
        return gain, vectors * np.sqrt(np.maximum(values, 0.0))


_RATIOS = (_SUBSET, _CHECKPOINT, _MISFIT)


def _parts(one: JointRuns, other: JointRuns) -> tuple[Floats, Floats, Floats]:
    """Correlation of the luck of subsets, of checkpoints, and of the misfit; each (one, other)."""
    seeds = one.seed[:, None] == other.seed[None]
    subset = seeds & (one.s[:, None] == other.s[None])
    checkpoint = seeds & (one.n[:, None] == other.n[None]) & (one.n[:, None] > 0)
    least = min([*one.n[one.n > 0], *other.n[other.n > 0]], default=1.0)
    at_one, at_other = (np.log(np.where(runs.n > 0, runs.n, least * np.exp(-_REACH_N))) for runs in (one, other))
    near = ((at_one[:, None] - at_other[None]) / _REACH_N) ** 2
    near = near + ((np.log(one.s)[:, None] - np.log(other.s)[None]) / _REACH_S) ** 2
    return subset.astype(float), checkpoint.astype(float), np.exp(-near / 2)


def _matters(part: Floats) -> bool:
    """Whether runs share anything of it."""
    return bool((part - np.diag(np.diag(part)) > 1e-6).any())


def _mixed(parts: tuple[Floats, Floats, Floats], ratios: tuple[float, ...]) -> Floats:
    mixed: Floats = sum(ratio * part for ratio, part in zip(ratios, parts, strict=True))  # type: ignore[assignment]
    return mixed


def _covariance(
    runs: JointRuns, row: NDArray[np.intp], parts: tuple[Floats, Floats, Floats], ratios: tuple[float, ...]
) -> _Covariance:
    count = runs.n.size
    factor = cho_factor(_mixed(parts, ratios) + np.eye(count))
    of_cell = np.zeros((count, int(row.max()) + 1))
    of_cell[np.arange(count), row] = 1.0
    solved = cho_solve(factor, np.column_stack([of_cell, runs.log_error]))
    precision = of_cell.T @ solved[:, :-1]
    best = np.linalg.solve(precision, of_cell.T @ solved[:, -1])
    off = runs.log_error - of_cell @ best
    rest = float(off @ cho_solve(factor, off))
    return _Covariance(
        (ratios[0], ratios[1], ratios[2]),
        best,
        precision,
        rest,
        float(2 * np.log(np.diag(factor[0])).sum()),
    )
