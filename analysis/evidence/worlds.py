"""Simulated worlds in which whole sweeps are judged: a true curve, a question, and how runs scatter about the curve.

A stratum is a kind of world. Unless it says otherwise the curve is law (1), drawn broadly and not from the estimator's
prior: alpha log-uniform in 0.1 to 1.2, the error at 1,000 images log-uniform in 0.05 to 0.9, its share that is transfer
gap uniform in 0 to 0.98, the run noise log-uniform in 0.01 to 0.04. A third each asks for a target with any number of
images, for one within 256,000, and for the next doubling.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import ndtri

from analysis.estimator.posterior import ALPHA_RANGE
from analysis.estimator.prior import Prior
from analysis.laws import Floats, TrueLaw
from analysis.policy.runs import Run

QUESTIONS = ("target, any n", "target, n limited", "next doubling")
LADDER = tuple(1000 * 2**i for i in range(7))
N_LIMIT = 256_000
MIN_GAIN = 0.01
# Of the variance of the run noise, what the runs of a seed share where seeds are crossed.
SEED_SHARE = 0.5
# Correlation, over test images, of what makes two runs err on the same image.
_ALIKE = 0.6
RESAMPLES = 200

Curve = Callable[[Floats], Floats]


@dataclass(frozen=True)
class World:
    """A known truth and what is asked of it.

    `law`: its alpha, C and D, and sigma, the sd of a run's log error. `curve`: the true error where it is not the
    law's. `target` None: does the next doubling lower the error by the share `min_gain`? `crossed`: the noise of a
    run's seed is the same at every n; `blocks`: the fit is told. `test_size`: images on which all runs are tested.
    """

    law: TrueLaw
    target: float | None
    n_limit: int | None = None
    min_gain: float = MIN_GAIN
    curve: Curve | None = None
    crossed: bool = False
    blocks: bool = False
    test_size: int | None = None

    @property
    def question(self) -> str:
        """Its entry of QUESTIONS."""
        return QUESTIONS[2] if self.target is None else QUESTIONS[self.n_limit is not None]

    def error(self, n: float) -> float:
        """The true error at n."""
        return float((self.curve or self.law.error)(np.asarray(n, float)))

    def bears_out(self, label: str, n_now: float) -> bool:
        """Whether a label is right, n_now images being the most that were run."""
        if self.target is None:
            pays = bool(1 - self.error(2 * n_now) / self.error(n_now) >= self.min_gain)
            return label == ("render more" if pays else "change the rendering")
        if label == "good enough":
            return bool(self.error(n_now) <= self.target)
        last = self.error(1e12) if self.n_limit is None else self.error(max(self.n_limit, n_now))
        return label == ("render more" if last <= self.target else "change the rendering")


@dataclass(eq=False)
class Measurements:
    """The runs of one world: the same run always has the same error."""

    world: World
    seed: int
    _images: tuple[Floats, Floats] | None = field(default=None, init=False)

    def error(self, run: Run) -> tuple[float, Floats | None]:
        """A run's error, and its log error on resamples of the test images where there is a test set."""
        share = SEED_SHARE if self.world.crossed else 0.0
        own = np.random.default_rng([self.seed, run.n, run.seed]).standard_normal()
        of_seed = np.random.default_rng([self.seed, run.seed]).standard_normal()
        noise = np.sqrt(1 - share) * own + np.sqrt(share) * of_seed
        error = min(self.world.error(run.n) * float(np.exp(self.world.law.sigma * noise)), 1.0)
        if self.world.test_size is None:
            return error, None
        return self._counted(run, error)

    def _counted(self, run: Run, error: float) -> tuple[float, Floats]:
        """Mistakes on the images that all runs share: an image is as hard for every run, up to the run's own luck."""
        size = self.world.test_size
        assert size is not None
        if self._images is None:
            rng = np.random.default_rng([self.seed, 1])
            self._images = rng.standard_normal(size), rng.multinomial(size, np.full(size, 1 / size), RESAMPLES) / size
        hard, weights = self._images
        luck = np.random.default_rng([self.seed, 2, run.n, run.seed]).standard_normal(size)
        wrong = np.sqrt(_ALIKE) * hard + np.sqrt(1 - _ALIKE) * luck < ndtri(min(error, 1 - 1e-9))
        least = 0.5 / size
        return max(float(wrong.mean()), least), np.log(np.maximum(weights @ wrong, least))


def _law(rng: np.random.Generator, noise: tuple[float, float]) -> TrueLaw:
    alpha, level, sigma = np.exp(rng.uniform(np.log([0.1, 0.05, noise[0]]), np.log([1.2, 0.9, noise[1]])))
    C = level * rng.uniform(0.0, 0.98)
    return TrueLaw(float(alpha), float(C), float((level - C) * LADDER[0] ** alpha), float(sigma))


