"""Pre-training goes on with fewer workers where a node is lost and none comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.fashion_mnist import PACKAGE_FOLDER
from tests.faults import shapes
from tests.faults.cluster import head
from tests.integration.command_line import Place, place
from tests.integration.run_folder import artifacts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist"),
]

PATIENCE_S = 900


def test_pretraining_goes_on_with_one_worker_of_two(tmp_path: Path) -> None:
    # given a sweep whose two workers are on two nodes, of which one is lost after a checkpoint
    (tmp_path / "nodes").mkdir()
    recipe = shapes.SWEEP["pretrain"]["recipe"] | {"sync_batch_norm": True}
    config = shapes.write(tmp_path, render={"actors": 1}, pretrain={"workers": 2, "min_workers": 1, "recipe": recipe})
    with place(tmp_path / "nodes") as around, head(around, cpus=0) as cluster:
        cluster.add_node(cpus=1)
        lost = cluster.add_node(cpus=1)
        sweep = Place(tmp_path, around.temporary, around.mark, cluster.environment).start("run", config)
        notes = (tmp_path / "runs" / "losses" / "scratch").glob
        sweep.wait_for(
            lambda: any("checkpoint_20" in note.read_text() for note in notes("pretrain-*/checkpoint_manager_*.json")),
            PATIENCE_S,
        )
        cluster.lose(lost)
        done = sweep.finish(PATIENCE_S)

    # then nothing had to wait for another node, and every checkpoint was made
    assert done.code == 0, done.err[-4000:]
    assert not [event for event in done.events if event["event"] in ("failed", "waiting")]
    assert len(artifacts(tmp_path / "runs" / "artifacts", "pretrain")) == len(shapes.SWEEP["ladder"]["sizes"])
