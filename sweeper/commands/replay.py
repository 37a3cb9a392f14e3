"""`sweeper replay`: what policies would have paid, on runs that were recorded or that follow a known law.

Costs are in units of one pre-training: a run costs 1 for its pre-training, 0.15 for its fine-tune and 1 for each 64,000
images that are not rendered yet. Every arm of a table has images and pre-trainings of its own.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from analysis.laws import TrueLaw
from analysis.policy.goals import Goals
from analysis.policy.registry import POLICIES
from analysis.replay.pools import STANDARD_PRICES, Pool, every_run, recorded_pool, simulated_pool, whole_grid
from analysis.replay.replay import Rules
from analysis.replay.scores import Question, Score, Spread, Trace, known_question, recorded_question, summarise, trace
from sweeper.cluster.parallel import in_parallel
from sweeper.errors import BadInput
from sweeper.storage.strict_json import dumps
from sweeper.study.recorded_runs import Row, named, read_runs

# The paper's ladder, for a simulated law.
LADDER = tuple(1000 * 2**i for i in range(7))
_LOOKS = 5


@dataclass(frozen=True)
class Wanted:
    """What is asked of the policies; `budget` None: twice the fixed grid of a law, or all of a table."""

    policies: tuple[str, ...]
    seeds: int
    target: float | None
    alpha_sd: float
    c_sd: float
    budget: float | None


# The pool of runs as a seed deals it.
Deal = Callable[[int], Pool]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The scores of all policies, the question they were asked, and what each could spend."""

    scores: Sequence[Score]
    question: Question
    budget: float


def replay_policies(table: Path | None, law: str | None, wanted: Wanted) -> Outcome:
    """Every policy with every seed, on all cores; BadInput, in one line, where it cannot be."""
    _check(wanted)
    deal, question, most = _asked(table, law, wanted.target)
    budget = most if wanted.budget is None else wanted.budget
    rules = Rules(budget=budget, goals=Goals(wanted.alpha_sd, wanted.c_sd))
    costs = [budget * (i + 1) / _LOOKS for i in range(_LOOKS)]
    jobs = [(deal, name, rules, question, costs, seed) for seed in range(wanted.seeds) for name in wanted.policies]
    traces = in_parallel(_trace, jobs, "replay")
    scores = [summarise(name, traces[i :: len(wanted.policies)], costs) for i, name in enumerate(wanted.policies)]
    return Outcome(scores, question, budget)


