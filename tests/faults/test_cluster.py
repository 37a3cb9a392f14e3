"""Sweeps on a real Ray cluster with authentication on: refused in words, watched, robbed of its head."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.faults import sweeps
from tests.faults.cluster import Head, head
from tests.integration.command_line import Place, place
from tests.integration.run_folder import errors, lines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# A busy machine takes minutes to start Ray.
PATIENCE_S = 900


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head with one CPU."""
    with place(tmp_path_factory.mktemp("cluster")) as here, head(here, cpus=1) as made:
        yield made


def joined(cluster: Head, folder: Path, **changed: str) -> Place:
    """A place whose commands run on the cluster."""
    folder.mkdir(exist_ok=True)
    return Place(folder, cluster.place.temporary, cluster.place.mark, cluster.environment | changed)


def test_a_stage_that_no_node_can_run_says_so_after_the_set_time(cluster: Head, tmp_path: Path) -> None:
    config = str(sweeps.write(tmp_path, seconds=0.1, finetune=sweeps.SWEEP["finetune"] | {"cpus": 64}))

    told = joined(cluster, tmp_path).run("run", config, "cluster.wait_s=4")

    assert told.code == 2, told.err
    assert "waiting up to 4 s for nodes: finetune.cpus asks for 64 CPUs, but Ray has 1" in told.err
    assert "waited 4 s, the cluster has 1 node with 1 CPUs and 0 GPUs" in told.err
    assert "Traceback" not in told.err


def test_a_missing_token_is_one_line(cluster: Head, tmp_path: Path) -> None:
    config = str(sweeps.write(tmp_path, seconds=0.1))

    told = joined(cluster, tmp_path, RAY_AUTH_TOKEN_PATH=str(tmp_path / "none")).run("run", config)

    assert told.code != 0
    assert re.search(r"^sweeper: .*token", told.err, re.MULTILINE | re.IGNORECASE), told.err
    assert "Traceback" not in told.err


def test_what_a_sweep_does_is_among_rays_metrics(tmp_path: Path) -> None:
    config = str(sweeps.write(tmp_path, seconds=3.0))
    (tmp_path / "head").mkdir()
    with place(tmp_path / "head") as around, head(around, cpus=1) as cluster:
        sweep = joined(cluster, tmp_path).start("run", config, "prices.cpu_core_hour=3600")
        seen: dict[str, float] = {}

        def told() -> bool:
            # What Prometheus would read.
            with urlopen(cluster.metrics, timeout=10) as answer:
                for line in answer.read().decode().splitlines():
                    if re.match(r"ray_sweeper_\w+\{", line) and 'sweep="faults"' in line:
                        seen[line.partition("{")[0].removesuffix("_total")] = float(line.split()[-1])
            return {"ray_sweeper_runs", "ray_sweeper_usd"} <= set(seen)

        sweep.wait_for(told, PATIENCE_S)
        sweep.kill_group()

    assert seen["ray_sweeper_runs"] >= 1
    assert seen["ray_sweeper_usd"] >= 3.0


def test_with_the_head_lost_the_same_command_goes_on_on_a_new_one(tmp_path: Path) -> None:
    # given a sweep with something observed, when the head and all its nodes are lost
    config = str(sweeps.write(tmp_path, seconds=2.0))
    run = tmp_path / "runs" / "faults"
    (tmp_path / "first").mkdir()
    with place(tmp_path / "first") as around, head(around, cpus=2) as lost:
        # Ray's driver looks for a lost head for a minute where it is not told otherwise.
        sweep = joined(lost, tmp_path, RAY_gcs_rpc_server_reconnect_timeout_s="5").start("run", config)
        sweep.wait_for(lambda: len(sweep.of("observed")) >= 1, PATIENCE_S)
        lost.lose_all()
        ended = sweep.finish(PATIENCE_S)
    assert ended.code != 0
    before = errors(run)
    assert 0 < len(before) < len(sweeps.undisturbed())

    # then the same command on another head makes what is missing, and nothing stays reserved
    (tmp_path / "second").mkdir()
    with place(tmp_path / "second") as around, head(around, cpus=2) as new:
        done = joined(new, tmp_path).run("run", config)
    assert done.code == 0, done.err[-3000:]
    assert errors(run) == pytest.approx(sweeps.undisturbed())
    events = lines(run / "ledger.jsonl")
    settled = [event["id"] for event in events if event["event"] == "settle"]
    assert {event["id"] for event in events if event["event"] == "reserve"} == set(settled)
    assert len(settled) == len(set(settled))
