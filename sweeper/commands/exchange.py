"""What `sweeper fit` says of tables with several s: what renders are worth in labels, and which to buy next.

An arm is then all rows of one rendering, task and backbone, whatever their s; rows of n = 0 are part of the law. Those
of an arm without a rendering of its own (a sweep's reference) belong to every arm of its fine-tuning task and backbone.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.exchange.answer import ExchangeAnswer, answer
from analysis.exchange.fit import ExchangeFit, fit_exchange
from analysis.exchange.worth import Prices
from analysis.report.records import Exchange, ExchangeRun
from analysis.verdict.no_curve import doubt_of_labels
from sweeper.errors import BadInput
from sweeper.study.columns import column_name
from sweeper.study.recorded_runs import Reading, Recorded, Row


@dataclass(frozen=True)
class JointRow:
    """A row over both sizes. `group`: fine-tuning task and backbone, which references are shared within."""

    arm: str
    group: str
    n: float
    s: float
    seed: str
    error: float


@dataclass(frozen=True, eq=False)
class Rate:
    """What is said of one arm, and the runs that it is of."""

    runs: tuple[JointRow, ...]
    fit: ExchangeFit
    said: ExchangeAnswer


# By arm.
Answers = dict[str, Rate]


@dataclass(frozen=True)
class Question:
    """Where the rate is asked for (None: at the most renders and labels that were run), at what prices."""

    n: float | None = None
    s: float | None = None
    label_usd: float | None = None
    render_usd: float | None = None

    def __post_init__(self) -> None:
        for option, value in (("--at-n", self.n), ("--at-s", self.s)):
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"{option} is {value:g}; give a number of images, above 0")

    @property
    def asked(self) -> bool:
        """Whether anything was asked for."""
        return any(value is not None for value in asdict(self).values())

    @property
    def prices(self) -> Prices | None:
        """Both prices; BadInput where one is missing or not above 0."""
        given = {"--label-usd": self.label_usd, "--render-usd": self.render_usd}
        if all(value is None for value in given.values()):
            return None
        for option, value in given.items():
            if value is None:
                raise BadInput(f"{option} is missing: what to buy next needs the price of a label and of a render")
            if not 1e-9 <= value <= 1e9:
                raise BadInput(f"{option} is {value:g}; give dollars, above 0")
        return Prices(float(self.label_usd or 0), float(self.render_usd or 0))


def joint_rows(table: Path, recorded: Recorded, reading: Reading) -> list[JointRow]:
    """The rows of a table with several s, those of n = 0 too; none where it has one s, or makes arms of them.

    Says on stderr how many have no s above 0.
    """
    rows = [*recorded.rows, *recorded.references]
    if "s" in map(column_name, reading.arms) or len({_s_of(row) for row in rows}) < 2:
        return []
    found, without, seen = list[JointRow](), 0, Counter[tuple[str, float, str]]()
    for row in rows:
        s = _number(_s_of(row))
        if s is None or not 0 < s < float("inf"):
            without += 1
            continue
        arm = row.arm.removesuffix(f"s={_s_of(row)}").rstrip()
        # Without a seed, runs of one n and s have nothing in common that is known.
        seed = row.key[3] or f"run {seen[arm, row.n, _s_of(row)]} of its size"
        seen[arm, row.n, _s_of(row)] += 1
        found.append(JointRow(arm, row.group.rpartition("/")[0], row.n, s, seed, row.error))
    if without:
        print(f"{table}: rows without an s above 0, not in the law over n and s: {without}", file=sys.stderr)
    return found


def _s_of(row: Row) -> str:
    return row.key[2]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def answers(
    table: Path, rows: Sequence[JointRow], question: Question, target: float | None, level: float, classes: int | None
) -> Answers:
    """By arm, the law over both sizes and what is said; `target`, `level`, `classes` as in `commands.fit.Asked`.

    Arms that cannot be fitted are named on stderr with the reason; BadInput where the user asked and none can be.
    """
    prices = question.prices
    found, refusals = Answers(), list[str]()
    for arm, own in _arms(rows).items():
        name = f"arm {arm!r}" if arm else "the table"
        if least := min((row.s for row in own if row.s < 1), default=None):
            refusals.append(
                f"{table}: {name}: s = {least:g} is no number of photographs; where s is a share of a set, give numbers"
            )
            continue
        if len({row.s for row in own}) < 2:
            continue
        try:
            fit = fit_exchange(
                [row.n for row in own],
                [row.s for row in own],
                [row.error for row in own],
                seed=[row.seed for row in own],
            )
            doubt = doubt_of_labels(fit.runs.n, fit.runs.s, fit.runs.error, classes)
            said = answer(fit, n=question.n, s=question.s, prices=prices, target_error=target, level=level, doubt=doubt)
            found[arm] = Rate(tuple(own), fit, said)
        except ValueError as error:
            refusals.append(f"{table}: {name}: {error}")
    if question.asked and not found:
        raise BadInput(refusals[0] if refusals else f"{table} has no column s with two values or more")
    for line in refusals:
        print(line, file=sys.stderr)
    return found


def _arms(rows: Sequence[JointRow]) -> dict[str, list[JointRow]]:
    """Rows by arm, each with the references of its group: arms that have rows of n = 0 alone."""
    arms: dict[str, list[JointRow]] = {}
    for row in rows:
        arms.setdefault(row.arm, []).append(row)
    pretrained = {arm: own for arm, own in arms.items() if any(row.n > 0 for row in own)}
    alone = [row for arm, own in arms.items() if arm not in pretrained for row in own]
    return {
        arm: own if any(row.n == 0 for row in own) else own + [row for row in alone if row.group == own[0].group]
        for arm, own in pretrained.items()
    }


def as_text(found: Answers) -> str:
    """A block an arm."""
    lines = []
    for arm, rate in found.items():
        lines.append(f"{arm or 'all runs'}: renders and labels ({rate.fit.runs.n.size} runs over n and s)")
        lines += [f"  {sentence}." for sentence in rate.said.sentences]
    return "\n".join(lines)


def as_json(found: Answers) -> dict[str, Any]:
    """By arm; null stands for endless."""
    return {arm: _plain(rate) for arm, rate in found.items()}


def _plain(rate: Rate) -> dict[str, Any]:
    fit, said = rate.fit, rate.said
    return asdict(said) | {"law": fit.law.name, "runs": fit.runs.n.size, "sentences": list(said.sentences)}


def for_page(found: Answers) -> dict[str, Exchange]:
    """As the page of a table and its CSV files have them."""
    return {
        arm or "all runs": Exchange(
            rate.said.sentences,
            tuple(ExchangeRun(row.n, row.s, row.seed, row.error) for row in rate.runs),
            rate.fit,
            rate.said,
        )
        for arm, rate in found.items()
    }