def read_law(text: str) -> TrueLaw:
    """`alpha,C,D,sigma` as a law; BadInput where it is none, or has errors outside (0, 1] on the ladder."""
    try:
        alpha, C, D, sigma = (float(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"--law is {text!r}; give four numbers alpha,C,D,sigma, such as 0.4,0.2,5,0.005") from None
    if not (0 < alpha < math.inf and 0 <= C < 1 and D > 0 and 0 < sigma < 1):
        raise BadInput(
            f"--law is {text!r}; alpha and D must be above 0 and finite, C in [0, 1), sigma (of log error) in (0, 1)"
        )
    law = TrueLaw(alpha, C, D, sigma)
    worst = float(law.error(LADDER[0]))
    if worst > 1:
        raise BadInput(f"--law {text}: its error at n = {LADDER[0]:,} is {worst:.3g}, above 1; lower D or C")
    return law


def as_text(outcome: Outcome, wanted: Wanted) -> str:
    """A table of precision against cost, and what the goals cost, a line each for every policy."""
    asked = ", ".join(f"{arm or 'the table'}: {label}" for arm, label in outcome.question.right.items())
    lines = [
        f"{wanted.seeds} seeds; costs in pre-trainings (1 + 0.15 to fine-tune + missing images / 64,000),"
        f" at most {outcome.budget:.4g} each; medians (quartiles)",
        f"right at n = {outcome.question.n_top:,.0f}: {asked or 'nothing, the whole table leaves it open'}",
    ]
    width = max(len(score.policy) for score in outcome.scores)
    for title, name in (("alpha", "alpha_sd"), ("C", "C_sd")):
        lines.append(f"largest sd of {title} when this had been spent")
        lines.append(f"  {'':{width}}" + "".join(f"{cost:>30.4g}" for cost in outcome.scores[0].costs))
        for score in outcome.scores:
            lines.append(f"  {score.policy:{width}}" + "".join(f"{_spread(s):>30}" for s in getattr(score, name)))
    lines.append(f"cost until sd of alpha <= {wanted.alpha_sd:g} and of C <= {wanted.c_sd:g} in every arm, to stay")
    for score in outcome.scores:
        lines.append(f"  {score.policy:{width}}{_spread(score.precision_cost):>30}  in {score.reached:.0%}")
    if outcome.question.right:
        lines.append("cost until the right verdict in every arm, to stay")
        for score in outcome.scores:
            end = f"in {score.right:.0%}; a wrong one at the end in {score.wrong:.0%}"
            lines.append(f"  {score.policy:{width}}{_spread(score.verdict_cost):>30}  {end}")
    return "\n".join(lines)


def as_json(outcome: Outcome, wanted: Wanted) -> str:
    """One object; null stands for a cost that was not reached within the budget, or a precision not there yet."""
    question = outcome.question
    found = {
        "seeds": wanted.seeds,
        "budget": outcome.budget,
        "question": {"target": question.target, "n": question.n_top, "right": dict(question.right)},
        "wanted": {"alpha_sd": wanted.alpha_sd, "C_sd": wanted.c_sd},
        "policies": {score.policy: asdict(score) for score in outcome.scores},
    }
    return dumps(found)


def _trace(deal: Deal, policy: str, rules: Rules, question: Question, costs: Sequence[float], seed: int) -> Trace:
    return trace(deal(seed), POLICIES[policy], rules, question, costs, seed)


def _check(wanted: Wanted) -> None:
    unknown = [name for name in wanted.policies if name not in POLICIES]
    if unknown or not wanted.policies:
        raise BadInput(f"there is no policy {', '.join(unknown) or '(none given)'}; choose from {', '.join(POLICIES)}")
    if len(set(wanted.policies)) < len(wanted.policies):
        raise BadInput(f"--policy names one twice: {', '.join(wanted.policies)}")
    if wanted.target is not None and not 0 < wanted.target <= 1:
        raise BadInput(f"--target is {wanted.target:g}; give an error in (0, 1]")
    for name, value in (("--alpha-sd", wanted.alpha_sd), ("--c-sd", wanted.c_sd), ("--budget", wanted.budget)):
        if value is not None and not value > 0:
            raise BadInput(f"{name} is {value:g}; it must be above 0")
    if wanted.budget == math.inf:
        raise BadInput("--budget is inf; a law's runs never end, so give a number, or leave it out")


def _asked(table: Path | None, law: str | None, target: float | None) -> tuple[Deal, Question, float]:
    """The pool, the verdict that is asked for with the right one, and what all of a table costs or a grid twice."""
    if law is not None and table is None:
        known = read_law(law)
        pool = simulated_pool(known, LADDER, 0)
        most = STANDARD_PRICES.total(whole_grid(pool, 2))
        return partial(simulated_pool, known, LADDER), known_question(pool, known, target), most
    if table is None or law is not None:
        raise BadInput("give either a TABLE of recorded runs or --law alpha,C,D,sigma")
    errors: dict[str, dict[int, list[float]]] = {}
    groups: dict[str, str] = {}
    recorded = read_runs(table)
    for note in recorded.notes:
        print(note, file=sys.stderr)
    for row in recorded.rows:
        errors.setdefault(row.arm, {}).setdefault(_whole(row), []).append(row.error)
        groups[row.arm] = row.group
    for arm, sizes in errors.items():
        if len(sizes) < 3:
            raise BadInput(f"{table}: {named(arm)} has {len(sizes)} sizes; a replay needs 3 or more to choose from")
    pool = recorded_pool(groups, errors, 0)
    most = STANDARD_PRICES.total(every_run(pool))
    return partial(recorded_pool, groups, errors), recorded_question(pool, target), most


def _whole(row: Row) -> int:
    if row.n != int(row.n):
        raise BadInput(f"{row.where}: n is {row.n:g}; give whole numbers of images")
    return int(row.n)


def _spread(spread: Spread) -> str:
    low, median, high = (f"{value:.3g}" if math.isfinite(value) else "never" for value in asdict(spread).values())
    return f"{median} ({low} to {high})"
