"""Sweeps on a real Ray cluster with authentication on: submitted, refused, watched, robbed of memory and of nodes."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.faults import sweeps
from tests.faults.cluster import RAY, Head, head
from tests.integration.command_line import Place, place
from tests.integration.run_folder import errors, lines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# A busy machine takes minutes to start Ray.
PATIENCE_S = 900

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head with one CPU, and with its dashboard, which takes jobs."""
    with place(tmp_path_factory.mktemp("cluster")) as here, head(here, cpus=1, dashboard=True) as made:
        yield made


def joined(cluster: Head, folder: Path, **changed: str) -> Place:
    """A place whose commands run on the cluster."""
    folder.mkdir(exist_ok=True)
    return Place(folder, cluster.place.temporary, cluster.place.mark, cluster.environment | changed)


def submit(cluster: Head, *entrypoint: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`ray job submit` of this repository or another folder; again where a busy machine's dashboard is not ready."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    env = plain | cluster.environment | cluster.place.environment
    env.pop("RAY_ADDRESS")
    command = [RAY, "job", "submit", "--address", cluster.dashboard, "--working-dir", str(folder), "--", *entrypoint]
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
        not_ready = re.search(r"No available agent|Failed to connect to Ray at", done.stdout + done.stderr)
        if not not_ready or time.monotonic() > deadline:
            return done
        time.sleep(2)


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

    assert told.code == 2
    assert re.search(r"^sweeper: .*token", told.err, re.MULTILINE | re.IGNORECASE), told.err
    assert "Traceback" not in told.err


def test_another_cluster_s_token_is_named_as_the_likely_cause(cluster: Head, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("0" * 64)
    config = str(sweeps.write(tmp_path, seconds=0.1))

    told = joined(cluster, tmp_path, RAY_AUTH_TOKEN_PATH=str(tmp_path / "other")).run("run", config)

    assert told.code == 2
    assert re.search(
        r"^sweeper: .* cannot be joined: .*check .* that the token is the cluster's", told.err, re.MULTILINE
    )
    assert "Traceback" not in told.err


def test_a_working_directory_too_large_is_refused_by_the_head(cluster: Head, tmp_path: Path) -> None:
    # given a folder of 110 MB that no packing makes smaller, where the head takes 100 MiB
    with (tmp_path / "photographs").open("wb") as stream:
        for _ in range(110):
            stream.write(os.urandom(1_000_000))

    done = submit(cluster, "true", folder=tmp_path)

    assert done.returncode != 0
    told = (done.stdout + done.stderr).strip()
    assert "Maximum request body size 104857600 exceeded" in told.splitlines()[-1], told[-3000:]


def test_a_sweep_submitted_as_a_job_runs_there_and_logs_a_line_an_event(cluster: Head, tmp_path: Path) -> None:
    config = str(sweeps.write(tmp_path, seconds=0.2))

    places = f"output={tmp_path}/run", f"store={tmp_path}/store"
    done = submit(cluster, "python", "-m", "sweeper", "run", config, *places)

    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert re.search(r"\[ *\d+ s\] decision 1: ", done.stdout)
    assert re.search(r"\[ *\d+ s\] observed plain/.* n=1000 seed=0: error", done.stdout)
    assert errors(tmp_path / "run") == pytest.approx(sweeps.undisturbed())


def test_fine_tunes_that_hang_are_ended_and_the_cause_is_told(cluster: Head, tmp_path: Path) -> None:
    # given fine-tunes that would take for ever
    limits = {"timeout_s": 2.0, "max_failures": 0}
    config = str(sweeps.write(tmp_path, seconds=3600.0, finetune=sweeps.SWEEP["finetune"] | limits))

    told = joined(cluster, tmp_path).run("run", config, "--json", timeout_s=PATIENCE_S)

    # then each is ended, and with the third the sweep, in one line
    assert told.code == 1
    cause = "it ran for longer than finetune.timeout_s = 2 s and was ended"
    failed = [event["text"] for event in told.events if event["event"] == "failed"]
    assert len(failed) == 3
    assert all(cause in text for text in failed)
    assert cause in told.err.splitlines()[-1]
    assert "Traceback" not in told.err


def test_a_fine_tune_that_is_killed_for_memory_is_tried_again_and_so_is_one_whose_node_is_lost(
    cluster: Head, tmp_path: Path
) -> None:
    # given a node for fine-tunes of two CPUs, on which Ray takes memory to be short whatever runs there
    full = cluster.add_node(cpus=2, RAY_memory_usage_threshold="0.01", RAY_memory_monitor_refresh_ms="100")
    finetune = sweeps.SWEEP["finetune"] | {"cpus": 2, "max_failures": 100}
    sweep = joined(cluster, tmp_path).start("run", str(sweeps.write(tmp_path, seconds=1.0, finetune=finetune)))
    # of which Ray may say at first only that it cannot be reached
    killed = "it ran out of memory and was killed"
    sweep.wait_for(lambda: any(killed in event["text"] for event in sweep.of("retried")), PATIENCE_S)

    # when it is lost, and so is the next, amid the sweep
    cluster.lose(full)
    lost = cluster.add_node(cpus=2)
    sweep.wait_for(lambda: bool(sweep.of("observed")), PATIENCE_S)
    cluster.lose(lost)
    cluster.add_node(cpus=2)
    done = sweep.finish(PATIENCE_S)

    # then the table is the undisturbed one
    assert done.code == 0, done.err[-3000:]
    assert errors(tmp_path / "runs" / "faults") == pytest.approx(sweeps.undisturbed())
    assert "Traceback" not in done.err


def test_what_a_sweep_does_is_among_rays_metrics(cluster: Head, tmp_path: Path) -> None:
    config = str(sweeps.write(tmp_path, seconds=3.0))
    sweep = joined(cluster, tmp_path).start("run", config, "name=watched", "prices.cpu_core_hour=3600")
    seen: dict[str, float] = {}

    def told() -> bool:
        # What Prometheus would read.
        with urlopen(cluster.metrics, timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if re.match(r"ray_sweeper_\w+\{", line) and 'sweep="watched"' in line:
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
