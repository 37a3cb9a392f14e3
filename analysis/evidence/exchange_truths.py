"""Simulated tables of errors over n and s whose law is known: one kind of truth for each law of (n, s).

Shapes are drawn evenly from ranges that are written here and that the priors of `analysis.exchange.laws` were not
fitted to. A run's log error is off by noise of its own, by the luck of its s photographs (shared by all n of a seed)
and by that of its checkpoint (shared by all s of a seed).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.exchange.fit import ExchangeFit
from analysis.exchange.laws import LAWS, JointLaw, Scale
from analysis.laws import Floats

KINDS = tuple(LAWS)
SIZES = np.array([500.0, 1_000.0, 4_000.0, 16_000.0, 64_000.0])
LABELS = np.array([100.0, 250.0, 600.0, 1_500.0, 4_000.0, 10_000.0])

_SCALE = Scale(4_000.0, 1_000.0, 0.5)


@dataclass(frozen=True, eq=False)
class Table:
    """Runs (runs,): n, s, error, seed."""

    n: Floats
    s: Floats
    error: Floats
    seed: Floats

    def only(self, keep: NDArray[np.bool_]) -> Table:
        """The runs to keep."""
        return Table(self.n[keep], self.s[keep], self.error[keep], self.seed[keep])


@dataclass(frozen=True, eq=False)
class Truth:
    """A known law: the parameters of one of `LAWS`, and the sd of the three kinds of noise in log error."""

    law: JointLaw
    theta: Floats
    sigma: float
    subset: float
    checkpoint: float

    def log_error(self, n: Floats, s: Floats) -> Floats:
        """The expected log error at each cell; (cells,)."""
        return self.law.values(self.theta[None], n, s, _SCALE)[0][0]

    def table(self, n: Floats, s: Floats, seeds: int, rng: np.random.Generator) -> Table:
        """Every n with every s and seed, errors of at most 1."""
        sizes, labels, seed = (each.reshape(-1) for each in np.meshgrid(n, s, np.arange(float(seeds)), indexing="ij"))
        shape = n.size, s.size, seeds
        off = self.sigma * rng.standard_normal(shape) + self.subset * rng.standard_normal((1, *shape[1:]))
        off = off + self.checkpoint * rng.standard_normal((n.size, 1, seeds)) * (n > 0)[:, None, None]
        error = np.minimum(np.exp(self.log_error(sizes, labels) + off.reshape(-1)), 1.0)
        return Table(sizes, labels, error, seed)


def drawn(kind: str, i: int) -> Truth:
    """Truth number i of a kind of `KINDS`; the same for the same arguments."""
    rng = np.random.default_rng([KINDS.index(kind), i])
    sigma = float(np.exp(rng.uniform(np.log(0.004), np.log(0.02))))
    subset, checkpoint = sigma * rng.uniform(0, 1.5), sigma * rng.uniform(0, 1)
    while True:
        theta = _SHAPES[kind](rng)
        truth = Truth(LAWS[kind], theta, sigma, subset, checkpoint)
        corners = truth.log_error(np.array([SIZES[0], SIZES[-1]]), np.array([LABELS[0], LABELS[-1]]))
        # A table whose errors leave (0, 1], or hardly move, is no table that anybody would fit.
        if corners[0] < -0.02 and corners[0] - corners[1] > 0.3:
            return truth


def _of_labels(rng: np.random.Generator) -> Floats:
    top, share = rng.uniform(0.85, 0.99), rng.uniform(0.01, 0.3)
    return np.array([
        np.log(rng.uniform(0.1, 1.5)),
        np.log(rng.uniform(0.7, 2.0)),
        np.log(rng.uniform(0.25, 0.8)),
        np.log(share / (1 - share)),
        np.log(top / (1 - top)),
        rng.uniform(np.log(0.05), np.log(5.0)),
        rng.uniform(np.log(0.1), np.log(5.0)),
        np.log(rng.uniform(0.5, 1.6)),
        np.log(rng.uniform(0.2, 1.2)),
        rng.uniform(-0.1, 0.6),
        rng.uniform(-1.0, 1.0),
    ])  # fmt: skip


def _of_paper(rng: np.random.Generator) -> Floats:
    return np.array([
        np.log(rng.uniform(0.5, 1.1)),
        np.log(rng.uniform(0.1, 0.8)),
        np.log(rng.uniform(0.1, 0.6)),
        np.log(rng.uniform(0.2, 5.0)),
    ])  # fmt: skip


def _of_relaxed(rng: np.random.Generator) -> Floats:
    return np.array([
        rng.uniform(-2.0, 0.0),
        np.log(rng.uniform(0.1, 0.6)),
        np.log(rng.uniform(0.1, 0.8)),
        rng.uniform(-1.5, 0.0),
        np.log(rng.uniform(0.1, 0.6)),
        rng.uniform(-4.0, -1.0),
    ])  # fmt: skip


_SHAPES = {"labels": _of_labels, "paper": _of_paper, "relaxed": _of_relaxed}


def known_fit(fit: ExchangeFit, truth: Truth) -> ExchangeFit:
    """What a fit would be that knew the truth, of the fit's own law: its one draw."""
    return replace(fit, scale=_SCALE, z=((truth.theta - fit.law.mean) / fit.law.sd)[None])
