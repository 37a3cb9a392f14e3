"""The data of a report: plain frozen records that any sweep can fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from analysis.complexity import Complexity
from analysis.effects.answers import Effects
from analysis.estimator.law_fit import LawFit
from analysis.estimator.observations import error_of_run
from analysis.exchange.answer import ExchangeAnswer
from analysis.exchange.fit import ExchangeFit
from analysis.verdict.shuffled_labels import Control
from analysis.verdict.verdict import Verdict


@dataclass(frozen=True)
class Observation:
    """A finished run; `errors` are those of its fine-tuning repeats, in (0, 1], `cost` in device-seconds.

    `order`: the place of the run in the order of decisions, from 1.
    """

    arm: str
    n: int
    seed: int
    errors: tuple[float, ...]
    order: int
    cost: float
    seconds: float
    test_size: int | None = None

    @property
    def error(self) -> float:
        """Geometric mean of the errors of the fine-tuning repeats, as fits and decisions have it."""
        return error_of_run(self.errors, self.test_size)


@dataclass(frozen=True)
class Reference:
    """n = 0, no pre-training: errors of the fine-tuning repeats, at a learning rate tuned for it.

    `pretrained_learning_rate` is the one tuned for the arm's pre-trained runs, or None where the arm has no
    run.
    """

    arm: str
    errors: tuple[float, ...]
    learning_rate: float
    pretrained_learning_rate: float | None
    test_size: int | None = None
    n: ClassVar[int] = 0

    @property
    def error(self) -> float:
        """Geometric mean of the errors of the fine-tuning repeats, as the comparison with the arm has it."""
        return error_of_run(self.errors, self.test_size)


@dataclass(frozen=True)
class StepsTried:
    """The error on the folds after a number of steps of fine-tuning, at a size n (0: no pre-training).

    folds: on each of them. enough: whether these are the fewest steps within a standard error of the best.
    """

    arm: str
    n: int
    iterations: int
    error: float
    folds: tuple[float, ...]
    enough: bool
    seconds: float


@dataclass(frozen=True)
class Tuned:
    """The result of a tuning: recipe values of an arm, chosen on the checkpoint of size n (0: no pre-training).

    trials: how many ended, of which `stopped` early. error: the chosen values' validation error here, where they were
    tried to the end; `default_error`: that of the recipe's own. common: in words, how they stand to the values that all
    arms of the fine-tuning task share. seconds, dollars: what all trials took.
    """

    arm: str
    n: int
    chosen: str
    trials: int
    stopped: int
    error: float | None
    default_error: float | None
    common: str
    seconds: float
    dollars: float


@dataclass(frozen=True)
class Decision:
    """A proposal as it was made, and its result (None while the run is under way or where it failed).

    `about`: the quantity it was for ("alpha", "C", "prediction", or the answer "target", "best": a standard
    deviation each), empty where no posterior was asked; `before` it and `expected` after it. `realised`: what it was
    before and after the run was fitted, with whatever else came in at the same time.
    """

    step: int
    arm: str
    n: int
    seed: int
    gain: float | None
    cost: float
    reason: str
    error: float | None
    about: str = ""
    before: float | None = None
    expected: float | None = None
    realised: tuple[float, float] | None = None

    @property
    def falls(self) -> tuple[float, float] | None:
        """Shares by which the quantity was expected to fall and fell; None where one of them is not known."""
        if not self.before or self.expected is None or self.realised is None or not self.realised[0]:
            return None
        return 1 - self.expected / self.before, 1 - self.realised[1] / self.realised[0]


@dataclass(frozen=True)
class StageSpend:
    """What a stage (render, pretrain, finetune) has taken: `count` of `what` (images, checkpoints, runs)."""

    stage: str
    count: int
    what: str
    seconds: float
    dollars: float


@dataclass(frozen=True)
class ContactSheet:
    """Images of one rendering setting, or real ones: a PNG or JPEG file.

    `labelled`: the same rendered images with their labels drawn; empty where there are none.
    """

    rendering: str
    caption: str
    picture: bytes
    labelled: bytes = b""


@dataclass(frozen=True)
class NextStep:
    """What to do next and why, the command for it, and what that would cost; "" where there is none."""

    what: str
    command: str = ""
    cost: str = ""


@dataclass(frozen=True)
class ExchangeRun:
    """A run over renders and labels: n (0: no pre-training), s, seed and its error."""

    n: float
    s: float
    seed: int | str
    error: float


@dataclass(frozen=True, eq=False)
class Exchange:
    """What renders are worth in labels to an arm: what is said, in lines, and its runs, those of n = 0 among them.

    `fit`, `said`: None where the runs do not say it, or where the page tells the sentences alone.
    """

    sentences: Sequence[str]
    runs: Sequence[ExchangeRun] = ()
    fit: ExchangeFit | None = None
    said: ExchangeAnswer | None = None


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything the report shows.

    `arms`: in the order to show them. `unit`: that of the decisions' costs ("$", "minutes").
    `classes`: of the real task, where its error is a share of images told wrong.
    `stop_reason`: why the sweep ended, empty while it runs. `simulated`: errors drawn from a known law, not
    measured; said at the top of the page and in every table. `complexity`: of the arm's rendered set
    (analysis/complexity.py), where it was measured; to be compared at equal n and features only. `tuned_on`: in words,
    the data that decided the tuning. `steps`: the numbers of steps that were tried before the first run, and
    `steps_reason` which was chosen; empty where none were to be chosen. `effects`: of rendering attributes, by group of
    arms that share backbone and fine-tuning task. `n_target`, `tie`: where the question is which arm is best, at how
    many images, and errors that count as equal. `tasks`: of each arm the
    fine-tuning task; arms of different ones are not compared. `levels`: of each arm the attributes in which the
    renderings differ.
    `facts`: what a reader asks first, as (term, text). `photographs`: real images of the task. `exchange`: what renders
    are worth in labels, by arm, where runs have several s; all else is then of the runs at the largest. `refresh_s`:
    the page reads itself anew so often, for one that is written while the sweep runs.
    """

    title: str
    question: str
    arms: Sequence[str]
    observations: Sequence[Observation]
    fits: Mapping[str, LawFit]
    verdicts: Mapping[str, Verdict]
    references: Mapping[str, Reference]
    decisions: Sequence[Decision]
    ledger: Sequence[StageSpend]
    unit: str
    stop_reason: str
    config_text: str
    versions: Mapping[str, str]
    seeds: Mapping[str, int]
    sheets: Sequence[ContactSheet] = ()
    target_error: float | None = None
    classes: int | None = None
    simulated: bool = False
    notes: Sequence[str] = field(default=())
    complexity: Mapping[str, Complexity] = field(default_factory=dict)
    controls: Sequence[Control] = ()
    tuning: Sequence[Tuned] = ()
    tuned_on: str = ""
    steps: Sequence[StepsTried] = ()
    steps_reason: str = ""
    effects: Mapping[str, Effects] = field(default_factory=dict)
    next_steps: Sequence[NextStep] = ()
    n_target: int | None = None
    tie: float = 0.0
    tasks: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    photographs: ContactSheet | None = None
    exchange: Mapping[str, Exchange] = field(default_factory=dict)
    refresh_s: int | None = None

    @property
    def level(self) -> float:
        """The probability that the intervals of what the laws give hold."""
        return next((said.level for said in self.verdicts.values()), 0.95)
