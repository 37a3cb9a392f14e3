"""The simulated sweep, run once for all the tests that look at what it left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration import sweeps
from tests.integration.command_line import Finished, Place, place


@dataclass(frozen=True)
class Sweep:
    """A sweep that was run to its end: where, from which file, how the command ended, and its run folder."""

    place: Place
    config: Path
    finished: Finished
    folder: Path


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """`sweeper run CONFIG --json` on simulated errors: real Ray, Tune, store, ledger and policy."""
    folder = tmp_path_factory.mktemp("simulated")
    with place(folder) as here:
        config = sweeps.write(sweeps.SIMULATED, folder)
        finished = here.run("run", str(config), "--json", timeout_s=400)
        yield Sweep(here, config, finished, folder / "runs" / "simulated-two")
