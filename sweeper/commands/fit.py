"""`sweeper fit TABLE`: law (1) and verdicts for anybody's measurements.

How the table is read is in `study/recorded_runs.py`, its columns in `study/columns.py`. `analysis.fit_law` says what
`trajectory`, `block` and `test_size` do. With `robust` some runs may be outliers (`estimator.outliers`); those that
probably are get named. No verdict is given on what may be no curve of errors (`verdict.no_curve`).
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from analysis import Estimate, LawFit, Prior, fit_laws
from analysis.estimator.observations import Observed, Repeated, check_runs, with_pooled_variance
from analysis.laws import Floats
from analysis.report.records import Observation
from analysis.verdict.no_curve import doubt
from analysis.verdict.verdict import Verdict, verdict
from sweeper.commands import exchange
from sweeper.errors import BadInput
from sweeper.storage.strict_json import dumps
from sweeper.study.columns import column_name
from sweeper.study.recorded_runs import Reading, Recorded, Row, named, read_runs

# From so many sizes, each run once, the points look like those of one training.
ONE_TRAINING = 30
# With `robust`: one run in twenty, as far as is known before any.
_ROBUST = Prior(outlier_share=0.05)


@dataclass(frozen=True)
class Asked:
    """What is asked of a table: the options of the command.

    `classes`: of the real task, where chance level matters. `question`: of renders and labels.
    `min_gain` and `level` as in `analysis.verdict`.
    """

    target: float | None = None
    robust: bool = False
    reading: Reading = field(default_factory=Reading)
    classes: int | None = None
    min_gain: float = 0.01
    level: float = 0.95
    question: exchange.Question = field(default_factory=exchange.Question)

    def __post_init__(self) -> None:
        if self.target is not None and not 0 < self.target <= 1:
            raise BadInput(f"--target is {self.target:g}; give an error in (0, 1]")
        if not 0 < self.min_gain < 1:
            raise BadInput(f"--min-gain is {self.min_gain:g}; give a share of the error between 0 and 1, such as 0.01")
        if not 0.5 < self.level < 1:
            raise BadInput(f"--level is {self.level:g}; give a probability between 0.5 and 1, such as 0.95")
        if self.question.asked and "s" in map(column_name, self.reading.arms):
            raise BadInput("--arm s makes each s an arm of its own, and labels are priced across s; leave --arm s out")
        if self.classes is not None and self.classes < 2:
            raise BadInput(f"--classes is {self.classes}; give the number of classes, 2 or more")


@dataclass(frozen=True, eq=False)
class ArmAnswer:
    """What is said of one arm; `gap_above_target`: P(C > E), None without a target; `doubt`: why its runs may be no
    curve of errors, empty where they look like one."""

    fit: LawFit
    verdict: Verdict
    gap_above_target: float | None
    doubt: str = ""


@dataclass(frozen=True, eq=False)
class Answers:
    """Of every arm by name, with the table that it is from and all that must be said of it."""

    arms: dict[str, ArmAnswer]
    recorded: Recorded
    asked: Asked
    notes: tuple[str, ...] = field(default=())
    rates: exchange.Answers = field(default_factory=dict)


def fit_table(table: Path, target: float | None, *, robust: bool = False) -> dict[str, ArmAnswer]:
    """`answer` of a table that is read by its usual columns."""
    return answer(table, Asked(target, robust)).arms


def answer(table: Path, asked: Asked) -> Answers:
    """Read, check, fit all arms together and judge each; BadInput names the first row that cannot be used.

    Says on stderr what was left out, not used or looks odd.
    """
    recorded = read_runs(table, asked.reading)
    arms: dict[str, list[Row]] = {}
    for row in recorded.rows:
        arms.setdefault(row.arm, []).append(row)
    single = {arm: own[0].n for arm, own in arms.items() if len({row.n for row in own}) < 2}
    joint = exchange.joint_rows(table, recorded, asked.reading)
    rates = exchange.answers(table, joint, asked.question, asked.target, asked.level, asked.classes)
    for arm, n in single.items():
        if not rates:
            raise BadInput(f"{table}: {named(arm)} has only n = {n:g}; a law needs runs at 2 sizes or more")
        del arms[arm]
    notes = (*recorded.notes, *_alone(table, recorded), *_of_one_training(table, arms))
    if single:
        notes += (f"{table}: arms with one n above 0, which have no law of n alone: {len(single)}",)
    for note in notes:
        print(note, file=sys.stderr)
    return Answers(_judged(arms, recorded, asked) if arms else {}, recorded, asked, notes, rates)


def _judged(arms: Mapping[str, Sequence[Row]], recorded: Recorded, asked: Asked) -> dict[str, ArmAnswer]:
    groups = {arm: own[0].group for arm, own in arms.items()}
    runs = {arm: _runs(own) for arm, own in arms.items()}
    pooled = with_pooled_variance({arm: _repeated(own) for arm, own in runs.items()}, groups)
    observed = {arm: _observed(arm, pooled[arm], [of_run[0] for of_run in own]) for arm, own in runs.items()}
    fits = fit_laws(observed, groups=groups, prior=_ROBUST if asked.robust else None)
    return {arm: _answer(arm, fit, _reference(arms[arm][0], recorded.references), asked) for arm, fit in fits.items()}


def _answer(arm: str, fit: LawFit, reference: tuple[float, ...], asked: Asked) -> ArmAnswer:
    doubtful, target = doubt(fit.n, fit.error, asked.classes), asked.target
    why = f"{doubtful}; {_way_out(doubtful, asked)}" if doubtful else ""
    said = verdict(
        fit,
        arm=arm,
        target_error=target,
        min_gain=asked.min_gain,
        level=asked.level,
        reference_errors=reference,
        doubt=why,
    )
    if doubtful:
        # What it takes to reach a target is no better known than the verdict.
        return ArmAnswer(fit, replace(said, n_needed=None, n_needed_interval=None), None, why)
    return ArmAnswer(fit, said, None if target is None else float((target < fit.gap()).mean()))


def write_page(answers: Answers, folder: Path, table: Path) -> Path:
    """A page on `table`, and figures and CSV files beside it; BadInput where the folder cannot be written."""
    from analysis.report.fit_page import FittedTable, write_fit_page

    rows, arms = answers.recorded.rows, answers.arms
    firsts = {arm: next(row for row in rows if row.arm == arm) for arm in arms}
    # A table without arms is one.
    names = {arm: arm or "all runs" for arm in arms}
    fitted = FittedTable(
        table.stem,
        {names[arm]: each.fit for arm, each in arms.items()},
        {names[arm]: replace(each.verdict, arm=names[arm]) for arm, each in arms.items()},
        [seen for arm in arms for seen in _seen(names[arm], [row for row in rows if row.arm == arm])],
        {names[arm]: _reference(first, answers.recorded.references) for arm, first in firsts.items()},
        [f"{note.removeprefix(f'{table}: ')}." for note in answers.notes],
        answers.asked.target,
        answers.asked.classes,
        {names[arm]: _task(first) for arm, first in firsts.items()},
        exchange.for_page(answers.rates),
    )
    try:
        return write_fit_page(folder, fitted)
    except OSError as error:
        raise BadInput(f"--out {folder}: cannot be written ({error.strerror}); give another folder") from None


def _seen(arm: str, rows: Sequence[Row]) -> list[Observation]:
    """An arm's runs in the order of the table, as the page's tables and figures have them."""
    return [
        Observation(arm, _whole(own[0].n), i, tuple(row.error for row in own), i + 1, math.nan, math.nan)
        for i, own in enumerate(_runs(rows))
    ]


def _task(row: Row) -> str:
    """What an arm was tested on, within which arms are compared: fine-tuning task, data set and s."""
    task, _, rest = row.group.partition("/")
    dataset, _, s = rest.partition("/")[2].rpartition("/")
    return " ".join(filter(None, (task, dataset, s and f"s = {s}")))


def _whole(n: float) -> int:
    """A size as the page writes it: without a point where it has no part; a table in other units keeps its parts."""
    return cast(int, int(n) if n == int(n) else n)


def _way_out(doubtful: str, asked: Asked) -> str:
    """What to do where a table may hold no errors."""
    if "chance" in doubtful or "guessing" in doubtful:
        return "train longer" if asked.classes else "say how many classes there are (--classes) if that is not chance"
    if asked.reading.score:
        return "leave --score out if the table has errors"
    return "are they scores? --score reads 1 - score, --percent per cent"


def _reference(arm: Row, references: Sequence[Row]) -> tuple[float, ...]:
    """Errors without pre-training to compare an arm with: its own rows of n = 0, else those of its group."""
    own = [row.error for row in references if row.arm == arm.arm]
    return tuple(own or [row.error for row in references if row.group == arm.group])


def _alone(table: Path, recorded: Recorded) -> list[str]:
    """A line on rows of n = 0 that no arm is compared with."""
    arms, groups = {row.arm for row in recorded.rows}, {row.group for row in recorded.rows}
    alone = [row for row in recorded.references if row.arm not in arms and row.group not in groups]
    if not alone:
        return []
    return [f"{table}: {len(alone)} rows of n = 0 are of no arm's task, backbone and s, and compared with none"]


def as_text(answers: Mapping[str, ArmAnswer], target: float | None) -> str:
    """Per arm: the verdict, with a target what it takes, and the law with whether it is identified."""
    lines = []
    for arm, answer in answers.items():
        fit, said = answer.fit, answer.verdict
        lines += [arm or "all runs", f"  {said.sentence}"]
        if not answer.doubt:
            lines += _beside(answer, target)
        lines.append(f"  {fit}")
    return "\n".join(lines)


def _beside(answer: ArmAnswer, target: float | None) -> Iterator[str]:
    """What the verdict does not say: the target, another doubling, outliers."""
    fit, said = answer.fit, answer.verdict
    if target is not None:
        yield f"  P(C > {target:g}) = {answer.gap_above_target:.3f}; {_needed(fit, target)}"
    # Without a target these verdicts are of the doubling itself.
    if target is not None or said.label not in ("render more", "change the rendering"):
        low, high = said.next_doubling_interval
        yield (
            f"  Another doubling, to n = {2 * fit.n.max():,.0f}, lowers the error by {said.next_doubling:.1%} of it"
            f" ({said.level:.0%} interval {100 * low:.1f} to {high:.1%})."
        )
    for i in np.flatnonzero(fit.outlier > 0.5):
        yield f"  Probably an outlier ({fit.outlier[i]:.1%}): n = {fit.n[i]:,.0f} with error {fit.error[i]:g}"


def as_json(
    answers: Mapping[str, ArmAnswer],
    target: float | None,
    recorded: Recorded | None = None,
    rates: exchange.Answers | None = None,
) -> str:
    """One object; null stands for endless, and for what is not known of a doubtful curve."""
    found: dict[str, Any] = {"target": target, "arms": {arm: _arm_json(a, target) for arm, a in answers.items()}}
    if recorded is not None:
        found |= {"columns_not_used": recorded.unused, "rows_left_out": recorded.left_out}
    if rates:
        found["exchange"] = exchange.as_json(rates)
    return dumps(found)


def _arm_json(answer: ArmAnswer, target: float | None) -> dict[str, Any]:
    fit = answer.fit
    names: dict[str, Estimate] = {"alpha": fit.alpha, "C": fit.C, "D": fit.D, "sigma": fit.sigma}
    found: dict[str, Any] = {
        name: {"median": value.median, "mean": value.mean, "sd": value.sd, "interval_95": list(value.interval(0.95))}
        for name, value in names.items()
    }
    found |= {"runs": fit.n.size, "left_out": fit.left_out, "identified": fit.identified, "reason": fit.reason}
    found["outliers"] = [
        {"n": n, "error": error, "probability": chance}
        for n, error, chance in zip(fit.n.tolist(), fit.error.tolist(), fit.outlier.tolist(), strict=True)
        if chance > 0.5
    ]
    found |= {"verdict": asdict(answer.verdict), "doubt": answer.doubt}
    if target is not None and not answer.doubt:
        low, middle, high = _n_at(fit, target)
        found |= {"p_gap_above_target": answer.gap_above_target, "n_at_target": middle, "n_at_target_95": [low, high]}
    return found


def _n_at(fit: LawFit, target: float) -> tuple[float, float, float]:
    low, middle, high = np.quantile(fit.n_needed(target), [0.025, 0.5, 0.975], method="nearest")
    return float(low), float(middle), float(high)


def _needed(fit: LawFit, target: float) -> str:
    low, middle, high = _n_at(fit, target)
    if not math.isfinite(low):
        return "no number of images meets the target"
    if middle <= fit.n.min():
        return "the target is met at every size that was run"
    if not math.isfinite(middle):
        return f"likelier than not no number of images meets the target (95% interval: from n = {_size(low)} on)"
    return f"the target is met at n = {_size(middle)} (95% interval {_size(low)} to {_size(high)})"


def _size(n: float) -> str:
    return "never" if not math.isfinite(n) else f"{n:,.0f}" if n < 1e9 else "more than a billion"


def _runs(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that are fine-tunes of one pre-training, together."""
    runs: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        runs.setdefault(row.key[:-1], []).append(row)
    return list(runs.values())


