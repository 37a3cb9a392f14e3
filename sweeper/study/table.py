"""The results table in memory: rows come in one by one, and what a decision needs of them is kept at hand."""

import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any

from analysis.policy.runs import Run
from sweeper.config.tune import Scope, Tune, scope_of
from sweeper.study.results import MeasuredRun, Observation, runs


class Table:
    """The fine-tunes of one sweep. What a row costs does not depend on how many there are.

    A run is complete with `repeats` fine-tunes on the test split.
    """

    def __init__(self, rows: Iterable[Observation], repeats: int, tune: Tune) -> None:
        self._repeats, self._tune = repeats, tune
        self._tests: dict[Run, dict[int, Observation]] = defaultdict(dict)
        self._settled: dict[Scope, str] = {}
        self._tried: dict[Scope, dict[Any, Observation]] = defaultdict(dict)
        self._runs: dict[Run, MeasuredRun] = {}
        self._keys: set[Any] = set()
        for row in rows:
            self.add(row)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, row: Observation) -> None:
        """Take a row in; one of the same fine-tune takes the place of the earlier."""
        self._keys.add(row.key)
        if row.split == "validation":
            self._tried[scope_of(self._tune, row.arm, row.n, row.s)][row.key] = row
            return
        self._settled.setdefault(scope_of(self._tune, row.arm, row.n, row.s), row.tuned)
        self._tests[row.run][row.repeat] = row
        (run,) = runs(self._tests[row.run].values())
        if run.repeats >= self._repeats:
            self._runs[row.run] = run

    @property
    def runs(self) -> list[MeasuredRun]:
        """The complete runs, in the order in which they were completed."""
        return list(self._runs.values())

    def runs_from(self, start: int) -> list[MeasuredRun]:
        """The complete runs but for the first `start` of them."""
        return list(islice(reversed(self._runs.values()), max(len(self._runs) - start, 0)))[::-1]

    @property
    def runs_done(self) -> int:
        """How many runs are complete."""
        return len(self._runs)

    def __getitem__(self, run: Run) -> MeasuredRun:
        return self._runs[run]

    def __contains__(self, run: Run) -> bool:
        """Whether this run is complete."""
        return run in self._runs

    def tried(self, scope: Scope) -> list[Observation]:
        """The trials of a tuning."""
        return list(self._tried[scope].values())

    def settled(self, scope: Scope) -> dict[str, Any] | None:
        """The recipe values that runs of a tuning were fine-tuned with; None where none was yet."""
        return json.loads(self._settled[scope]) if scope in self._settled else None
