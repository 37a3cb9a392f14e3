"""Searches for the best setting on recorded tables of every setting's error, and what run noise leaves of them.

The score is the regret (lowest error among the runs - lowest of the table) / (mean of the table - lowest).
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.effects.design import fraction
from analysis.effects.factors import Factors, factors_of
from analysis.effects.search import regret, search
from analysis.laws import Floats

# Interactions of so many factors and more are taken for run noise.
_NOISE_ORDER = 5


@dataclass(frozen=True, eq=False)
class FactorTable:
    """Errors of every combination of factors on several tasks; (tasks, combinations)."""

    factors: Factors
    tasks: tuple[str, ...]
    errors: Floats


def read_factor_table(path: Path) -> FactorTable:
    """The table of a CSV file with columns `task`, `error` and one for each factor; every task has every combination.

    Raises:
        ValueError: it cannot be read, or a task lacks a combination.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name not in ("task", "error")]
        factors, _ = factors_of(rows, names)
        tasks = tuple(sorted({row["task"] for row in rows}))
        errors = np.full((len(tasks), len(factors.combinations)), np.nan)
        for row in rows:
            errors[tasks.index(row["task"]), factors.place(row)] = float(row["error"])
    except (OSError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read as a table of factors ({error}); give task, error and factors"
        ) from None
    if np.isnan(errors).any():
        lacks = tasks[int(np.isnan(errors).any(axis=1).argmax())]
        raise ValueError(f"{path}: {lacks} has not every combination of the factors; give one row for each")
    return FactorTable(factors, tasks, errors)


def regrets(errors: Floats, chosen: Sequence[int], counts: Sequence[int]) -> list[float]:
    """The regret after each of these numbers of runs."""
    return [regret(errors, chosen[:count]) for count in counts]


def ours(table: FactorTable, task: int, counts: Sequence[int], *, alone: bool, seed: int = 0) -> list[float]:
    """Of the project's search, on a task by itself or with the other tasks' tables known; each count is a search of its
    own, since it ends with the recommended setting."""
    logs = np.log(table.errors)
    others = None if alone else np.delete(logs, task, axis=0)
    return [regret(table.errors[task], search(table.factors, logs[task], count, others, seed=seed)) for count in counts]


def at_random(table: FactorTable, task: int, counts: Sequence[int], *, draws: int = 2000) -> list[float]:
    """Of settings drawn at random, each once; the mean over draws."""
    errors, rng = table.errors[task], np.random.default_rng(task)
    orders = [rng.permutation(errors.size)[: max(counts)] for _ in range(draws)]
    return np.mean([regrets(errors, order.tolist(), counts) for order in orders], axis=0).tolist()


def factorial(table: FactorTable, task: int, counts: Sequence[int], *, seeds: int = 20) -> list[float]:
    """Of a fraction of the factorial with one run fewer, and the predicted best of the main effects measured on it; the
    mean over fractions, which differ in what their ties are settled by. A count of 17 is the textbook's 16 and one."""
    found = []
    for seed in range(seeds):
        found.append([_factorial(table, task, count, seed) for count in counts])
    return np.mean(found, axis=0).tolist()


def _factorial(table: FactorTable, task: int, count: int, seed: int) -> float:
    chosen = fraction(table.factors, count - 1, seed=seed)
    mains = table.factors.columns[:, [len(table.factors.terms[t]) == 1 for t in table.factors.term_of]]
    X = np.column_stack([np.ones(len(mains)), mains])
    found, *_ = np.linalg.lstsq(X[chosen], table.errors[task, chosen], rcond=None)
    return regret(table.errors[task], [*chosen, int((X @ found).argmin())])


def noise_bound(
    table: FactorTable, task: int, counts: Sequence[int], *, draws: int = 400, seed: int = 0
) -> list[float]:
    """What run noise leaves to one who knows every setting's error without noise and runs those with the lowest.

    For tables of factors with two levels. Noise is what interactions of _NOISE_ORDER factors and more show, the truth
    the rest of the recorded table, with noise of that size drawn anew.
    """
    errors = table.errors[task]
    signs = np.where(table.factors.level_places > 0, 1.0, -1.0)
    order, basis = _walsh(signs)
    coefficients = basis.T @ errors / errors.size
    high = order >= _NOISE_ORDER
    sd = float(np.sqrt((coefficients[high] ** 2).mean() * errors.size))
    truth = basis[:, ~high] @ coefficients[~high]
    rng, best_first = np.random.default_rng([seed, task]), truth.argsort(kind="stable").tolist()
    drawn = [truth + sd * rng.standard_normal(truth.size) for _ in range(draws)]
    return np.mean([regrets(each, best_first, counts) for each in drawn], axis=0).tolist()


def _walsh(signs: Floats) -> tuple[np.ndarray, Floats]:
    """All products of two-level factors: how many factors each has, and its column; (columns,), (rows, columns)."""
    columns, order = np.ones((len(signs), 1)), np.zeros(1, int)
    for factor in signs.T:
        columns = np.concatenate([columns, columns * factor[:, None]], axis=1)
        order = np.concatenate([order, order + 1])
    return order, columns
