"""`sweeper bench factors`: how near few runs come to the best of all settings, on recorded tables of factors.

A figure is the mean regret over the tasks; its reference is that of a fraction of the factorial and its predicted
best.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from analysis.evidence.factors.tables import (
    FactorTable,
    at_random,
    factorial,
    noise_bound,
    ours,
    regrets,
)
from sweeper.bench.figures import Figure
from sweeper.bench.recorded import factor_table
from sweeper.cluster.parallel import in_parallel

COUNTS = (17, 33)
# Ours and Optuna's samplers alike: one seed's regret may be luck, by as much as the aims.
_SEEDS = 3
_UNIT = "(lowest error run - lowest) / (mean - lowest), mean of {tasks} tasks ({low:.3g} to {high:.3g})"


def measure(data_root: Path | None = None) -> dict[str, Figure]:
    """Our search alone and with the other tasks' tables, and every other method; BadInput where there is no table."""
    table = factor_table(data_root)
    jobs = [(name, table, task) for name in METHODS for task in range(len(table.tasks))]
    found: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    for (name, *_), result in zip(jobs, in_parallel(_trial, jobs, "bench factors"), strict=True):
        found[name].append(result)
    figures = dict[str, Figure]()
    for at, count in enumerate(COUNTS):
        plain = float(np.mean([each[at] for each in found["factorial"]]))
        for name, results in found.items():
            values = [each[at] for each in results]
            unit = _UNIT.format(tasks=len(values), low=min(values), high=max(values))
            suffix = f"_{name}" if name else ""
            figures[f"regret_{count}_runs{suffix}"] = Figure(float(np.mean(values)), plain, unit)
    return figures


def _trial(name: str, table: FactorTable, task: int) -> list[float]:
    return METHODS[name](table, task, COUNTS)


def _ours(table: FactorTable, task: int, counts: Sequence[int]) -> list[float]:
    return _mean_of_seeds(table, task, counts, alone=False)


def _ours_alone(table: FactorTable, task: int, counts: Sequence[int]) -> list[float]:
    return _mean_of_seeds(table, task, counts, alone=True)


def _mean_of_seeds(table: FactorTable, task: int, counts: Sequence[int], *, alone: bool) -> list[float]:
    found = [ours(table, task, counts, alone=alone, seed=seed) for seed in range(_SEEDS)]
    return np.mean(found, axis=0).tolist()


def _gp(table: FactorTable, task: int, counts: Sequence[int]) -> list[float]:
    return _optuna(table, task, counts, "GPSampler")


def _tpe(table: FactorTable, task: int, counts: Sequence[int]) -> list[float]:
    return _optuna(table, task, counts, "TPESampler")


def _optuna(table: FactorTable, task: int, counts: Sequence[int], sampler: str) -> list[float]:
    """One of Optuna's samplers at its defaults on categorical factors, the mean over seeds. A setting that it asks for
    again is not counted again: its error is known."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    found = []
    for seed in range(_SEEDS):
        study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))
        chosen: list[int] = []
        # Asked for known settings alone, it is taken to have ended.
        for _ in range(4 * max(counts)):
            trial = study.ask()
            levels = {k: str(trial.suggest_categorical(k, list(v))) for k, v in table.factors.levels.items()}
            place = table.factors.place(levels)
            study.tell(trial, float(table.errors[task, place]))
            if place not in chosen:
                chosen.append(place)
            if len(chosen) == max(counts):
                break
        found.append(regrets(table.errors[task], chosen, counts))
    return np.mean(found, axis=0).tolist()


METHODS: dict[str, Callable[[FactorTable, int, Sequence[int]], list[float]]] = {
    "": _ours,
    "alone": _ours_alone,
    "factorial": factorial,
    "random": at_random,
    "gp": _gp,
    "tpe": _tpe,
    "noise_bound": noise_bound,
}
