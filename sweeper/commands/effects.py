"""`sweeper effects TABLE`: what each rendering attribute does to the error, from anybody's measurements.

The table is a CSV or Parquet file with a row a run: the column `error`, and a column for each factor. Factors are those
that `--factors` names, else every column that tells no run (`attribute_table`). Rows of one `task` (or `finetune_task`,
`backbone`, `s`) are a group of their own. In a table of `sweeper collect` attributes and pre-training tasks are the
factors, and each of its sweeps is a group. Where a group has runs at several `n`, each setting's law is fitted, and its
error `at` one n is what effects are effects on. A group that has every setting teaches those that have not.
"""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from analysis import LawFit, fit_laws
from analysis.effects.answers import Effects, answers, in_words, sentences
from analysis.effects.curves import curve_effects, curve_fits
from analysis.effects.factors import Factors, factors_of
from analysis.effects.fit import EffectsFit, fit_effects, measured_of
from analysis.effects.model import Measured
from analysis.effects.seeds import SeedNoise, seed_noise
from analysis.effects.seeds import in_words as noise_in_words
from sweeper.commands.attribute_table import SettingRun, read_runs
from sweeper.errors import BadInput, bad_input
from sweeper.storage.strict_json import dumps

# A setting with so many sizes has a law of its own; with fewer only its runs at the size itself count.
_LAW_SIZES = 2


@dataclass(frozen=True, eq=False)
class Seen:
    """A group's log errors by setting at one n (None where the table says none), and laws by the setting's place."""

    measured: Measured
    n: float | None
    laws: Mapping[int, LawFit]


@dataclass(frozen=True, eq=False)
class GroupAnswer:
    """What is said of one group; `taught_by`: complete groups whose tables it was fitted with. `noise`: of a run and of
    a difference, where settings were run under several seeds. `laws`: how many settings have one."""

    said: Effects
    fit: EffectsFit
    taught_by: tuple[str, ...]
    noise: SeedNoise | None = None
    laws: int = 0


def effects_of_table(table: Path, names: Sequence[str] = (), at: float | None = None) -> dict[str, GroupAnswer]:
    """Effects in every group of the table; BadInput names the first row that cannot be used."""
    if at is not None and not (0 < at < np.inf):
        raise BadInput(f"--at is {at:g}; give a number of synthetic images above 0")
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
        if own.measured.place.size < 2 and not teachers and len(seen) > 1:
            print(f"{table}: {group or 'all runs'}: one setting alone, of which no effect can be told", file=sys.stderr)
            continue
        others = np.array([complete[each] for each in teachers]) if teachers else None
        fit = fit_effects(factors, own.measured, others=others)
        shapes = {} if own.n is None else curve_fits(factors, own.laws, own.n)
        noise = _noise([run for run in groups[group] if run.n == own.n], factors)
        found[group] = GroupAnswer(answers(fit, own.n, curve_effects(shapes)), fit, teachers, noise, len(own.laws))
    return found


def _noise(runs: Sequence[SettingRun], factors: Factors) -> SeedNoise | None:
    """What seeds say of the noise, of runs at one size."""
    places = [factors.place(dict(run.levels)) for run in runs]
    return seed_noise(places, [run.seed for run in runs], np.log([run.error for run in runs]))


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
        if answer.laws and not said.curves:
            lines.append(
                "  what attributes do to the share of the gap and to the rate is not told: too few laws show either"
            )
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


def _measured(table: Path, group: str, runs: Sequence[SettingRun], factors: Factors, at: float | None) -> Seen:
    """What the runs of a group say of its settings."""
    place = {run: factors.place(dict(run.levels)) for run in runs}
    sizes = {run.n for run in runs}
    if len(sizes) == 1:
        if at is not None and at not in sizes:
            raise BadInput(f"--at is {at:g}; {table} has no other n than {next(iter(sizes))}: leave --at out")
        errors = [float(np.log(run.error)) for run in runs]
        measured = measured_of([place[run] for run in runs], errors, seeds=[run.seed for run in runs])
        return Seen(measured, next(iter(sizes)), {})
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
