"""A cluster that grows for what a stage asks for and shrinks when it is idle: Ray's autoscaler with pretended nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.data.fashion_mnist import PACKAGE_FOLDER
from tests.faults import shapes
from tests.faults.cluster import Head, head
from tests.integration.command_line import Place, place
from tests.integration.run_folder import artifacts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist"),
]

PATIENCE_S = 900


def nodes_of(cluster: Head) -> int:
    """How many nodes there are, the head among them: each is a raylet."""
    commands = (Path(f"/proc/{process}/cmdline") for process in cluster.place.processes())
    return sum(b"/raylet/raylet" in path.read_bytes() for path in commands if path.exists())


def watch(cluster: Head, until: Callable[[], bool], timeline: list[tuple[float, int]]) -> None:
    """Note (seconds, nodes) each time that the number of nodes changes."""
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, timeline
        nodes = nodes_of(cluster)
        if not timeline or timeline[-1][1] != nodes:
            timeline.append((time.monotonic(), nodes))
        time.sleep(0.2)


def test_it_grows_for_rendering_and_ends_with_the_head_alone(tmp_path: Path) -> None:
    # given a head of one CPU that may add two nodes, and three renderers of one CPU each
    (tmp_path / "nodes").mkdir()
    config = shapes.write(tmp_path, render={"actors": 3}, pretrain={"workers": 1})
    with place(tmp_path / "nodes") as around, head(around, cpus=1, most_nodes=2) as cluster:
        here = Place(tmp_path, around.temporary, around.mark, cluster.environment)
        assert nodes_of(cluster) == 1
        began, timeline = time.monotonic(), list[tuple[float, int]]()
        sweep = here.start("run", config)

        # when the sweep has rendered, has ended, and has been over for a while
        watch(cluster, lambda: bool(sweep.of("rendered")) or sweep.process.poll() is not None, timeline)
        rendered = len(timeline)
        watch(cluster, lambda: sweep.process.poll() is not None, timeline)
        done = sweep.finish(10)
        watch(cluster, lambda: nodes_of(cluster) == 1, timeline)
        print("nodes by second:", [(round(at - began), nodes) for at, nodes in timeline])

    # then the nodes came for the renderers, and no node but the head is left
    assert done.code == 0, done.err[-4000:]
    assert max(nodes for _, nodes in timeline[:rendered]) == 3
    assert len(artifacts(tmp_path / "runs" / "artifacts", "pretrain")) == 3
