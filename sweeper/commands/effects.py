"""`sweeper effects TABLE`: what each rendering attribute does to the error, from anybody's measurements.

The table is a CSV or Parquet file with a row a run: the column `error`, and a column for each factor. Factors are those
that `--factors` names, else every column that is none of OTHER_COLUMNS. Rows of one `task` (or `finetune_task`,
`backbone`, `s`) are a group of their own. In a table of `sweeper collect` attributes and pre-training tasks are the
factors, and each of its sweeps is a group. Where a group has runs at several `n`, each setting's law is fitted, and its
error `at` one n is what effects are effects on. A group that has every setting teaches those that have not.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis import LawFit, fit_laws
from analysis.effects.answers import Effects, answers, in_words, sentences
from analysis.effects.curves import curve_effects, curve_fits
from analysis.effects.factors import Factors, factors_of
from analysis.effects.fit import EffectsFit, fit_effects, measured_of
from analysis.effects.model import Measured
from analysis.effects.seeds import SeedNoise, seed_noise
from analysis.effects.seeds import in_words as noise_in_words
from analysis.estimator.observations import LEAST_ERROR, counted_error
from sweeper.config.factors import word
from sweeper.errors import BadInput, bad_input
from sweeper.storage.strict_json import dumps
from sweeper.study.attributes import TASK_FACTOR
from sweeper.study.spreadsheet import number, read_cells

GROUP_COLUMNS = ("task", "finetune_task", "backbone", "s")
RUN_COLUMNS = ("n", "seed", "repeat", "trajectory", "block", "test_size", "error", "cost", "seconds", "split")
NAME_COLUMNS = ("arm", "rendering")
# Of a table of `sweeper collect`: its settings' attributes as a JSON object, and what else its runs differ in.
ATTRIBUTES = "attributes"
COLLECTED_GROUPS = ("sweep", "dataset", "steps", *GROUP_COLUMNS)
OTHER_COLUMNS = (*GROUP_COLUMNS, *RUN_COLUMNS, *NAME_COLUMNS)
# A setting with so many sizes has a law of its own; with fewer only its runs at the size itself count.
_LAW_SIZES = 2


@dataclass(frozen=True)
class SettingRun:
    """One run of the table: its group, its levels by factor, n (None where the table does not say) and error."""

    group: str
    levels: tuple[tuple[str, str], ...]
    n: float | None
    seed: str
    error: float


@dataclass(frozen=True, eq=False)
class Seen:
    """A group's log errors by setting at one n (None where the table says none), and laws by the setting's place."""

    measured: Measured
    n: float | None
    laws: Mapping[int, LawFit]


@dataclass(frozen=True, eq=False)
class GroupAnswer:
    """What is said of one group; `taught_by`: complete groups whose tables it was fitted with. `noise`: of a run and of
    a difference, where settings were run under several seeds."""

    said: Effects
    fit: EffectsFit
    taught_by: tuple[str, ...]
    noise: SeedNoise | None = None


def effects_of_table(table: Path, names: Sequence[str] = (), at: float | None = None) -> dict[str, GroupAnswer]:
    """Effects in every group of the table; BadInput names the first row that cannot be used."""
    runs, columns = read_runs(table, names)
    with bad_input(f"{table}: "):
        factors, constant = factors_of([dict(run.levels) for run in runs], columns)
    if constant:
        print(f"{table}: columns with a single value, which are no factors: {', '.join(constant)}", file=sys.stderr)
    groups: dict[str, list[SettingRun]] = defaultdict(list)
    for run in runs:
        groups[run.group].append(run)
    seen = {group: _measured(table, group, own, factors, at) for group, own in groups.items()}
    whole = len(factors.combinations)
    complete = {group: own.measured.mean for group, own in seen.items() if own.measured.place.size == whole}
    found = {}
    for group, own in seen.items():
        teachers = () if group in complete else tuple(complete)
        others = np.array([complete[each] for each in teachers]) if teachers else None
        fit = fit_effects(factors, own.measured, others=others)
        shapes = {} if own.n is None else curve_fits(factors, own.laws, own.n)
        noise = _noise([run for run in groups[group] if run.n == own.n], factors)
        found[group] = GroupAnswer(answers(fit, own.n, curve_effects(shapes)), fit, teachers, noise)
    return found


def _noise(runs: Sequence[SettingRun], factors: Factors) -> SeedNoise | None:
    """What seeds say of the noise, of runs at one size."""
    places = [factors.place(dict(run.levels)) for run in runs]
    return seed_noise(places, [run.seed for run in runs], np.log([run.error for run in runs]))


def read_runs(table: Path, names: Sequence[str] = ()) -> tuple[list[SettingRun], tuple[str, ...]]:
    """The runs of a table, fine-tunes of one pre-training as their mean, and the factors' columns.

    Rows of n = 0 (no pre-training) have no rendering; they are left out, and their number is said on stderr.
    BadInput names the first row that cannot be used.
    """
    cells = read_cells(table)
    raw, commas = cells.rows, cells.commas
    for note in cells.notes:
        print(f"{table}: {note}", file=sys.stderr)
    if not raw:
        raise BadInput(f"{table} has no rows; give one row a run")
    groups: Sequence[str] = GROUP_COLUMNS
    if ATTRIBUTES in raw[0][1] and not names:
        raw, names = _with_attributes(raw)
        groups = COLLECTED_GROUPS
    columns = _factor_columns(table, list(raw[0][1]), names)
    runs: dict[SettingRun, list[float]] = defaultdict(list)
    references = 0
    for where, row in raw:
        if row.get("split", "test") not in ("test", ""):
            continue
        n = number(where, "n", row["n"], commas=commas, whole=True) if _cell(row, "n") else None
        if n == 0:
            references += 1
            continue
        runs[_run(where, row, columns, groups, n)].append(_error(where, row, commas))
    if references:
        print(f"{table}: rows of n = 0 (no pre-training), which no rendering made: {references}", file=sys.stderr)
    if not runs:
        raise BadInput(f"{table} has no row of a rendering with split 'test'; give finished runs")
    means = [
        SettingRun(run.group, run.levels, run.n, run.seed, float(np.exp(np.log(errors).mean())))
        for run, errors in runs.items()
    ]
    return means, columns


def as_text(found: Mapping[str, GroupAnswer]) -> str:
    """Per group: every factor's effect, the best setting, and what to run next."""
    lines = []
    for group, answer in found.items():
        said = answer.said
        shares = ", ".join(f"{name} {share:.0%}" for name, share in said.shares.items())
        lines.append(f"{group or 'all runs'}: {said.measured} of {said.settings} settings measured")
        if answer.taught_by:
            lines.append(f"  fitted beside the complete tables of {', '.join(answer.taught_by)}")
        lines += [f"  {line}" for line in sentences(said)]
        lowest = said.best_measured
        lines.append(f"  lowest of those measured: {in_words(lowest.levels)}: {lowest.error:.1%}")
        lines.append(f"  variance between settings: {shares}")
        if answer.noise is not None:
            lines.append(f"  {noise_in_words(answer.noise)}")
    return "\n".join(lines)


