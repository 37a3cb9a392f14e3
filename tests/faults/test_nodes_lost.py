"""A small real sweep on a cluster that loses its only node in each stage; what it leaves is what a calm one leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.fashion_mnist import PACKAGE_FOLDER
from tests.faults import shapes
from tests.faults.cluster import head
from tests.integration.command_line import Finished, Place, place
from tests.integration.run_folder import Artifact, all_artifacts, artifacts, errors, lines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist"),
]

# A busy machine takes minutes to start Ray.
PATIENCE_S = 900
# Workers' gradients are added in an order that is not promised.
RUN_NOISE = 0.005


@dataclass(frozen=True)
class Disturbed:
    """What the sweep left that lost a node in each stage, and what was finished at each loss."""

    finished: Finished
    run: Path
    at_losses: list[dict[str, Artifact]]
    at_the_end: dict[str, Artifact]


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    folder = tmp_path_factory.mktemp("disturbed")
    with place(tmp_path_factory.mktemp("nodes")) as around, head(around, cpus=0) as cluster:
        node = cluster.add_node(cpus=2)
        here = Place(folder, around.temporary, around.mark, cluster.environment)
        store, scratch = folder / "runs" / "artifacts", folder / "runs" / "losses" / "scratch"
        sweep = here.start("run", shapes.write(folder))
        at_losses = []
        for moment in (
            lambda: len(artifacts(store, "render")) >= 2,
            lambda: any(
                "checkpoint_20" in note.read_text() for note in scratch.glob("pretrain-*/checkpoint_manager_*.json")
            ),
            lambda: any(a.manifest["identity"]["checkpoint"] for a in artifacts(store, "finetune").values()),
        ):
            sweep.wait_for(moment, PATIENCE_S)
            cluster.lose(node)
            at_losses.append(all_artifacts(store))
            node = cluster.add_node(cpus=2)
        finished = sweep.finish(PATIENCE_S)
        yield Disturbed(finished, folder / "runs" / "losses", at_losses, all_artifacts(store))


def test_losing_nodes_is_no_failure(disturbed: Disturbed) -> None:
    assert disturbed.finished.code == 0, disturbed.finished.err[-4000:]
    assert not [event for event in disturbed.finished.events if event["event"] == "failed"]


def test_the_nodes_were_lost_in_the_three_stages_and_what_was_finished_stayed(disturbed: Disturbed) -> None:
    rendering, pretraining, finetuning = (
        {a.manifest["identity"]["stage"] for a in left.values() if a.manifest["identity"].get("n") != 0}
        for left in disturbed.at_losses
    )
    assert "pretrain" not in rendering
    assert "pretrain" in finetuning | pretraining
    for left in disturbed.at_losses:
        for key, artifact in left.items():
            assert disturbed.at_the_end[key].manifest["attempt"] == artifact.manifest["attempt"]


def test_every_reservation_is_settled(disturbed: Disturbed) -> None:
    events = lines(disturbed.run / "ledger.jsonl")
    settled = {event["id"] for event in events if event["event"] == "settle"}
    assert {event["id"] for event in events if event["event"] == "reserve"} <= settled


def test_the_table_is_that_of_a_calm_sweep(disturbed: Disturbed, tmp_path: Path) -> None:
    with place(tmp_path) as here:
        calm = here.run("run", shapes.write(tmp_path), timeout_s=PATIENCE_S * 2)
    assert calm.code == 0, calm.err[-4000:]
    assert errors(disturbed.run) == pytest.approx(errors(tmp_path / "runs" / "losses"), abs=RUN_NOISE)
