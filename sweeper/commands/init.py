"""`sweeper init`: two folders become a sweep file that `sweeper plan` accepts; comments say what was chosen."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.cluster.resources import cpu_count
from sweeper.commands.check import check
from sweeper.commands.own_folders import (
    Photos,
    Renders,
    look_at_photographs,
    look_at_renders,
    pretraining_for,
    sweep_name,
    task_of,
)
from sweeper.config.budget import Prices
from sweeper.config.devices import gpus_here
from sweeper.config.load import load_config
from sweeper.errors import BadInput
from tasks.data.readers.sizes import FEW_PX
from tasks.recipes.registry import recipe_names

# Sizes of the ladder, each twice the one before, and the fewest that a law needs.
_RUNGS, _FEWEST = 6, 3
# A ladder whose top is fewer times its foot hardly tells a rate from a gap.
_SPAN = 16
# Synthetic images that choose a checkpoint, and photographs that are learnt from, where there are more.
_VALIDATION, _PHOTOGRAPHS = 200, 1000
# Squares that are offered, and px that the median object should have.
_SQUARES, _OBJECT_PX = (32, 64, 128, 224), 12
# With fewer test photographs the error of one run is known to no better than a few points.
_FEW_TESTED = 200


@dataclass(frozen=True)
class Wishes:
    """What the user says; what is left out is asked, or chosen. `renders`: folders, or NAME=FOLDER."""

    renders: tuple[str, ...] = ()
    photos: str | None = None
    task: str | None = None
    out: Path | None = None
    minutes: float = 120.0


def write_sweep(wishes: Wishes, ask: Callable[[str], str] | None = None) -> tuple[Path, list[str]]:
    """The sweep file, and lines on what was found. Nothing is left where `sweeper plan` would refuse it.

    `ask` puts a question to the user; None: nobody is there to answer. BadInput where a folder is no use.
    """
    wishes = _answered(wishes, ask)
    task = task_of(str(wishes.task))
    renders = [look_at_renders(each) for each in wishes.renders]
    if len({each.name for each in renders}) < len(renders):
        raise BadInput("--renders: two folders have one name; write NAME=FOLDER")
    same = [each.name for each in renders if each.folder == Path(str(wishes.photos)).expanduser().absolute()]
    if same:
        raise BadInput(f"--renders {same[0]} and --photos are one folder; renders are compared with other photographs")
    photos = look_at_photographs(str(wishes.photos), task)
    out = wishes.out or Path(f"{Path(photos.dataset.partition(':')[2]).name or 'own'}.yaml")
    if out.exists():
        raise BadInput(f"--out {out}: is there already; give another name, or take it away")
    text, part = sweep_text(out.stem, task, renders, photos, wishes.minutes), out.with_name(f".{out.name}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text)
        check(load_config(part))
        part.replace(out)
    except OSError as error:
        raise BadInput(f"--out {out}: cannot be written ({error.strerror}); give another place") from None
    finally:
        part.unlink(missing_ok=True)
    return out, _found(task, renders, photos)


def _answered(wishes: Wishes, ask: Callable[[str], str] | None) -> Wishes:
    """The wishes with what was left out asked for."""
    missing = [key for key in ("renders", "photos", "task") if not getattr(wishes, key)]
    if missing and ask is None:
        raise BadInput(f"init needs --{' and --'.join(missing)}: folders of renders and photographs, and the task")
    questions = {
        "renders": "Folder of labelled renders",
        "photos": "Folder of labelled photographs",
        "task": "What is learnt of the photographs (sinclass, mulclass, objdet, insseg, semseg)",
    }
    given = {key: ask(questions[key]).strip() for key in missing if ask is not None}
    renders = (given["renders"],) if "renders" in given else wishes.renders
    return Wishes(
        renders, given.get("photos", wishes.photos), given.get("task", wishes.task), wishes.out, wishes.minutes
    )


def _found(task: str, renders: Sequence[Renders], photos: Photos) -> list[str]:
    lines = [
        f"{each.name}: {each.training + each.held_out:,} labelled renders ({each.kind}), {each.held_out:,} held out"
        + (f"; {each.counted}" if each.counted else "")
        for each in renders
    ]
    counted = f"; {photos.counted} to learn from" if photos.counted else ""
    lines.append(f"photographs: {photos.training:,} to learn from, {photos.testing:,} to be tested on{counted}")
    learnt = pretraining_for(task, [each.kind for each in renders])
    if learnt != task and task not in ("sinclass", "mulclass"):
        whose = ", ".join(each.name for each in renders if each.kind == "imagefolder")
        lines.append(f"mind: class folders ({whose}) have no labels for {task}; pre-training learns {learnt}")
    sizes = ladder_for(min(each.training for each in renders))
    if sizes[-1] < _SPAN * sizes[0]:
        lines.append(
            f"mind: {sizes[0]:,} to {sizes[-1]:,} renders, less than {_SPAN} times as many, may be too short a ladder"
            " for alpha and C; more renders lengthen it"
        )
    side, why = square_for(photos, bool(gpus_here()))
    return [*lines, f"mind: squares are {side} px: {why}"] if _too_small(photos, side) else lines


def ladder_for(images: int) -> list[int]:
    """Sizes up to all images there are, each twice the one before; BadInput where there are too few for a law."""
    sizes = [images // 2**i for i in reversed(range(_RUNGS)) if images // 2**i >= 8]
    if len(sizes) < _FEWEST:
        raise BadInput(f"--renders: {images} images to train on are too few for a law; render {8 * 4} or more")
    return sizes


def square_for(photos: Photos, gpu: bool) -> tuple[int, str]:
    """The side of the squares in px, and why: as small as the objects allow, no larger than photographs and time."""
    largest = _SQUARES[-1] if gpu else 128
    fitting = [px for px in _SQUARES if px <= min(max(photos.side, _SQUARES[0]), largest)]
    if photos.object_share is None:
        side = next((px for px in fitting if px >= 64), fitting[-1])
        return side, f"photographs are {photos.side} px on their shorter side"
    wanted = [px for px in fitting if px >= 64 and px * photos.object_share >= _OBJECT_PX]
    side = wanted[0] if wanted else fitting[-1]
    if _too_small(photos, side):
        return side, (
            f"half of the objects are smaller than {FEW_PX:g} px in it and hardly seen; raise it (render.resolution)"
            " with time or a GPU, or cut photographs and renders into parts"
        )
    return side, f"half of the objects are {side * photos.object_share:.0f} px or more wide in it"


def _too_small(photos: Photos, side: int) -> bool:
    """Whether half of the objects are hardly seen in squares of so many px."""
    return photos.object_share is not None and side * photos.object_share < FEW_PX


def sweep_text(name: str, task: str, renders: Sequence[Renders], photos: Photos, minutes: float) -> str:
    """The sweep file, with a comment for everything that was chosen."""
    gpu = bool(gpus_here())
    side, why = square_for(photos, gpu)
    images = min(each.training for each in renders)
    sizes, held_out = ladder_for(images), min(_VALIDATION, *(each.held_out for each in renders))
    learnt, pretrains = min(photos.training, _PHOTOGRAPHS), pretraining_for(task, [each.kind for each in renders])
    actors, prices = min(2, cpu_count()), Prices()
    tested = f"{photos.testing:,} photographs to be tested on"
    if photos.testing < _FEW_TESTED:
        tested += ": few, so that small differences are not told"
    tune = "{lr: [3.0e-4, 1.0e-2], trials: 3, folds: 3}" if learnt >= 12 else "{trials: 0}"
    lines = [
        f"# Written by `sweeper init`: do more of these renders help {task} on these photographs?",
        f"#   sweeper plan {name}.yaml     what it does and costs; spends nothing",
        f"#   sweeper run {name}.yaml      run it, or go on with it",
        f'name: "{sweep_name(name)}"',
        "",
        "# A rendering setting each; two or more are compared.",
        "renderings:",
        *(_rendering(each) for each in renders),
        f"render: {{resolution: {side}, actors: {actors}}}  # px of a square: {why}",
        "",
        "pretrain:",
        f"  tasks: [{pretrains}]  # what the renders teach",
        f"  backbones: [{'resnet50' if gpu else 'small_resnet'}]",
        "  device: auto  # a GPU where there is one",
        "  workers: 1",
        f"  validation_images: {held_out}  # renders that choose the checkpoint, held out of the folder",
        "finetune:",
        f"  tasks: [{task}]",
        f"  dataset: {_quoted(photos.dataset)}  # {tested}",
        f"  count: {learnt}  # s: photographs to learn from, of {photos.training:,}",
        "  repeats: 2",
        "  device: auto",
        *_recipe(task, side),
        f"tune: {tune}",
        "",
        f"# n: up to all {images:,} renders that are not held out, by halves",
        f"ladder: {{sizes: {sizes}}}",
        "target: {min_gain: 0.01}  # a doubling of the renders pays where it takes 1 % off the error; or error: 0.1",
        f"budget: {{minutes: {minutes:g}}}  # a hard cap; usd: 5 caps dollars",
        f"prices: {{cpu_core_hour: {prices.cpu_core_hour:g}, gpu_hour: {prices.gpu_hour:g}}}  # dollars: put in yours",
    ]
    return "\n".join(lines) + "\n"


def _rendering(renders: Renders) -> str:
    names = f", class_names: [{', '.join(renders.class_names)}]" if renders.class_names else ""
    images = renders.training + renders.held_out
    source = f"{{kind: {renders.kind}, path: {_quoted(str(renders.folder))}{names}}}"
    return f"  {_quoted(renders.name)}: {{source: {source}}}  # {images:,} images"


def _recipe(task: str, side: int) -> list[str]:
    """The recipe of photographs where there is one; what is not said is the task's quick one."""
    if task != "sinclass":
        return ["  recipe: {base: quick}  # minutes of training; docs/reference/recipes.md has longer ones"]
    base = "finetune-sinclass-photographs" if side >= 64 else "finetune-sinclass-small-photographs"
    assert base in recipe_names()
    return [f"  recipe: {{base: {base}}}"]


def _quoted(text: str) -> str:
    """Text as YAML reads it whole, whatever is in it."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def asker() -> Callable[[str], str] | None:
    """How to ask the user; None where nobody sits at a terminal."""
    if not sys.stdin.isatty() or os.environ.get("CI"):
        return None
    import typer

    return lambda question: str(typer.prompt(question, err=True))