def as_json(found: Mapping[str, GroupAnswer]) -> str:
    """One object; a group's answer by its name."""
    groups = {
        group: {**asdict(each.said), "taught_by": list(each.taught_by), "noise": each.noise and asdict(each.noise)}
        for group, each in found.items()
    }
    return dumps({"groups": groups})


def _factor_columns(table: Path, have: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    if "error" not in have:
        raise BadInput(f"{table} has no column error (it has {', '.join(have) or 'none'})")
    missing = [name for name in names if name not in have]
    if missing:
        raise BadInput(f"--factors: {table} has no column {missing[0]!r} (it has {', '.join(have)})")
    found = tuple(names) or tuple(name for name in have if name and name not in OTHER_COLUMNS)
    # Where nothing else is said, the settings are levels of one factor.
    found = found or tuple(name for name in ("rendering", "arm") if name in have)[:1]
    if not found:
        raise BadInput(f"{table} has no column of a factor (it has {', '.join(have)}); add one for each attribute")
    return found


def _with_attributes(
    raw: Sequence[tuple[str, dict[str, Any]]],
) -> tuple[list[tuple[str, dict[str, Any]]], tuple[str, ...]]:
    """The rows of a collected table with a cell for each attribute, and the factors: attributes that differ, and the
    pre-training task."""
    given = []
    for where, row in raw:
        try:
            levels = json.loads(_cell(row, ATTRIBUTES) or "{}")
        except json.JSONDecodeError:
            levels = None
        if not isinstance(levels, dict):
            raise BadInput(f"{where}: {ATTRIBUTES} is {row[ATTRIBUTES]!r}; give a JSON object of levels by attribute")
        task = {TASK_FACTOR: _cell(row, TASK_FACTOR)} if levels and _cell(row, TASK_FACTOR) else {}
        given.append({str(name): word(level) for name, level in levels.items()} | task)
    known = [levels for levels in given if levels]
    found = {name: {levels.get(name) for levels in known} for name in sorted({name for each in known for name in each})}
    differ = tuple(name for name, levels in found.items() if len(levels) > 1)
    return [(where, row | levels) for (where, row), levels in zip(raw, given, strict=True)], differ


def _run(
    where: str, row: Mapping[str, Any], columns: Sequence[str], groups: Sequence[str], n: float | None
) -> SettingRun:
    """A row's run; what tells two runs of a setting apart is in `seed`, so that only fine-tunes of one are alike."""
    for name in columns:
        if not _cell(row, name):
            raise BadInput(f"{where}: {name} is empty; give the level of every factor")
    group = "/".join(cell for name in groups if name not in columns and (cell := _cell(row, name)))
    # Settings of one seed share scenes and photographs; of a collected table the sweep's seed decides them too.
    told = [_cell(row, name) for name in ("sweep_seed", "seed", "block", "trajectory")]
    if not any(told) and not _cell(row, "repeat"):
        told.append(where)
    return SettingRun(group, tuple((name, _cell(row, name)) for name in columns), n, "|".join(told), 0.0)


def _error(where: str, row: Mapping[str, Any], commas: bool) -> float:
    error, tested = number(where, "error", row["error"], commas=commas), _cell(row, "test_size")
    if tested:
        size = number(where, "test_size", tested, commas=commas, whole=True)
        if size < 1:
            raise BadInput(f"{where}: test_size is {size:g}; give the number of test images, 1 or more")
        error = float(counted_error(error, size))
    if not LEAST_ERROR <= error <= 1:
        raise BadInput(f"{where}: error is {error:g}; errors must lie in (0, 1], so give 1 - score as a fraction")
    return error


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A cell as text; a missing one, which Parquet may hold as nan, is empty."""
    value = row.get(name)
    return "" if value is None or value != value else str(value).strip()


def _measured(table: Path, group: str, runs: Sequence[SettingRun], factors: Factors, at: float | None) -> Seen:
    """What the runs of a group say of its settings."""
    place = {run: factors.place(dict(run.levels)) for run in runs}
    sizes = {run.n for run in runs}
    if len(sizes) == 1:
        if at is not None and at not in sizes:
            raise BadInput(f"--at is {at:g}; {table} has no other n than {next(iter(sizes))}: leave --at out")
        errors = [float(np.log(run.error)) for run in runs]
        return Seen(measured_of(list(place.values()), errors), next(iter(sizes)), {})
    if None in sizes:
        raise BadInput(f"{table}: n is missing in some rows of {group or 'the table'}; give it in all or in none")
    by_place: dict[int, list[SettingRun]] = defaultdict(list)
    for run in runs:
        by_place[place[run]].append(run)
    n = at if at is not None else _common_size(by_place)
    lawful = {i: own for i, own in by_place.items() if len({run.n for run in own}) >= _LAW_SIZES}
    direct = [(i, run) for i, own in by_place.items() if i not in lawful for run in own if run.n == n]
    left_out = sum(len(own) for i, own in by_place.items() if i not in lawful) - len(direct)
    if left_out:
        print(
            f"{table}: runs at other n than {n:,.0f} of settings without a law, left out: {left_out}", file=sys.stderr
        )
    with bad_input(f"{table}: "):
        fits = fit_laws(
            {str(i): (np.array([r.n for r in own], float), [r.error for r in own]) for i, own in lawful.items()}
        )
    draws = {int(i): np.log(fit.samples.error(n)) for i, fit in fits.items()}
    places = [*draws, *(i for i, _ in direct)]
    if not places:
        raise BadInput(
            f"{table}: no setting of {group or 'the table'} has a run at n = {n:g}; choose another with --at"
        )
    values = [*(float(each.mean()) for each in draws.values()), *(float(np.log(run.error)) for _, run in direct)]
    known = [*(float(each.var()) for each in draws.values()), *(0.0 for _ in direct)]
    return Seen(measured_of(places, values, known), n, {int(i): fit for i, fit in fits.items()})


def _common_size(by_place: Mapping[int, Sequence[SettingRun]]) -> float:
    """The largest n at which the most settings were run."""
    times: dict[float, int] = defaultdict(int)
    for own in by_place.values():
        for n in {run.n for run in own}:
            assert n is not None
            times[n] += 1
    return max(times, key=lambda n: (times[n], n))
