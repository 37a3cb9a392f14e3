"""`sweeper fit TABLE`: law (1) and verdicts for anybody's measurements.

The table is a CSV or Parquet file with a row a run and at least the columns `n` and `error`. The arm is `arm`, or
what there is of `rendering`, `pretrain_task`, `backbone` and `finetune_task`; with several `s` in the table each is
an arm of its own. Of a sweep's own results only the rows with `split` "test" are fitted, and those of n = 0, without
pre-training, are set aside: they are outside the law. Rows that differ in `repeat` alone are fine-tunes of one
pre-training: their mean is the run. Three columns may be there and may be empty in a row: `trajectory`, the training
that a point comes from where one training gives points at several n; `block`, what runs have in common (a seed, a
choice of photographs); `test_size`, the number of test images. `analysis.fit_law` says what each does. With `robust`
some runs may be outliers (`estimator.outliers`); those that probably are get named.
"""

import csv
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from analysis import Estimate, LawFit, Prior, fit_laws
from analysis.estimator.observations import (
    LEAST_ERROR,
    SIZES,
    Observed,
    Repeated,
    check_runs,
    counted_error,
    with_pooled_variance,
)
from analysis.laws import Floats
from analysis.verdict.verdict import Verdict, verdict
from sweeper.errors import BadInput, one_line
from sweeper.storage.strict_json import dumps

ARM_COLUMNS = ("rendering", "pretrain_task", "backbone", "finetune_task")
_GROUP_COLUMNS = ("finetune_task", "backbone", "s")
_RUN_COLUMNS = ("s", "seed", "repeat")
# From so many sizes, each run once, the points look like those of one training.
ONE_TRAINING = 30
# With `robust`: one run in twenty, as far as is known before any.
_ROBUST = Prior(outlier_share=0.05)


@dataclass(frozen=True)
class Row:
    """One row of the table, checked; `where` names it; `group`: arms of one group may share D. `trajectory`, `block`:
    empty where the table does not say; `test_size`: then None."""

    where: str
    arm: str
    group: str
    n: float
    error: float
    key: tuple[str, ...]
    trajectory: str = ""
    block: str = ""
    test_size: float | None = None


@dataclass(frozen=True, eq=False)
class ArmAnswer:
    """What is said of one arm; `gap_above_target`: P(C > E), None without a target."""

    fit: LawFit
    verdict: Verdict
    gap_above_target: float | None


def fit_table(table: Path, target: float | None, *, robust: bool = False) -> dict[str, ArmAnswer]:
    """Read, check, fit all arms together and judge each; BadInput names the first row that cannot be used."""
    if target is not None and not 0 < target <= 1:
        raise BadInput(f"--target is {target:g}; give an error in (0, 1]")
    rows, references = read_rows(table)
    arms: dict[str, list[Row]] = {}
    for row in rows:
        arms.setdefault(row.arm, []).append(row)
    for arm, own in arms.items():
        if len({row.n for row in own}) < 2:
            raise BadInput(f"{table}: {named(arm)} has only n = {own[0].n:g}; a law needs runs at 2 sizes or more")
    groups = {arm: own[0].group for arm, own in arms.items()}
    runs = {arm: _runs(own) for arm, own in arms.items()}
    pooled = with_pooled_variance({arm: _repeated(own) for arm, own in runs.items()}, groups)
    observed = {arm: _observed(arm, pooled[arm], [of_run[0] for of_run in own]) for arm, own in runs.items()}
    for arm, own in arms.items():
        _warn_of_one_training(table, arm, own)
    fits = fit_laws(observed, groups=groups, prior=_ROBUST if robust else None)
    return {
        arm: ArmAnswer(
            fit,
            verdict(fit, arm=arm, target_error=target, reference_errors=_reference(arms[arm][0], references)),
            None if target is None else float((target < fit.gap()).mean()),
        )
        for arm, fit in fits.items()
    }


def read_rows(table: Path) -> tuple[list[Row], list[Row]]:
    """The rows with n > 0 of a CSV or Parquet table, and those of n = 0, each checked; BadInput in one line.

    Says on stderr how many of n = 0 there are: they stand beside the laws, not in them.
    """
    raw = raw_rows(table)
    if not raw:
        raise BadInput(f"{table} has no rows; give one row a run")
    missing = [name for name in ("n", "error") if name not in raw[0][1]]
    if missing:
        have = ", ".join(raw[0][1]) or "none"
        raise BadInput(f"{table} has no column {' and no column '.join(missing)} (it has {have})")
    several = len({row.get("s") for _, row in raw}) > 1
    rows, references, seen = list[Row](), list[Row](), dict[tuple[str, ...], str]()
    for where, row in raw:
        if row.get("split", "test") != "test":
            continue
        checked = _row(where, row, several)
        if checked.n == 0:
            references.append(checked)
            continue
        if checked.key in seen:
            raise BadInput(f"{where}: repeats {seen[checked.key]}; keep one, or tell them apart by `seed`")
        seen[checked.key] = where
        rows.append(checked)
    if references and not rows:
        raise BadInput(f"{table} has rows of n = 0 (no pre-training) alone; a law needs runs at 2 sizes or more")
    if not rows:
        raise BadInput(f"{table} has no row with split 'test'; give finished runs")
    if references:
        print(
            f"{table}: rows of n = 0 (no pre-training), beside the laws and not in them: {len(references)}",
            file=sys.stderr,
        )
    return rows, references


def _reference(arm: Row, references: Sequence[Row]) -> tuple[float, ...]:
    """Errors without pre-training to compare an arm with: its own rows of n = 0, else those of its group."""
    own = [row.error for row in references if row.arm == arm.arm]
    return tuple(own or [row.error for row in references if row.group == arm.group])