def _repeated(runs: Sequence[Sequence[Row]]) -> Repeated:
    """Fine-tunes of one pre-training become their mean."""
    logs = [np.log([row.error for row in own]) for own in runs]
    return Repeated(
        n=[own[0].n for own in runs],
        error=[float(np.exp(own.mean())) for own in logs],
        spread=[own.var(ddof=1) if own.size > 1 else 0.0 for own in logs],
        repeats=[own.size for own in logs],
    )


def _observed(arm: str, pooled: tuple[ArrayLike, ArrayLike, Floats], runs: Sequence[Row]) -> Observed:
    """An arm's runs with what the table says of each; `runs`: a row of each."""
    known = [row for row in runs if row.test_size is not None]
    if 0 < len(known) < len(runs):
        where = next(row.where for row in runs if row.test_size is None)
        raise BadInput(f"{where}: test_size is missing, other rows of {named(arm)} have it; give it in all or in none")

    return check_runs(
        arm,
        *pooled,
        trajectory=np.array([row.trajectory or None for row in runs], dtype=object),
        block=np.array([row.block or None for row in runs], dtype=object),
        test_size=[float(row.test_size or 0) for row in runs] if known else None,
    )


def _of_one_training(table: Path, arms: Mapping[str, Sequence[Row]]) -> list[str]:
    """A line for each arm with points at many sizes that look like those of a few trainings."""
    untold = {arm: len({row.n for row in rows if not row.trajectory}) for arm, rows in arms.items()}
    return [
        f"{table}: {named(arm)} has points at {sizes} sizes; where one training gave several of them, say so"
        " in a column `trajectory`, or the intervals are too narrow"
        for arm, sizes in untold.items()
        if sizes >= ONE_TRAINING
    ]
