"""Are verdicts right as often as they say? Whole sweeps of single arms with known truth, to the first certain verdict.

Truths are drawn broadly, not from the estimator's prior: alpha log-uniform in 0.1 to 1.2, the error at 1,000 images
log-uniform in 0.05 to 0.9, its share that is transfer gap uniform in 0 to 0.98, the run noise log-uniform in 0.001
to 0.03. A third each asks for a target with any number of images, for one within 256,000, and for the next doubling. A
sweep begins with the pilot's three sizes, takes what the policy proposes, looks after every run and stops, as a real
one does, at the first verdict that is given: looking often must not make verdicts wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.estimator.fit import fit_law
from analysis.laws import TrueLaw, law_error
from analysis.policy.adaptive import propose
from analysis.policy.goals import Goals, Terms
from analysis.policy.runs import ArmState, Run
from analysis.replay.pools import EQUAL_PRICES
from analysis.verdict.verdict import Verdict, verdict

QUESTIONS = ("target, any n", "target, n limited", "next doubling")
LADDER = tuple(1000 * 2**i for i in range(7))
PILOT = (64000, 8000, 1000)
MOST_RUNS = 12
N_LIMIT = 256_000
MIN_GAIN = 0.01
HEAD = "question,probability_from,probability_to,verdicts,mean_probability,right,share_right"
# Edges of the table's rows; a verdict is given from 0.95 on.
_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Truth(TrueLaw):
    """A known law and what is asked of it; `target` None: does the next doubling pay?"""

    target: float | None
    n_limit: int | None

    @property
    def question(self) -> str:
        """Its entry of QUESTIONS."""
        return QUESTIONS[2] if self.target is None else QUESTIONS[self.n_limit is not None]

    def bears_out(self, label: str, n_now: float) -> bool:
        """Whether a label is right, n_now images being the most that were run."""
        if self.target is None:
            pays = bool(1 - self.error(2 * n_now) / self.error(n_now) >= MIN_GAIN)
            return label == ("render more" if pays else "change the rendering")
        if label == "good enough":
            return bool(self.error(n_now) <= self.target)
        last = self.C if self.n_limit is None else self.error(max(self.n_limit, n_now))
        return label == ("render more" if last <= self.target else "change the rendering")


@dataclass(frozen=True)
class Look:
    """One verdict of a sweep, after `runs` runs: the likeliest label's probability, and whether that label is right."""

    question: str
    label: str
    runs: int
    probability: float
    given: bool
    right: bool


@dataclass(frozen=True)
class Row:
    """A row of the table: looks with probabilities in [low, high), or verdicts given, and how many of them are right.

    `said`: the mean of their probabilities.
    """

    question: str
    given: bool
    low: float
    high: float
    verdicts: int
    said: float
    right: int


def draw_truths(count: int, seed: int) -> Iterator[Truth]:
    """`count` truths, the questions in turn; targets log-uniform from half the error at 64,000 to that at 1,000."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        alpha, level, sigma = np.exp(rng.uniform(np.log([0.1, 0.05, 0.001]), np.log([1.2, 0.9, 0.03])))
        C = level * rng.uniform(0.0, 0.98)
        D = (level - C) * LADDER[0] ** alpha
        low, high = np.log([law_error(LADDER[-1], alpha, C, D) / 2, level])
        target = float(np.exp(rng.uniform(low, high)))
        asks = QUESTIONS[i % 3]
        limit = N_LIMIT if asks == QUESTIONS[1] else None
        yield Truth(float(alpha), float(C), float(D), float(sigma), None if asks == QUESTIONS[2] else target, limit)


def sweep(truth: Truth, seed: int, most_runs: int = MOST_RUNS) -> list[Look]:
    """Every look of one sweep, to the first verdict that is given or to `most_runs`."""
    rng = np.random.default_rng(seed)
    done, looks = [Run("arm", n, 0) for n in PILOT], list[Look]()
    errors = [float(truth.observed(run.n, rng.standard_normal())) for run in done]
    while True:
        fit = fit_law([run.n for run in done], errors)
        said = verdict(fit, target_error=truth.target, min_gain=MIN_GAIN, n_limit=truth.n_limit)
        looks.append(_look(truth, said, done))
        if looks[-1].given or len(done) >= most_runs:
            return looks
        state = ArmState("arm", fit, tuple(done))
        (chosen,) = propose([state], {"arm": LADDER}, EQUAL_PRICES.cost(()), seed=len(done), terms=Terms(_goals(truth)))
        done.append(chosen.run)
        errors.append(float(truth.observed(chosen.run.n, rng.standard_normal())))


def table(looks: Sequence[Look]) -> list[Row]:
    """A row for each question and range of probability, and one for all verdicts that were given."""
    rows = []
    for question in (*QUESTIONS, "all"):
        own = [look for look in looks if question in ("all", look.question)]
        for low, high in pairwise(_EDGES):
            inside = [x for x in own if low <= x.probability and (x.probability < high or high == 1.0)]
            rows.append(_row(question, False, low, high, inside))
        rows.append(_row(question, True, 0.95, 1.0, [look for look in own if look.given]))
    return rows


def as_line(row: Row) -> str:
    """A row as a line of CSV under `HEAD`."""
    share = f"{row.right / row.verdicts:.4f}" if row.verdicts else ""
    name = f"{row.question}: {'given' if row.given else 'looks'}"
    return f'"{name}",{row.low:g},{row.high:g},{row.verdicts},{row.said:.4f},{row.right},{share}'


def _look(truth: Truth, said: Verdict, done: Sequence[Run]) -> Look:
    label = said.leaning or said.label
    right = truth.bears_out(label, max(run.n for run in done))
    return Look(truth.question, label, len(done), said.probability, said.leaning is None, right)


def _goals(truth: Truth) -> Goals:
    if truth.target is None:
        return Goals()
    return Goals(objective="target", target_error=truth.target, n_limit=truth.n_limit)


def _row(question: str, given: bool, low: float, high: float, looks: Sequence[Look]) -> Row:
    said = float(np.mean([look.probability for look in looks])) if looks else 0.0
    return Row(question, given, low, high, len(looks), said, sum(look.right for look in looks))
