"""Draws floors.svg: the floors of the four folders, from the contracts in pyproject.toml and from the imports.

    .venv/bin/python docs/dev/floors.py            # draw it anew
    .venv/bin/python docs/dev/floors.py --check    # exit code 1 where the committed picture is not what would be drawn

A floor is a line of a `layers` contract; a room on it is a package, or a module that lies in the folder itself. Arrows
are the imports between rooms; one that follows from two others is left out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_name("floors.svg")

FOR = {
    "sweeper.__main__": "the entry point: exit codes, one line for what is wrong",
    "sweeper.cli": "the command line: each command with its options, help and example",
    "sweeper.bench": "sweeper bench NAME: speed, cost and quality beside a reference",
    "sweeper.commands": "a file a command: plan, run, status, report, render, fit ...",
    "sweeper.search": "the loop: what to run next, when to stop; tuning with Ray Tune",
    "sweeper.stages": "render, pre-train, fine-tune: look what is there, or make it",
    "sweeper.events": "what is said meanwhile: lines, JSON, Ray's metrics, trackers",
    "sweeper.budget": "the ledger; costs learnt by type of device",
    "sweeper.cluster": "Ray's start, admission, lost nodes, what hangs",
    "sweeper.study": "arms, recipes, the identity of a sweep, its results",
    "sweeper.config": "the sweep file: schema, checks, overrides",
    "sweeper.storage": "any URI: artifacts, run folders, leases, caches",
    "sweeper.errors": "what ends in one line",
    "analysis.evidence": "is the estimator right?",
    "analysis.replay": "policies, simulated",
    "analysis.policy": "what to run next",
    "analysis.report": "page, figures, tables",
    "analysis.verdict": "from a posterior to a sentence",
    "analysis.paper": "the paper's tables",
    "analysis.theory": "appendix E, run",
    "analysis.complexity": "how rich a rendered set is",
    "analysis.effects": "what each attribute of a rendering does",
    "analysis.estimator": "posterior of alpha, C, D",
    "analysis.exchange": "what renders are worth in labels",
    "analysis.laws": "error(n) = D n^-alpha + C",
    "analysis.amounts": "numbers in words",
    "tasks.training": "the loop, DDP, scores",
    "tasks.data": "real sets, samples of them",
    "tasks.models": "backbones, transfer",
    "tasks.classification": "mulclass, sinclass",
    "tasks.geometry": "normal, depth",
    "tasks.keypoints": "keypoint",
    "tasks.segmentation": "semseg",
    "tasks.detection": "objdet, insseg",
    "tasks.average_precision": "AP of weighted images",
    "tasks.recipes": "how each task is trained",
    "tasks.base": "what a task is",
    "tasks.label_forms": "kinds of label",
    "render_actors.pool": "actors that share the work",
    "render_actors.kept_actors": "those that wait",
    "render_actors.actor": "one of them",
    "render_actors.blender": "draws a scene (GPL-3.0)",
    "render_actors.export": "COCO, BOP, contact sheets",
    "render_actors.sources": "images of the user's own",
    "render_actors.scene": "a scene as data; physics",
    "render_actors.shards": "images and labels on disk",
    "render_actors.setting": "attributes, objects",
    "render_actors.sinks": "where shards go",
    "render_actors.silence": "keeps Blender's prints out",
    "render_actors.lost_nodes": "is a node gone?",
    "render_actors.labels": "the labels of an image",
}
MEASURES = ("sweeper.bench", "analysis.evidence", "analysis.replay", "analysis.paper", "analysis.theory")
HUES = {  # folder: line and text, floor, room
    "sweeper": ("#34558b", "#e4ebf6", "#f7f9fd"),
    "analysis": ("#2b7a57", "#e0f1e9", "#f6fbf8"),
    "render_actors": ("#b3591b", "#fbe9dc", "#fef8f3"),
    "tasks": ("#77489a", "#efe4f5", "#fbf8fd"),
}
STANDS_ON = {
    "sweeper": "Ray, Optuna, pyarrow, pydantic",
    "analysis": "numpy, scipy, matplotlib, jinja2",
    "render_actors": "Ray, Blender, numpy",
    "tasks": "torch, torchvision",
}
WIDTH, EDGE = 1080, 10
ROOM, GAP, FLOOR_GAP, PAD, HEAD = 24, 3, 7, 10, 32
LANES = 40  # px at the left of the rooms, for arrows
COLUMNS = {"analysis": (10, 350), "render_actors": (370, 346), "tasks": (726, 344)}  # x, width
PIPES = {"analysis": 760, "render_actors": 880, "tasks": 1000}  # x


@dataclass
class House:
    """One folder: its floors from the top, each a list of rooms by full name, and where each is drawn."""

    name: str
    floors: list[list[str]]
    x: int
    y: int
    width: int
    tops: dict[str, int] = field(default_factory=dict)  # y of each room
    bottom: int = 0

    def __post_init__(self) -> None:
        y = self.y + HEAD
        for floor in self.floors:
            for room in floor:
                self.tops[room] = y
                y += ROOM + GAP
            y += FLOOR_GAP
        self.bottom = y - FLOOR_GAP - GAP + PAD


def floors_of(folder: str) -> list[list[str]]:
    """The floors that the folder's `layers` contract lays down, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [c["layers"] for c in contracts if c["type"] == "layers" and c["containers"] == [folder]]
    return [[f"{folder}.{room.strip(' ()')}" for room in re.split("[|:]", layer)] for layer in layers]


