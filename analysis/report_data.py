"""What a report is made of: plain frozen records that any sweep can fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.fit import LawFit
from analysis.verdict import Verdict


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

    @property
    def error(self) -> float:
        """Mean error over the fine-tuning repeats."""
        return sum(self.errors) / len(self.errors)


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


@dataclass(frozen=True)
class Decision:
    """A proposal as it was made, and what came of it (None while it is under way or where it failed)."""

    step: int
    arm: str
    n: int
    seed: int
    gain: float | None
    cost: float
    reason: str
    error: float | None


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
    """Rendered images of one rendering setting with their labels drawn; PNG bytes."""

    rendering: str
    caption: str
    png: bytes


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything the report shows.

    `arms`: in the order to show them. `unit`: that of the decisions' costs ("$", "minutes").
    `stop_reason`: why the sweep ended, empty while it runs. `simulated`: errors drawn from a known law, not
    measured; said at the top of the page and in every table. `complexity`: negative entropy of the arm's rendered
    set in nats (analysis/complexity.py), where it was measured.
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
    simulated: bool = False
    notes: Sequence[str] = field(default=())
    complexity: Mapping[str, float] = field(default_factory=dict)