def as_text(answers: Mapping[str, ArmAnswer], target: float | None) -> str:
    """Per arm: the law, whether it is identified, the verdict, and with a target what it takes."""
    lines = []
    for arm, answer in answers.items():
        fit, said = answer.fit, answer.verdict
        lines += [arm or "all runs", f"  {fit}", f"  {said.sentence}"]
        if target is not None:
            lines.append(f"  P(C > {target:g}) = {answer.gap_above_target:.3f}; {_needed(fit, target)}")
        low, high = said.next_doubling_interval
        lines.append(
            f"  Another doubling, to n = {2 * fit.n.max():,.0f}, lowers the error by {said.next_doubling:.1%} of it"
            f" (95% interval {100 * low:.1f} to {high:.1%})."
        )
        lines += [
            f"  Probably an outlier ({fit.outlier[i]:.1%}): n = {fit.n[i]:,.0f} with error {fit.error[i]:g}"
            for i in np.flatnonzero(fit.outlier > 0.5)
        ]
    return "\n".join(lines)


def as_json(answers: Mapping[str, ArmAnswer], target: float | None) -> str:
    """One object; null stands for endless."""
    return dumps({"target": target, "arms": {arm: _arm_json(a, target) for arm, a in answers.items()}})


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
    found["verdict"] = asdict(answer.verdict)
    if target is not None:
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
    upper = f"{high:,.0f}" if math.isfinite(high) else "never"
    if not math.isfinite(middle):
        return f"likelier than not no number of images meets the target (95% interval: from n = {low:,.0f} to {upper})"
    return f"the target is met at n = {middle:,.0f} (95% interval {low:,.0f} to {upper})"


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


def _warn_of_one_training(table: Path, arm: str, rows: Sequence[Row]) -> None:
    """Say on stderr that points at many sizes look like those of a few trainings."""
    untold = {row.n for row in rows if not row.trajectory}
    if len(untold) >= ONE_TRAINING:
        print(
            f"{table}: {named(arm)} has points at {len(untold)} sizes; where one training gave several of them, say so"
            " in a column `trajectory`, or the intervals are too narrow",
            file=sys.stderr,
        )


def _row(where: str, row: Mapping[str, Any], several: bool) -> Row:
    n, error = number(where, "n", row["n"]), number(where, "error", row["error"])
    tested = _text(row.get("test_size"))
    test_size = number(where, "test_size", tested) if tested else None
    if test_size is not None and test_size < 1:
        raise BadInput(f"{where}: test_size is {test_size:g}; give the number of test images, 1 or more")
    if test_size is not None:
        error = float(counted_error(error, test_size))
    if n < 0:
        raise BadInput(f"{where}: n is {n:g}; give sizes above 0, or 0 where there was no pre-training")
    if not 0 < error <= 1:
        raise BadInput(f"{where}: error is {error:g}; errors must lie in (0, 1], so give 1 - score as a fraction")
    if n and not SIZES[0] <= n <= SIZES[1]:
        raise BadInput(f"{where}: n is {n:g}; give the number of images, {SIZES[0]:g} to {SIZES[1]:g}")
    if error < LEAST_ERROR:
        raise BadInput(f"{where}: error is {error:g}; no test set tells errors below {LEAST_ERROR:g} from 0")
    arm = str(row["arm"]) if row.get("arm") else "/".join(str(row[c]) for c in ARM_COLUMNS if row.get(c))
    if several:
        arm = f"{arm} s={row['s']}".strip()
    group = "/".join(str(row.get(c, "")) for c in _GROUP_COLUMNS)
    # Without a seed, runs of one size are told apart by their error; two that agree in all digits are one, twice.
    told = [str(row.get(name, "")) for name in _RUN_COLUMNS]
    apart = "" if row.get("seed") not in (None, "") or row.get("repeat") not in (None, "") else repr(error)
    trajectory, block = (_text(row.get(name)) for name in ("trajectory", "block"))
    key = (arm, repr(n), told[0], told[1], trajectory, block, repr(test_size), apart, told[2])
    return Row(where, arm, group, n, error, key, trajectory, block, test_size)


def _text(value: Any) -> str:
    """A cell as text; a missing one, which Parquet may hold as nan, is empty."""
    return "" if value is None or value != value else str(value)


def number(where: str, name: str, value: Any) -> float:
    """A cell as a finite number; BadInput says where there is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{where}: {name} is {value!r}; give a number") from None
    if not math.isfinite(found):
        raise BadInput(f"{where}: {name} is {value}; give a finite number, or leave the row out")
    return found


def raw_rows(table: Path) -> list[tuple[str, dict[str, Any]]]:
    """Rows of a CSV or Parquet file with their place in it, cells as they stand; BadInput where it cannot be read."""
    try:
        if table.suffix.lower() == ".parquet":
            _refuse_twins(table, pq.read_schema(table).names if table.is_file() else [])
            found = pq.read_table(table).to_pylist()
            return [(f"{table}, row {i}", row) for i, row in enumerate(found, start=1)]
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _refuse_twins(table, reader.fieldnames or ())
            rows = [(f"{table}, line {reader.line_num}", row) for row in reader]
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{table} cannot be read ({one_line(error)}); give a CSV or Parquet file") from None
    for where, row in rows:
        if None in row or None in row.values():
            raise BadInput(f"{where}: it has not as many cells as the first line has columns")
    return rows


def _refuse_twins(table: Path, names: Sequence[str]) -> None:
    """Of two columns of one name only the last would be read, and nobody would know."""
    if twins := [name for name, count in Counter(names).items() if name and count > 1]:
        raise BadInput(f"{table} has more than one column {twins[0]!r}; keep one")


def named(arm: str) -> str:
    """An arm for a line to the user; a table without arms is one."""
    return f"arm {arm!r}" if arm else "the table"
