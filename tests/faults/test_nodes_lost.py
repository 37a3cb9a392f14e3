"""A small real sweep on a cluster that loses a node in each stage; what it leaves is what a calm one leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.data.fashion_mnist import PACKAGE_FOLDER
from tests.faults import shapes
from tests.faults.cluster import head
from tests.integration.command_line import Finished, Place, place
from tests.integration.run_folder import Artifact, all_artifacts, artifacts, errors, lines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist"),
]

# A busy machine takes minutes to start Ray.
PATIENCE_S = 900
# A pre-training that goes on with one worker adds its gradients in another order; a hundred steps make a point of it.
RUN_NOISE = 0.02

# Two workers, or one where there are no more.
PRETRAIN = {
    "workers": 2,
    "min_workers": 1,
    "recipe": shapes.SWEEP["pretrain"]["recipe"] | {"sync_batch_norm": True},
}


@dataclass(frozen=True)
class Disturbed:
    """What the sweep left that lost a node in each stage, and what was finished at each loss."""

    finished: Finished
    run: Path
    at_losses: list[dict[str, Artifact]]
    at_the_end: dict[str, Artifact]

    def of(self, name: str) -> list[dict[str, Any]]:
        """Events of one name."""
        return [event for event in self.finished.events if event["event"] == name]


def sweep_file(folder: Path) -> str:
    return shapes.write(folder, pretrain=PRETRAIN)


def is_finetuning(here: Place) -> bool:
    """Whether a process of Tune's is at work."""
    commands = (Path(f"/proc/{process}/cmdline") for process in here.processes())
    return any(b"ImplicitFunc.train" in path.read_bytes() for path in commands if path.exists())


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    folder = tmp_path_factory.mktemp("disturbed")
    with place(tmp_path_factory.mktemp("nodes")) as around, head(around, cpus=0) as cluster:
        first, second = cluster.add_node(cpus=1), cluster.add_node(cpus=1)
        here = Place(folder, around.temporary, around.mark, cluster.environment)
        store, scratch = folder / "runs" / "artifacts", folder / "runs" / "losses" / "scratch"
        sweep = here.start("run", sweep_file(folder))

        sweep.wait_for(lambda: len(artifacts(store, "render")) >= 2, PATIENCE_S)
        cluster.lose(first)
        at_losses = [all_artifacts(store)]
        third = cluster.add_node(cpus=1)

        notes = scratch.glob
        sweep.wait_for(
            lambda: any("checkpoint_20" in note.read_text() for note in notes("pretrain-*/checkpoint_manager_*.json")),
            PATIENCE_S,
        )
        cluster.lose(second)
        at_losses.append(all_artifacts(store))

        # One node is left: it must be enough to get on.
        sweep.wait_for(lambda: bool(sweep.of("pretrained")) and is_finetuning(here), PATIENCE_S)
        cluster.lose(third)
        at_losses.append(all_artifacts(store))
        cluster.add_node(cpus=2)
        finished = sweep.finish(PATIENCE_S)
        yield Disturbed(finished, folder / "runs" / "losses", at_losses, all_artifacts(store))


def test_losing_nodes_is_no_failure(disturbed: Disturbed) -> None:
    assert disturbed.of("failed") == []
    assert disturbed.finished.code == 0, disturbed.finished.err[-4000:]
    assert disturbed.of("retried"), "no fine-tune was lost with its node"


def test_what_was_finished_before_a_loss_is_not_made_again(disturbed: Disturbed) -> None:
    rendering, pretraining, finetuning = (
        {a.manifest["identity"]["stage"] for a in left.values() if a.manifest["identity"].get("n") != 0}
        for left in disturbed.at_losses
    )
    assert "pretrain" not in rendering | pretraining
    assert "pretrain" in finetuning
    for left in disturbed.at_losses:
        for key, artifact in left.items():
            assert disturbed.at_the_end[key].manifest["attempt"] == artifact.manifest["attempt"]


def test_every_reservation_is_settled(disturbed: Disturbed) -> None:
    events = lines(disturbed.run / "ledger.jsonl")
    settled = {event["id"] for event in events if event["event"] == "settle"}
    assert {event["id"] for event in events if event["event"] == "reserve"} <= settled


def test_the_table_is_that_of_a_calm_sweep(disturbed: Disturbed, tmp_path: Path) -> None:
    with place(tmp_path) as here:
        calm = here.run("run", sweep_file(tmp_path), timeout_s=PATIENCE_S * 2)
    assert calm.code == 0, calm.err[-4000:]
    left, expected = errors(disturbed.run), errors(tmp_path / "runs" / "losses")
    assert left == pytest.approx(expected, abs=RUN_NOISE)
    # what rests on no pre-training is the same to the last digit
    assert {key: error for key, error in left.items() if key[1] == 0} == pytest.approx(
        {key: error for key, error in expected.items() if key[1] == 0}, abs=1e-9
    )
