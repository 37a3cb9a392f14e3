"""`sweeper collect`: the fine-tunes of several run folders as one table to keep, with what each got right.

A run folder needs its store to tell what was right of which test image; the table needs neither. Rows that a table
holds already stay as they are, so that it grows while stores come and go.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweeper.commands.steps import resolved
from sweeper.config.load import load_run_config
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput, one_line
from sweeper.stages.identity import Identities, Trial, recipe_of, studies
from sweeper.storage.artifacts import ArtifactStore, Manifest
from sweeper.storage.tested import scores_of_test_images
from sweeper.study import results
from sweeper.study.arms import Arm
from sweeper.study.attributes import rendering_levels
from sweeper.study.recipes import resolve_recipe


@dataclass(frozen=True)
class Kept:
    """One fine-tune. `sweep`, `sweep_seed`: the sweep file's name and seed. `dataset`, `s`: photographs and how many.
    `attributes`: a JSON object with the level of every attribute of the rendering, {} where n = 0. `views`: images that
    the pre-training saw, repeats counted; None where n = 0 and where renders and photographs are trained on at once.

    `right`: whether each of `test_size` test images was told right, as np.packbits packs it; None where the metric is
    no share of images or the store lacks it. `steps`, `lr`: of the fine-tune. `finetune_s`, `pretrain_s`:
    device-seconds of either. `learnt`: the pre-training's own metric on held-out renders, higher is better; None, as
    `pretrain_s`, where n = 0 or the store lacks it. `checkpoint`, `study`: hashes of what the run depends on.
    `versions`: of packages.
    """

    sweep: str
    sweep_seed: int
    dataset: str
    s: int
    rendering: str
    attributes: str
    pretrain_task: str
    backbone: str
    finetune_task: str
    n: int
    views: int | None
    seed: int
    repeat: int
    error: float
    test_size: int
    right: bytes | None
    steps: int
    lr: float
    finetune_s: float
    pretrain_s: float | None
    learnt: float | None
    checkpoint: str
    study: str
    versions: str

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from every other fine-tune: the study knows the photographs, the recipe and the arm."""
        return self.study, self.n, self.s, self.seed, self.repeat

    def with_more(self, other: "Kept") -> "Kept":
        """The same fine-tune with what it lacks and `other`, a later look at its sweep, knows."""
        lacking = [each.name for each in fields(self) if getattr(self, each.name) in (None, "")]
        return replace(self, **{name: getattr(other, name) for name in lacking})


_TYPES = {
    str: pa.string(),
    int: pa.int64(),
    int | None: pa.int64(),
    float: pa.float64(),
    float | None: pa.float64(),
    bytes | None: pa.binary(),
}
_HINTS = get_type_hints(Kept)
# Columns that older tables lack, and what their rows have there.
_LATER: dict[str, Any] = {"attributes": "", "views": None}
SCHEMA = pa.schema([(each.name, _TYPES[_HINTS[each.name]]) for each in fields(Kept)])


def collect(folders: Sequence[Path], out: Path) -> str:
    """Add the fine-tunes of run folders to the table `out`, a Parquet file; a line that says how many.

    Raises BadInput where a folder is no run folder, has no row, or `out` is no such table.
    """
    if out.suffix != ".parquet":
        raise BadInput(f"--out is {out}; what was right of each image needs a Parquet file: end its name in .parquet")
    there = _read(out) if out.is_file() else []
    found = {row.key: row for row in there}
    for folder in folders:
        rows = list(_rows(folder))
        if not rows:
            raise BadInput(f"{folder} has no finished fine-tune; run the sweep first")
        found |= {row.key: found[row.key].with_more(row) if row.key in found else row for row in rows}
    order = sorted(found.values(), key=lambda row: (row.dataset, row.s, row.sweep_seed, *_arm_and_run(row)))
    table = pa.Table.from_pylist([vars(row) for row in order], schema=SCHEMA)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Whole or as it was: its rows may be all that is left of their stores.
    partial = out.with_suffix(".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(out)
    known = sum(row.right is not None for row in order)
    new = len(order) - len(there)
    return f"{out}: {len(order)} fine-tunes, {new} of them new, {known} with what was right of each test image"


def _arm_and_run(row: Kept) -> tuple[Any, ...]:
    return row.backbone, row.rendering, row.pretrain_task, row.finetune_task, row.n, row.seed, row.repeat


def _read(path: Path) -> list[Kept]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} cannot be read ({one_line(error)}); give another --out") from None
    if {*table.schema.names, *_LATER} != {*SCHEMA.names}:
        raise BadInput(f"{path} is no table of `sweeper collect`, or of another version; give another --out")
    return [Kept(**_LATER | row) for row in table.to_pylist()]


def _rows(folder: Path) -> Iterator[Kept]:
    config = resolved(load_run_config(folder), folder)
    if config.is_simulated:
        raise BadInput(f"{folder} is a simulated sweep; this table is for measured runs")
    store, identities = ArtifactStore(config.store, look_only=True), Identities(config)
    levels = {name: json.dumps(each, sort_keys=True) for name, each in rendering_levels(config).items()}
    for row in results.read(folder / "results", studies(config)):
        if row.split == "test":
            yield _kept(config, row, levels.get(row.rendering, "{}"), store, identities)


def _kept(
    config: SweepConfig, row: results.Observation, attributes: str, store: ArtifactStore, identities: Identities
) -> Kept:
    settings = json.loads(row.tuned)
    pretraining = store.find(identities.checkpoint(row.run)) if row.n and not Arm.named(row.arm).is_mixed else None
    finetune = _finetune(row, settings, pretraining, store, identities)
    learnt = pretraining.metrics if pretraining else {}
    scores = None if finetune is None else scores_of_test_images(store, finetune)
    right = scores.tobytes() if scores is not None and scores.dtype == np.uint8 else None
    return Kept(
        sweep=config.name,
        sweep_seed=config.seed,
        dataset=config.finetune.dataset,
        s=row.s,
        rendering=row.rendering,
        attributes=attributes,
        pretrain_task=row.pretrain_task,
        backbone=row.backbone,
        finetune_task=row.finetune_task,
        n=row.n,
        views=None if pretraining is None else _views(config, Arm.named(row.arm)),
        seed=row.seed,
        repeat=row.repeat,
        error=row.error,
        test_size=row.test_size,
        right=right,
        steps=recipe_of(config.finetune.recipe, Arm.named(row.arm), settings).iterations,
        lr=row.lr,
        finetune_s=row.cost,
        pretrain_s=learnt.get("seconds"),
        learnt=learnt.get("metric"),
        checkpoint=row.checkpoint,
        study=row.study,
        versions=row.versions,
    )


def _views(config: SweepConfig, arm: Arm) -> int:
    recipe = resolve_recipe("pretrain", arm.learnt, config.pretrain.recipe, arm.backbone)
    return recipe.iterations * recipe.batch_size


def _finetune(
    row: results.Observation,
    settings: dict[str, Any],
    pretraining: Manifest | None,
    store: ArtifactStore,
    identities: Identities,
) -> Manifest | None:
    """The artifact of a row; None where the store has it no more."""
    if row.n and pretraining is None:
        return None
    return store.find(identities.finetune(Trial(row.run, row.repeat, settings, "test", pretraining)))
