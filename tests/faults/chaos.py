"""A sweep of many simulated runs while nodes die and return at random; what happened to it, in figures.

python -m tests.faults.chaos --runs 200 --seconds 3
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.faults.cluster import Head, head
from tests.integration.command_line import Place, Started, place
from tests.integration.run_folder import lines, rows

RUNGS = 10
LAW = {"alpha": 0.5, "C": 0.2, "D": 6.0, "sigma": 0.01}
# Of one CPU each, beside a head without any.
MOST_NODES = 3
# A busy machine is slow.
PATIENCE_S = 1500


@dataclass(frozen=True)
class Figures:
    """What a chaos run came to.

    Exit code; nodes lost and added; tries repeated and given up; runs that should be in the table, are missing, or
    were observed more than once; device-seconds spent and allowed; reservations that are still open.
    """

    code: int
    seconds: float
    nodes_lost: int
    nodes_added: int
    retries: int
    failed: int
    expected: int
    missing: int
    repeated: int
    spent_device_s: float
    allowed_device_s: float
    open_reservations: int


def sweep_of(runs: int, seconds: float, device_hours: float) -> dict[str, Any]:
    """A fixed grid of `runs` runs and one reference, each one fine-tune of so many seconds on one CPU."""
    arms = [f"setting-{i}" for i in range(runs // RUNGS)]
    return {
        "name": "chaos",
        "renderings": {arm: {} for arm in arms},
        "pretrain": {"tasks": ["simulated"], "backbones": ["simulated"]},
        "finetune": {"tasks": ["simulated"], "repeats": 1, "max_failures": 0},
        "tune": {"trials": 0},
        "ladder": {"start": 250, "factor": 2, "rungs": RUNGS},
        "policy": {"name": "grid", "in_flight": 2 * MOST_NODES, "reference_seeds": 1},
        "simulated": {arm: LAW | {"seconds": seconds} for arm in arms},
        "budget": {"device_hours": device_hours},
    }


def disturb(cluster: Head, sweep: Started, rng: random.Random, every_s: float) -> Counter[str]:
    """Lose a node or add one at random until the sweep has ended; how often each."""
    done: Counter[str] = Counter()
    while sweep.process.poll() is None:
        time.sleep(rng.uniform(0.5, 1.5) * every_s)
        if len(cluster.nodes) == MOST_NODES or (cluster.nodes and rng.random() < 0.5):
            cluster.lose(rng.choice(cluster.nodes))
            done["lost"] += 1
        else:
            cluster.add_node(cpus=1)
            done["added"] += 1
    return done


def measure(folder: Path, *, runs: int, seconds: float, seed: int, every_s: float, device_hours: float) -> Figures:
    """One chaos run in an empty folder."""
    (folder / "chaos.yaml").write_text(yaml.safe_dump(sweep_of(runs, seconds, device_hours)))
    began = time.monotonic()
    with _cluster(folder) as cluster:
        here = Place(folder, cluster.place.temporary, cluster.place.mark, cluster.environment)
        sweep = here.start("run", "chaos.yaml")
        counts = disturb(cluster, sweep, random.Random(seed), every_s)
        done = sweep.finish(PATIENCE_S)
    run = folder / "runs" / "chaos"
    there = Counter((row["arm"], row["n"]) for row in rows(run))
    ledger = lines(run / "ledger.jsonl")
    settled = {event["id"]: event for event in ledger if event["event"] == "settle"}
    open_ids = {event["id"] for event in ledger if event["event"] == "reserve"} - settled.keys()
    events = Counter(event["event"] for event in done.events)
    return Figures(
        code=done.code,
        seconds=round(time.monotonic() - began, 1),
        nodes_lost=counts["lost"],
        nodes_added=counts["added"],
        retries=events["retried"],
        failed=events["failed"],
        expected=runs + 1,
        missing=runs + 1 - len(there),
        repeated=sum(count - 1 for count in Counter(_decided(done.events)).values()),
        spent_device_s=round(sum(event["cost"]["device_s"] for event in settled.values()), 1),
        allowed_device_s=device_hours * 3600,
        open_reservations=len(open_ids),
    )


def _decided(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The runs that were observed, as often as each was."""
    return [(e["arm"], e["n"], e["seed"]) for e in events if e["event"] == "observed"]


@contextmanager
def _cluster(folder: Path) -> Iterator[Head]:
    (folder / "nodes").mkdir()
    with place(folder / "nodes") as around, head(around, cpus=0) as cluster:
        for _ in range(2):
            cluster.add_node(cpus=1)
        yield cluster


def main() -> None:
    """Measure once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every-s", type=float, default=10.0)
    parser.add_argument("--device-hours", type=float, default=1.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asdict(measure(Path(folder), **vars(given))), indent=1))


if __name__ == "__main__":
    main()