def imports_between(rooms: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs (importer, imported) of rooms, over all modules in them, wherever in a module the import stands."""
    graph = grimp.build_graph(*HUES, cache_dir=None)
    found = set()
    known = set(rooms)
    for module in graph.modules:
        importer = ".".join(module.split(".")[:2])
        for imported in graph.find_modules_directly_imported_by(module):
            found.add((importer, ".".join(imported.split(".")[:2])))
    return {(a, b) for a, b in found if a != b and a in known and b in known}


def reduced(edges: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges of a graph without circles that do not follow from others."""

    def reaches(a: str, b: str) -> bool:
        return any(y == b or reaches(y, b) for x, y in edges if x == a)

    return sorted((a, b) for a, b in edges if not any(y != b and reaches(y, b) for x, y in edges if x == a))


def text(x: float, y: float, words: str, size: float, colour: str, more: str = "") -> str:
    """One line of text at a size in px, with more attributes."""
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" {more}>{words}</text>'


def box(x: float, y: float, width: float, height: float, radius: float, fill: str, more: str = "") -> str:
    """A rectangle with round corners, with more attributes."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" fill="{fill}" {more}/>'


def draw_house(house: House, edges: set[tuple[str, str]], used: set[str]) -> Iterator[str]:
    """The folder's floors, the rooms on them and the arrows between them; a dot where `sweeper` enters a room."""
    line, floor_fill, _ = HUES[house.name]
    left, right = house.x + LANES, house.x + house.width - PAD
    of_sweeper = house.name == "sweeper"
    yield box(house.x, house.y, house.width, house.bottom - house.y, 9, "#fff", f'stroke="{line}"')
    yield text(house.x + 13, house.y + 20, f"{house.name}/", 15, line, 'font-weight="bold"')
    at, anchor = (house.x + 105, "start") if of_sweeper else (right, "end")
    yield text(at, house.y + 20, STANDS_ON[house.name], 11, "#666", f'text-anchor="{anchor}"')
    for floor in house.floors:
        top, low = house.tops[floor[0]], house.tops[floor[-1]] + ROOM
        yield box(left - 4, top - 3, right - left + 8, low - top + 6, 5, floor_fill)
        for room in floor:
            yield from draw_room(room, left, house.tops[room], PIPES["analysis"] - 70 if of_sweeper else right)
            if room in used:
                yield f'<circle cx="{right}" cy="{house.tops[room] + ROOM / 2:g}" r="4" fill="{HUES["sweeper"][0]}"/>'
    for a, b in reduced({(a, b) for a, b in edges if a in house.tops and b in house.tops}):
        yield arrow_in_lane(house, a, b)


def draw_room(room: str, left: int, y: int, right: int) -> Iterator[str]:
    """A package's box with its name and what it is for."""
    folder, name = room.split(".")
    line, _, fill = HUES[folder]
    dashes = ' stroke-dasharray="4 3"' if room in MEASURES else ""
    yield box(left, y, right - left, ROOM, 3, fill, f'stroke="{line}" stroke-width="0.8"{dashes}')
    yield text(left + 7, y + 16.5, name, 12.5, line, 'font-weight="bold"')
    yield text(left + 112, y + 16.5, FOR[room], 12.5 if folder == "sweeper" else 11, "#333")


def arrow_in_lane(house: House, a: str, b: str) -> str:
    """An arrow down the lanes at the left of the rooms, the farther from them the longer it is."""
    rooms = list(house.tops)
    reach = min(9 + 3.6 * (rooms.index(b) - rooms.index(a)), LANES - 8)
    x = house.x + LANES
    start, end = house.tops[a] + ROOM * 0.68, house.tops[b] + ROOM * 0.32
    return (
        f'<path d="M{x:g} {start:g} C{x - reach * 1.3:g} {start:g} {x - reach * 1.3:g} {end:g} {x - 1:g} {end:g}" '
        f'fill="none" stroke="{HUES[house.name][0]}" stroke-width="1.2" marker-end="url(#{house.name})"/>'
    )


def draw_pipes(houses: dict[str, House], edges: set[tuple[str, str]]) -> Iterator[str]:
    """A line a folder from `sweeper` down to it, with a dot at each floor that imports from it."""
    top = houses["sweeper"]
    for i, (folder, x) in enumerate(PIPES.items()):
        line = HUES[folder][0]
        enters = [room for room in top.tops if any(a == room and b.startswith(f"{folder}.") for a, b in edges)]
        y0 = min(top.tops[room] for room in enters) + ROOM / 2
        below = houses[folder]
        bend, to = top.bottom + 12 + 9 * i, below.x + below.width / 2
        path = (
            f"M{x} {y0:g} V{bend - 6:g} Q{x} {bend:g} {x - 6} {bend:g} H{to + 6:g} Q{to:g} {bend:g} {to:g} {bend + 6:g}"
        )
        yield (
            f'<path d="{path} V{below.y - 3}" fill="none" stroke="{line}" stroke-width="3" '
            f'marker-end="url(#{folder}-wide)"/>'
        )
        yield text(x, top.y + 20, folder, 13, line, 'font-weight="bold" text-anchor="middle"')
        for room in enters:
            yield (
                f'<circle cx="{x}" cy="{top.tops[room] + ROOM / 2:g}" r="5" fill="#fff" stroke="{line}" '
                f'stroke-width="2.5"/>'
            )


def draw_sideways(houses: dict[str, House], edges: set[tuple[str, str]]) -> Iterator[str]:
    """Imports from one of the lower folders to another."""
    rooms = {room: house for house in houses.values() for room in house.tops}
    for a, b in reduced({(a, b) for a, b in edges if not a.startswith("sweeper.")}):
        if rooms[a] is rooms[b]:
            continue
        x0, y0 = rooms[a].x + rooms[a].width - PAD, rooms[a].tops[a] + ROOM / 2
        x1, y1 = rooms[b].x + LANES - 1, rooms[b].tops[b] + ROOM / 2
        yield (
            f'<path d="M{x0} {y0:g} C{x0 + 30} {y0:g} {x1 - 40} {y1:g} {x1} {y1:g}" fill="none" '
            f'stroke="{HUES[rooms[a].name][0]}" stroke-width="1.6" marker-end="url(#{rooms[a].name})"/>'
        )


def draw_legend(y: int) -> Iterator[str]:
    """What the signs mean, at height `y`."""
    grey, blue = "#555", HUES["sweeper"][0]
    yield text(EDGE, y, "Every import runs down; an arrow that follows from two others is left out.", 12, grey)
    yield box(520, y - 12, 26, 15, 3, "#fff", f'stroke="{grey}" stroke-dasharray="4 3"')
    yield text(552, y, "measures the project; no sweep needs it", 12, grey)
    yield f'<circle cx="920" cy="{y - 4}" r="4" fill="{blue}"/>'
    yield text(930, y, "imported by sweeper", 12, grey)


def drawn() -> str:
    """The picture as SVG."""
    all_floors = {folder: floors_of(folder) for folder in HUES}
    unsaid = [room for floors in all_floors.values() for floor in floors for room in floor if room not in FOR]
    if unsaid:
        sys.exit(f"docs/dev/floors.py: say in FOR what {', '.join(unsaid)} is for")
    edges = imports_between(room for floors in all_floors.values() for floor in floors for room in floor)
    houses = {"sweeper": House("sweeper", all_floors["sweeper"], EDGE, 10, WIDTH - 2 * EDGE)}
    lower = houses["sweeper"].bottom + 58
    for folder, (x, width) in COLUMNS.items():
        houses[folder] = House(folder, all_floors[folder], x, lower, width)
    houses["tasks"] = lowered(houses, edges)
    used = {b for a, b in edges if a.startswith("sweeper.") and not b.startswith("sweeper.")}
    bottom = max(house.bottom for house in houses.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 40}" '
        f'font-family="Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{bottom + 40}" fill="#fff"/>',
        "<defs>",
        *(
            f'<marker id="{name}{wide}" viewBox="0 0 8 8" refX="6.5" refY="4" markerWidth="{size}" '
            f'markerHeight="{size}" orient="auto"><path d="M0 0.5 L7.5 4 L0 7.5 z" fill="{HUES[name][0]}"/></marker>'
            for name in HUES
            for wide, size in (("", 6.5), ("-wide", 4))
        ),
        "</defs>",
        *(part for house in houses.values() for part in draw_house(house, edges, used)),
        *draw_pipes(houses, edges),
        *draw_sideways(houses, edges),
        *draw_legend(bottom + 24),
        "</svg>",
    ]
    return "\n".join(part.replace(" />", "/>").replace(" >", ">") for part in parts) + "\n"


def lowered(houses: dict[str, House], edges: set[tuple[str, str]]) -> House:
    """`tasks`, so far down that what `render_actors` imports of it lies below the importer."""
    tasks, above = houses["tasks"], houses["render_actors"].tops
    steps = [above[a] + ROOM + GAP - tasks.tops[b] for a, b in edges if a in above and b in tasks.tops]
    return House("tasks", tasks.floors, tasks.x, tasks.y + max(0, *steps, 0), tasks.width)


def main() -> int:
    """Draw or check; the exit code."""
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(drawn())
        return 0
    if PICTURE.exists() and PICTURE.read_text() == drawn():
        return 0
    print("docs/dev/floors.svg is not what the imports say now: .venv/bin/python docs/dev/floors.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
