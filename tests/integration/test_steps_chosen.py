"""A real sweep chooses how long its fine-tunes are before its first run, and goes on from what it chose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.data.fashion_mnist import PACKAGE_FOLDER
from tests.integration import sweeps
from tests.integration.command_line import Place, place
from tests.integration.run_folder import rows, table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist"),
]

SWEEP = sweeps.REAL | {
    "name": "tiny",
    "renderings": {"shapes": sweeps.SHAPES},
    "pretrain": {
        "workers": 1,
        "validation_images": 20,
        "recipe": {"iterations": 8, "batch_size": 16, "warmup_images": 0, "eval_every": 8},
    },
    "finetune": {"dataset": "fashion-mnist", "count": 60, "repeats": 1, "recipe": {"warmup_images": 0}},
    "tune": {"trials": 0, "folds": 2, "iterations": [2, 40]},
    "ladder": {"sizes": [20, 40, 60]},
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as somewhere:
        sweeps.write_shapes(tmp_path)
        yield somewhere


def test_all_runs_have_the_steps_that_were_chosen_on_folds_and_a_second_run_does_nothing(here: Place) -> None:
    config = str(sweeps.write(SWEEP, here.folder))

    done = here.run("run", config, "--json", timeout_s=900)
    assert done.code == 0, done.err[-5000:]

    # given 2 steps, which teach nothing, and 40, then all have 40; it was decided before anything else
    decided = [event for event in done.events if event["event"] == "decided"]
    assert decided[0]["steps"] == 40
    # and what takes minutes was announced: n = 0 first, then the largest n
    assert [each["what"].split(" n=")[1] for each in done.events if each["event"] == "trying"] == [
        "0 seed=0",
        "60 seed=0",
    ]
    tried = [(each["n"], each["iterations"]) for each in decided[0]["tried"]]
    assert sorted(tried) == [(0, 2), (0, 40), (60, 2), (60, 40)]
    folder = here.folder / "runs" / "tiny"
    assert "iterations: 40" in (folder / "config.yaml").read_text()
    measured = rows(folder)
    assert {row["n"] for row in measured} == {0, 20, 40, 60}
    assert len({(row["n"], row["study"]) for row in measured}) == 4

    # and the report shows the curve of steps of no pre-training
    page = (folder / "report.html").read_text()
    assert 'aria-label="Error on the folds against steps"' in page
    assert [row["iterations"] for row in table(folder, "steps") if row["n"] == "0"] == ["2", "40"]

    # and the same command finds all of it; the plan says what was chosen
    again = here.run("run", config, "--json")
    assert [event["event"] for event in again.events] == ["finished", "report"]
    assert "steps: fine-tunes have 40 steps, whatever their n" in here.run("plan", config).out

    # and where the choice is lost, the trials are still there: nothing is trained again
    log = folder / "decisions.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join(line for line in lines if "steps_key" not in json.loads(line)) + "\n")
    before = {
        file: file.stat().st_mtime_ns for file in (here.folder / "runs" / "artifacts").rglob("*") if file.is_file()
    }
    third = here.run("run", config, "--json", timeout_s=600)
    assert third.code == 0, third.err[-5000:]
    assert not {"trying", "tried"} & {event["event"] for event in third.events}
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert here.wait_until_empty(30) == []
