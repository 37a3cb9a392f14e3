"""What a sweep's pictures are: every one is opened before anything is spent, and what is told of both sides."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from render_actors.setting.setting import RenderSetting
from render_actors.setting.source import Source
from render_actors.sources.overview import classes_counted as classes_of_renders
from render_actors.sources.overview import overview, source_by_content
from render_actors.sources.repeated import NotDrawnError, check_repeats
from sweeper.config.schema import SweepConfig
from sweeper.errors import bad_input, one_line
from sweeper.stages.image_sets import setting_of
from tasks.data.cache.overview import classes_counted, split_by_content
from tasks.data.cache.split import Split
from tasks.data.catalogue import RealData, default_fit
from tasks.data.readers.class_levels import first_of
from tasks.data.readers.pictures import cache_root
from tasks.data.readers.sizes import Sizes, compared, sizes_in_words
from tasks.data.readers.squares import Fit

log = logging.getLogger("sweeper")


@dataclass
class Found:
    """What was found: lines to mind, and lines on sizes before and after."""

    minds: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)


def look_over(config: SweepConfig, real: RealData) -> Found:
    """Open every picture of both sides. Raises BadInput where one is no use, or where labels cannot be what they say.

    Pictures that were looked at before and have not changed are not opened again.
    """
    found, side, fit = Found(), config.finetune_resolution, config.finetune_fit or default_fit(config.finetune.dataset)
    with bad_input("finetune.dataset: "):
        lines, photographs = real.overview(log.warning)
    found.minds += lines
    if photographs is not None:
        _add(found, sizes_in_words("photographs", photographs, side, fit))
        found.sizes += classes_in_words("photographs to learn from", photographs_classes(real))
    contents = photographs_by_content(real) if photographs is not None else {}
    for name in config.renderings:
        setting = setting_of(config, name)
        source = setting.source
        if source is None:
            continue
        if source.kind == "function":
            found.minds += _repeats(config, name, setting)
            continue
        with bad_input(f"renderings.{name}: "):
            lines, sizes = overview(source, log.warning)
        found.minds += [*lines, *photographs_among(name, source, contents)]
        what = f"renders {name}"
        _add(found, sizes_in_words(what, sizes, config.render.resolution, source.fit))
        found.sizes += classes_in_words(what, classes_of_renders(source))
        found.sizes += shared_in_words(what, source.class_names, real.training.class_names)
        _add(found, _beside(what, source, config.render.resolution, sizes, photographs, side, fit))
    return found


def photographs_by_content(real: RealData) -> dict[str, dict[str, str]]:
    """The photographs of each split by the hash of their bytes; none of sets that are one file."""
    splits = {"test": real.testing, "train": real.training}
    return {
        name: split_by_content(split, cache_root(), log.warning)
        for name, split in splits.items()
        if isinstance(split, Split)
    }


def photographs_among(name: str, source: Source, photographs: Mapping[str, Mapping[str, str]]) -> list[str]:
    """A line for each split of which pictures are among the renders, byte by byte."""
    ours, lines = source_by_content(source, log.warning), list[str]()
    why = {"test": "what is tested on is learnt from, and errors are too low", "train": "these are no renders"}
    for split, theirs in photographs.items():
        if shared := ours.keys() & theirs.keys():
            one = min(shared)
            lines.append(
                f"renderings.{name}: {len(shared):,} of its {len(ours):,} images are {split} photographs, byte by byte"
                f" ({ours[one]} is {theirs[one]}): {why[split]}; take them out"
            )
    return lines


def photographs_classes(real: RealData) -> str:
    """The classes of the training photographs with their counts; empty where a photograph has no one class."""
    return classes_counted(real.training) if isinstance(real.training, Split) else ""


def classes_in_words(what: str, counted: str) -> list[str]:
    """A line on the classes of one side, where it has such."""
    return [f"{what}: {counted}"] if counted else []


def shared_in_words(what: str, renders: Sequence[str], photographs: Sequence[str]) -> list[str]:
    """A line on the classes that both sides have, by names without case and signs, and on those that one side lacks."""
    ours, theirs = ({_bare(name): name for name in names} for names in (renders, photographs))
    # Maps without a file of names have the numbers of their classes for them.
    if not ours or not theirs or all(map(str.isdigit, ours)) != all(map(str.isdigit, theirs)):
        return []
    lacking = [
        f"only {side}: {first_of([names[bare] for bare in names if bare not in others])}"
        for side, names, others in (("the renders", ours, theirs), ("the photographs", theirs, ours))
        if set(names) - set(others)
    ]
    beside = f" ({'; '.join(lacking)})" if lacking else ""
    shared = f"{len(set(ours) & set(theirs)):,} of their {len(renders):,} are of the photographs' {len(photographs):,}"
    return [f"{what}: classes: {shared}{beside}"]


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _repeats(config: SweepConfig, name: str, setting: RenderSetting) -> list[str]:
    """A line where a function could not be tried here; BadInput where it does not draw a scene again."""
    try:
        with bad_input(f"renderings.{name}: "):
            check_repeats(setting, config.seed, config.render.scene_timeout_s)
    except NotDrawnError as error:
        return [f"renderings.{name}: whether it draws a scene again could not be tried here: {one_line(error)}"]
    return []


def _beside(
    what: str, source: Source, render_side: int, renders: Sizes, photographs: Sizes | None, side: int, fit: Fit
) -> list[str]:
    """Lines on what differs between the two sides."""
    none = np.zeros(0)
    ours = none if photographs is None else photographs.after(side, fit) / side
    theirs = renders.after(render_side, source.fit) / render_side
    return compared(what, theirs, ours, (source.fit, fit))


def _add(found: Found, lines: list[str]) -> None:
    for line in lines:
        (found.minds if line.startswith("mind: ") else found.sizes).append(line.removeprefix("mind: "))


def not_uploaded() -> str:
    """What to add to a line on something that is not found, where a job of Ray's looks for it."""
    job = "runtime_resources" in os.getcwd() or os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR")
    return (
        " (not in what was uploaded: ray job submit leaves out what git ignores; docs/howto/cluster.md)" if job else ""
    )
