"""What is said of too few nodes while a sweep runs, and what an autoscaler is asked for; the nodes are the test's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sweeper.cluster import capacity
from sweeper.cluster.capacity import CapacityWatch
from sweeper.cluster.resources import Need
from tests.sweeper.examples import real_sweep, sweep_of


@dataclass
class Cluster:
    """Its nodes, the time, what was said and what was asked for."""

    nodes: list[dict[str, float]]
    now: float = 100.0
    said: list[str] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster([{"CPU": 4.0}])

    def ask(needed: list[Need]) -> None:
        made.asked.append([need.key for need in needed])

    monkeypatch.setattr(capacity, "nodes_now", lambda: made.nodes)
    monkeypatch.setattr(capacity, "ask_for", ask)
    monkeypatch.setattr(capacity.time, "monotonic", lambda: made.now)
    return made


def watch_of(cluster: Cluster, tmp_path: Path, wait_s: float = 60.0) -> CapacityWatch:
    config = sweep_of(tmp_path, real_sweep(render={"actors": 4}))
    return CapacityWatch(config, wait_s, cluster.said.append)


def test_nodes_that_only_another_stage_needs_may_be_gone(cluster: Cluster, tmp_path: Path) -> None:
    # given a cluster that an autoscaler has shrunk after rendering
    watch = watch_of(cluster, tmp_path)
    cluster.nodes = [{"CPU": 2.0}]

    for _ in range(20):
        cluster.now += 10
        watch.look({"pretrain", "finetune"})

    assert cluster.said == []


def test_a_stage_under_way_without_nodes_is_said_and_ends_the_sweep_after_a_while(
    cluster: Cluster, tmp_path: Path
) -> None:
    watch = watch_of(cluster, tmp_path)
    cluster.nodes = [{"CPU": 2.0}]

    watch.look({"render"})
    assert "waiting up to 60 s for nodes: render.actors asks for 4 CPUs, but Ray has 2" in cluster.said[0]

    cluster.now += 61
    with pytest.raises(RuntimeError, match=r"waited 60 s, the cluster has 1 node with 2 CPUs"):
        watch.look({"render"})


def test_nodes_that_come_back_in_time_end_the_waiting(cluster: Cluster, tmp_path: Path) -> None:
    watch = watch_of(cluster, tmp_path)
    cluster.nodes = []
    watch.look({"finetune"})
    cluster.nodes = [{"CPU": 4.0}]
    cluster.now += 30
    watch.look({"finetune"})
    cluster.nodes = []
    cluster.now += 40
    watch.look({"finetune"})
    assert len(cluster.said) == 2


def test_the_next_stages_nodes_are_asked_for_once_shortly_before_it_and_given_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    watch = watch_of(cluster, tmp_path)
    watch.soon("pretrain", 3600)
    assert cluster.asked == []

    watch.soon("pretrain", 200)
    watch.soon("pretrain", 100)
    assert cluster.asked == [["pretrain.workers", "pretrain.gpu"]]

    watch.began()
    watch.began()
    assert cluster.asked[1:] == [[]]


def test_nodes_of_our_own_are_not_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    watch = watch_of(cluster, tmp_path, wait_s=0.0)
    watch.soon("pretrain", 1)
    assert cluster.asked == []