def _asked(world: World, rng: np.random.Generator, i: int) -> World:
    """The i-th question of this curve; targets are log-uniform from half the error at the top to that at 1,000."""
    low, high = np.log([world.error(LADDER[-1]) / 2, min(world.error(LADDER[0]), 1.0)])
    target = float(np.exp(rng.uniform(low, high)))
    asks = QUESTIONS[i % 3]
    return replace(
        world,
        target=None if asks == QUESTIONS[2] else target,
        n_limit=N_LIMIT if asks == QUESTIONS[1] else None,
    )


def broad(i: int, *, noise: tuple[float, float] = (0.01, 0.04), crossed: bool = False, blocks: bool = False) -> World:
    """The i-th broad truth."""
    rng = np.random.default_rng([41, i])
    return _asked(World(_law(rng, noise), None, crossed=crossed, blocks=blocks), rng, i)


def of_prior(i: int) -> World:
    """A truth from the prior without discrepancy; a plateau is a law with D = 0."""
    rng, p = np.random.default_rng([42, i]), Prior()
    middle = np.sqrt(LADDER[0] * LADDER[-1])
    while True:
        alpha = float(np.exp(np.log(p.alpha_median) + p.alpha_log_sd * rng.standard_normal()))
        level = float(np.exp(rng.normal(p.log_error_mean, p.log_error_sd)))
        r = 1.0 if rng.random() < p.plateau_share else float(rng.beta(p.r_a, p.r_b))
        sigma = p.sigma_quantile(rng.uniform())
        law = TrueLaw(alpha, level * r, level * (1 - r) * middle**alpha, sigma)
        if float(law.error(LADDER[0])) * np.exp(2 * sigma) < 1 and ALPHA_RANGE[0] < alpha < ALPHA_RANGE[1]:
            return _asked(World(law, None), rng, i)


def near_the_line(i: int) -> World:
    """A truth within 30 % of the line: the next doubling gains 0.7 to 1.3 times what pays, or the target lies at 0.7 to
    1.3 times the fall from the top to what the limit allows."""
    rng = np.random.default_rng([43, i])
    while True:
        world = _asked(World(_law(rng, (0.01, 0.04)), None), rng, i)
        now, share = world.error(LADDER[-1]), rng.uniform(0.7, 1.3)
        if world.target is None:
            gain = 1 - world.error(2 * LADDER[-1]) / now
            if 0.002 < gain < 0.05:
                return replace(world, min_gain=gain / share)
            continue
        last = world.error(N_LIMIT) if world.n_limit else world.law.C
        if now - last > 0.01 * now and now - share * (now - last) > 0:
            return replace(world, target=now - share * (now - last))


def tested(i: int) -> World:
    """A broad truth with noise of 1 %, all runs tested on the same 300 to 3,000 images."""
    size = int(np.exp(np.random.default_rng([44, i]).uniform(np.log(300), np.log(3000))))
    return replace(broad(i, noise=(0.01, 0.01)), test_size=size)


def bent(i: int, kind: str) -> World:
    """A broad truth that leaves the law: a "plateau", which does not fall beyond 500 to 8,000 images; a "late plateau",
    where the fall ends between 8,000 and 128,000; a "rise" from there on by n^0.02 to n^0.1; or a "double descent", a
    bump or dip of 2 to 10 % about there."""
    rng = np.random.default_rng([45, i])
    law = _law(rng, (0.01, 0.02))
    low, high = (500, 8_000) if kind == "plateau" else (8_000, 128_000)
    turn = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    size, width = rng.choice([-1, 1]) * rng.uniform(0.02, 0.1), rng.uniform(0.4, 1.0)

    def ended(n: Floats) -> Floats:
        return law.error(np.minimum(n, turn))

    curves: dict[str, Curve] = {
        "plateau": ended,
        "late plateau": ended,
        "rise": lambda n: np.minimum(ended(n) * np.maximum(n / turn, 1.0) ** abs(size), 1.0),
        "double descent": lambda n: law.error(n) * (1 + size * np.exp(-0.5 * (np.log(n / turn) / width) ** 2)),
    }
    return _asked(World(law, None, curve=curves[kind]), rng, i)


STRATA: dict[str, Callable[[int], World]] = {
    "prior": of_prior,
    "noise_1_percent": partial(broad, noise=(0.01, 0.01)),
    "noise_2_percent": partial(broad, noise=(0.02, 0.02)),
    "noise_4_percent": partial(broad, noise=(0.04, 0.04)),
    "near_the_line": near_the_line,
    "seeds_independent": broad,
    "seeds_crossed_untold": partial(broad, crossed=True),
    "seeds_crossed_blocks": partial(broad, crossed=True, blocks=True),
    "test_set": tested,
    "plateau": partial(bent, kind="plateau"),
    "late_plateau": partial(bent, kind="late plateau"),
    "rise": partial(bent, kind="rise"),
    "double_descent": partial(bent, kind="double descent"),
}
