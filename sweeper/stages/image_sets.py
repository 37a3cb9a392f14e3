"""Which images a run reads: the rendering setting, how many, and the shards that hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from render_actors.actor import shard_identity
from render_actors.setting.declared import Section
from render_actors.setting.setting import DEFAULT_LABELS, Label, RenderSetting, attributes
from render_actors.setting.source import Fit, Source
from render_actors.shards.arrays import decoded_bytes as bytes_of
from render_actors.sources.labelled_folder import FIRST_HELD_OUT_SCENE, folder_size, images_digest
from sweeper.config.render import Render, Rendering
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput, bad_input
from sweeper.stages.seeds import seed_of
from sweeper.stages.training_labels import arrays_for, labels_for
from sweeper.storage.uris import expanded
from sweeper.study.folder_order import kept_order
from tasks.base import task_facts
from tasks.data.catalogue import default_fit

# Validation images come from scenes that no training image shows: shards that no ladder reaches.
FIRST_VALIDATION_SHARD = FIRST_HELD_OUT_SCENE


@dataclass(frozen=True)
class ImageSet:
    """`n` images of a rendering setting under a seed, from the scenes of shard `first_shard` on."""

    setting: RenderSetting
    seed: int
    n: int
    scenes_per_shard: int
    first_shard: int = 0

    @property
    def images_a_shard(self) -> int:
        """How many images one shard holds."""
        return self.setting.poses_per_scene * self.scenes_per_shard

    @property
    def shards(self) -> range:
        """Indices of the shards that hold these images."""
        return range(self.first_shard, self.first_shard + math.ceil(self.n / self.images_a_shard))

    @property
    def row(self) -> ImageSet:
        """The row of shards that this set is the first so many of: equal for sets that share their images."""
        return replace(self, n=0)

    def shard(self, index: int) -> dict[str, Any]:
        """The identity of one shard."""
        if self.is_of_folder:
            # Which images of the folder it holds is a part of it.
            return shard_identity(self.setting, self.seed, index, self.scenes_per_shard)
        return self._first_shard | {"shard": index}

    @property
    def is_of_folder(self) -> bool:
        """Whether the images are those of a labelled folder."""
        return is_folder(self.setting.source)

    @property
    def digest(self) -> str:
        """What tells these images of a labelled folder from others."""
        first = self.first_shard * self.images_a_shard
        return images_digest(self.setting, self.seed, range(first, first + self.n))

    @cached_property
    def _first_shard(self) -> dict[str, Any]:
        # Made once a set: of a source it reads the files of a folder.
        return shard_identity(self.setting, self.seed, 0, self.scenes_per_shard)


def setting_of(config: SweepConfig, rendering: str) -> RenderSetting:
    """The rendering setting of this name; raises BadInput where its values cannot work."""
    choice = config.renderings[rendering]
    values = _values(config.render, "render") | _values(choice, "renderings")
    with bad_input(f"renderings.{rendering}: "):
        if choice.source is not None:
            source = choice.source.resolved(renders_fit(config))
            if is_folder(source):
                source = replace(source, order=kept_order(config.store, source, config.seed))
            values["source"] = source
            values.setdefault("labels", tuple(label for label in DEFAULT_LABELS if label in source.labels))
        labels = values.get("labels", DEFAULT_LABELS)
        values["labels"] = (*labels, *_missing_labels(config, labels))
        return RenderSetting(**values)


def is_folder(source: Source | None) -> bool:
    """Whether images come from a labelled folder."""
    return source is not None and source.kind != "function"


def renders_fit(config: SweepConfig) -> Fit:
    """How images of labelled folders become squares: as the photographs do, where the file does not say otherwise."""
    return config.fit or config.finetune.fit or default_fit(config.finetune.dataset)


def _values(keys: Render | Rendering, section: Section) -> dict[str, Any]:
    """What a section of the sweep file says of the attributes; folders absolute: actors may run elsewhere."""
    found = {each: getattr(keys, each.name) for each in attributes(section)}
    return {
        each.name: str(Path(expanded(value)).absolute()) if "folder" in each.metadata else value
        for each, value in found.items()
        if value is not None
    }


def _missing_labels(config: SweepConfig, labels: tuple[str, ...]) -> list[Label]:
    """What the pre-training tasks need besides `labels`; BadInput where the config's own list leaves it out."""
    if config.is_simulated:
        return []
    with bad_input("pretrain.tasks: "):
        missing = [label for label in labels_for(config.pretrain.tasks) if label not in labels]
    if missing and config.render.labels is not None:
        raise BadInput(f"render.labels: the pre-training tasks need {missing[0]}; add it")
    return missing


def training_images(config: SweepConfig, rendering: str, n: int) -> ImageSet:
    """The first n images under the sweep's own seed; raises BadInput where a labelled folder has fewer."""
    return _images(config, rendering, n, held_out=False)


def run_images(config: SweepConfig, rendering: str, n: int, seed: int) -> ImageSet:
    """The training images of the runs of this size and seed: the first n, or a draw that no other size or seed has."""
    return replace(training_images(config, rendering, n), seed=render_seed(config, n, seed))


def render_seed(config: SweepConfig, n: int, seed: int) -> int:
    """What the training images of the runs of this size and seed are rendered under."""
    return config.seed if config.pretrain.subset == "first" else seed_of("images", config.seed, n, seed)


def validation_images(config: SweepConfig, rendering: str) -> ImageSet:
    """The synthetic images that choose the best checkpoint; raises BadInput where a labelled folder has fewer."""
    return _images(config, rendering, config.pretrain.validation_images, held_out=True)


def decoded_bytes(config: SweepConfig) -> int:
    """What the largest pre-training's images take on a node's disk, decoded, its validation images among them."""
    ladder = config.ladder
    largest = max(ladder.values() if config.policy.name == "grid" else ladder.choices())
    kinds = [task_facts(name).label_kind for name in config.pretrain.tasks]
    images = largest + config.pretrain.validation_images
    return max(bytes_of(images, config.render.resolution, arrays_for(kind)) for kind in kinds)


def check_cache(config: SweepConfig) -> None:
    """BadInput where a pre-training's images would not fit into what a node keeps of decoded images."""
    needed = decoded_bytes(config)
    if needed > config.cache_gb * 1e9:
        raise BadInput(
            f"cache_gb: the decoded images of the largest size take {needed / 1e9:.4g} GB at "
            f"{config.render.resolution} px, and a node keeps {config.cache_gb:g} GB of them; raise cache_gb, where "
            "nodes have the disk for it, or lower the ladder or render.resolution"
        )


def _images(config: SweepConfig, rendering: str, n: int, *, held_out: bool) -> ImageSet:
    setting = setting_of(config, rendering)
    source = setting.source
    if source is not None and is_folder(source):
        with bad_input(f"renderings.{rendering}: "):
            there = folder_size(source)[held_out]
        if n > there:
            what, key = ("held-out", "pretrain.validation_images") if held_out else ("training", "the ladder")
            raise BadInput(
                f"renderings.{rendering}: {n} {what} images asked for, {source.where} has {there}; lower {key}"
            )
    first = FIRST_VALIDATION_SHARD if held_out else 0
    return ImageSet(setting, config.seed, n, config.render.scenes_per_shard, first)
