"""A small real sweep of three arms on a cluster that holds their stages side by side: how long they overlapped.

python -m tests.faults.overlap
"""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.faults import shapes
from tests.faults.cluster import head
from tests.integration.command_line import Place, place

# Of Ray's CPUs, not the machine's: two renderers, one worker, two fine-tunes.
CPUS = 5
PATIENCE_S = 900

Span = tuple[float, float]


def sweep_file(folder: Path) -> str:
    """Three renderings of the same shapes, in three arms."""
    plain = shapes.SWEEP["renderings"]["shapes"]
    others = {"lit": plain | {"light": "fix"}, "bare": plain | {"background": "fix"}}
    return shapes.write(folder, renderings=others, pretrain={"workers": 1}, policy={"in_flight": 6})


def spans(events: list[dict[str, Any]]) -> dict[str, list[Span]]:
    """When each stage was under way, in seconds since the sweep began; fine-tunes from their checkpoint on."""
    found: dict[str, list[Span]] = {"render": [], "pretrain": [], "finetune": []}
    ready: dict[str, float] = {}
    for event in events:
        at = event["t"]
        if event["event"] in ("rendered", "pretrained"):
            found[event["stage"]].append((at - event["seconds"], at))
        if event["event"] == "pretrained":
            ready[event["what"]] = at
        if event["event"] == "observed" and (began := ready.get(f"{event['arm']} n={event['n']}")) is not None:
            found["finetune"].append((began, at))
    return found


def together(*stages: list[Span]) -> float:
    """Seconds in which every one of these stages was under way."""
    edges = sorted({edge for spans in stages for span in spans for edge in span})
    return sum(
        end - begin
        for begin, end in itertools.pairwise(edges)
        if all(any(a <= begin and end <= b for a, b in spans) for spans in stages)
    )


def main() -> None:
    """Run it once and print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nodes").mkdir()
        with place(folder / "nodes") as around, head(around, cpus=CPUS) as cluster:
            here = Place(folder, around.temporary, around.mark, cluster.environment)
            done = here.start("run", sweep_file(folder)).finish(PATIENCE_S)
    found = spans(done.events)
    pairs = {"render and pretrain": ("render", "pretrain"), "all three": ("render", "pretrain", "finetune")}
    overlaps = {what: round(together(*(found[s] for s in stages)), 1) for what, stages in pairs.items()}
    took = {stage: round(together(spans), 1) for stage, spans in found.items()}
    print(json.dumps({"code": done.code, "seconds under way": took, "seconds together": overlaps, "spans": found}))


if __name__ == "__main__":
    main()
