"""A loop without Ray, for tests to hand it what fine-tunes measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.budget.ledger import Ledger
from sweeper.events.reporter import Reporter
from sweeper.search.loop import Loop
from sweeper.stages.identity import Trial
from sweeper.stages.inventory import Inventory
from sweeper.stages.prepare import Stages
from sweeper.storage.artifacts import ArtifactStore
from sweeper.study.arms import make_plan
from tests.sweeper.examples import Clock, simulated_sweep, sweep_of


@dataclass
class Desk:
    """A loop of a simulated sweep, its ledger, and the clock that the ledger goes by."""

    loop: Loop
    ledger: Ledger
    clock: Clock

    def next_trial(self) -> Trial:
        """The next fine-tune, as soon as one is ready: checkpoints are looked for in a thread."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            trial = self.loop.next_trial()
            if trial is not None:
                self.loop.started(trial)
                return trial
            time.sleep(0.01)
        raise AssertionError("the loop handed nothing out")


@contextmanager
def desk_of(tmp_path: Path, **changes: Any) -> Iterator[Desk]:
    content = simulated_sweep(output=str(tmp_path / "run"), **({"tune": {"trials": 1}} | changes))
    config, clock = sweep_of(tmp_path, content), Clock()
    config.run_folder.mkdir()
    ledger = Ledger(config.run_folder / "ledger.jsonl", config.budget, clock)
    ledger.start()
    reporter = Reporter("json")
    store = ArtifactStore(str(tmp_path / "store"))
    inventory = Inventory(config, store)
    stages = Stages(config, inventory, store, reporter, str(tmp_path), None)
    loop = Loop(config, make_plan(config), inventory, stages, ledger, reporter, slots=2)
    yield Desk(loop, ledger, clock)
    loop.close()


def finished(desk: Desk, trials: int) -> list[Trial]:
    """So many fine-tunes, each told an error as soon as it is handed out."""
    seen = []
    for _ in range(trials):
        trial = desk.next_trial()
        desk.loop.observed(trial, {"error": 0.3 + trial.settings["lr"], "seconds": 1.0})
        seen.append(trial)
    return seen
