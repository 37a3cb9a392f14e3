"""The results table in memory: rows come in one by one, and what a decision needs of them is kept at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from sweeper.config.tune import Scope, Tune, scope_of
from sweeper.study.results import Observation, Run, runs


class Table:
    """The fine-tunes of one sweep. What a row costs does not depend on how many there are.

    A run is complete with `repeats` fine-tunes on the test split.
    """

    def __init__(self, rows: Iterable[Observation], repeats: int, tune: Tune) -> None:
        self._repeats, self._tune = repeats, tune
        self._rows: dict[str, Observation] = {}
        self._of_run: dict[tuple[str, int, int], dict[str, Observation]] = defaultdict(dict)
        self._tried: dict[Scope, dict[str, Observation]] = defaultdict(dict)
        self._runs: dict[tuple[str, int, int], Run] = {}
        for row in rows:
            self.add(row)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Observation) -> None:
        """Take a row in; one of the same fine-tune takes the place of the earlier."""
        self._rows[row.file_name] = row
        if row.split == "validation":
            self._tried[scope_of(self._tune, row.arm, row.n)][row.file_name] = row
            return
        key = (row.arm, row.n, row.seed)
        self._of_run[key][row.file_name] = row
        (run,) = runs(self._of_run[key].values())
        if run.repeats >= self._repeats:
            self._runs[key] = run

    @property
    def rows(self) -> list[Observation]:
        """All rows, in the order in which they came."""
        return list(self._rows.values())

    @property
    def runs(self) -> list[Run]:
        """The complete runs, in the order in which they were completed."""
        return list(self._runs.values())

    def runs_from(self, start: int) -> list[Run]:
        """The complete runs but for the first `start` of them."""
        return list(islice(reversed(self._runs.values()), max(len(self._runs) - start, 0)))[::-1]

    @property
    def runs_done(self) -> int:
        """How many runs are complete."""
        return len(self._runs)

    def run(self, arm: str, n: int, seed: int) -> Run:
        """A complete run."""
        return self._runs[arm, n, seed]

    def has(self, arm: str, n: int, seed: int) -> bool:
        """Whether this run is complete."""
        return (arm, n, seed) in self._runs

    def tried(self, scope: Scope) -> list[Observation]:
        """The trials of a tuning."""
        return list(self._tried[scope].values())
