"""Everything that can be wrong with a sweep is looked at before anything is spent."""

import itertools
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from render_actors.shards import keypoints
from sweeper.commands.look_over import Found, look_over, not_uploaded
from sweeper.commands.mixed import check_mix
from sweeper.commands.weights import with_weights
from sweeper.config.render import ImageSource
from sweeper.config.schema import SIMULATED, SweepConfig
from sweeper.errors import BadInput, bad_input, one_line
from sweeper.events.trackers import check_tracker
from sweeper.stages.image_sets import check_cache, setting_of
from sweeper.stages.photographs import check_disk, photographs, settled
from sweeper.storage.artifacts import ArtifactStore
from sweeper.study.recipes import resolve_recipe
from tasks.base import network_of, task_facts
from tasks.data.catalogue import RealData
from tasks.data.keypoint_labels import check_flip
from tasks.data.sampling import folds, shows_anything
from tasks.label_forms import FORMS
from tasks.models.backbone_facts import backbone_names, check_pair, needs_two_images
from tasks.recipes.recipe import Recipe
from tasks.training.shard import Shard


def check(config: SweepConfig, found: Found | None = None) -> tuple[SweepConfig, int]:
    """The config with its paths located and the hash of its real images filled in, and the number s of real training
    images. `found` gets what is to be told of the pictures. Raises BadInput.
    """
    if config.log_to is not None:
        check_tracker(config.log_to)
    for rendering in config.renderings:
        _check_rendering(config, rendering)
    config = located(config)
    if config.is_simulated:
        _check_simulated(config)
        return config, max(config.finetune.counts or (0,))
    _check_tasks("pretrain", config.pretrain.tasks, config)
    _check_tasks("finetune", config.finetune.tasks, config)
    _check_backbones(config)
    for stage, tasks in (("pretrain", config.pretrain.tasks), ("finetune", config.finetune.tasks)):
        for name in tasks:
            _check_parts(stage, name, config)
    check_mix(config)
    check_cache(config)
    config = with_weights(config)
    sha256, classes, s = _real_images(config, found or Found())
    resolved = config.finetune.model_copy(update={"dataset_sha256": sha256, "classes": classes})
    return config.model_copy(update={"finetune": resolved}), s


def _check_rendering(config: SweepConfig, name: str) -> None:
    """BadInput where a rendering cannot be; where a file of it is not found, a cluster job is told where to look."""
    try:
        setting_of(config, name)
    except BadInput as error:
        raise BadInput(f"{error}{not_uploaded() if _is_missing(config.renderings[name].source) else ''}") from None


def _is_missing(source: ImageSource | None) -> bool:
    """Whether a rendering has files of the user's that are not there: a folder, or a file or module of code."""
    if source is None:
        return False
    place = source.path.rpartition(":")[0] if source.kind == "function" else source.path
    if source.kind != "function" or place.endswith(".py"):
        return not Path(place).expanduser().exists()
    try:
        return find_spec(place) is None
    except (ImportError, ValueError):
        return True


def located(config: SweepConfig) -> SweepConfig:
    """The config with absolute paths: Ray's workers, and whoever reads the run folder, stand in another folder."""
    renderings = dict(config.renderings)
    for name, choice in renderings.items():
        if choice.source is not None:
            source = choice.source.model_copy(update={"path": choice.source.resolved().where})
            renderings[name] = choice.model_copy(update={"source": source})
    root = None if config.data_root is None else str(Path(config.data_root).expanduser().absolute())
    update = {"store": ArtifactStore(config.store).uri, "data_root": root, "renderings": renderings}
    return config.model_copy(update=update)


def _check_simulated(config: SweepConfig) -> None:
    if config.tune.iterations:
        raise BadInput("tune.iterations: simulated errors do not depend on the number of steps; leave it out")
    if set(config.pretrain.tasks) | set(config.finetune.tasks) != {SIMULATED}:
        raise BadInput("a simulated sweep has pretrain.tasks and finetune.tasks [simulated] and no others")
    known = (SIMULATED, *backbone_names())
    unknown = [name for name in config.pretrain.backbones if network_of(name) not in known]
    if unknown:
        raise BadInput(f"pretrain.backbones: unknown {unknown[0]!r}; known: {', '.join(known)}")


def _check_tasks(stage: str, names: Sequence[str], config: SweepConfig) -> None:
    """The tasks of a stage, "pretrain" or "finetune", and their recipes."""
    recipe = config.pretrain.recipe if stage == "pretrain" else config.finetune.recipe
    for name in names:
        with bad_input(f"{stage}.tasks: "):
            task_facts(name)
        for backbone in config.pretrain.backbones:
            resolved = resolve_recipe(stage, name, recipe, backbone)
            if stage == "pretrain":
                _check_pretraining(name, resolved, config)
        if stage == "finetune":
            check_space(config, name)
            for steps, backbone in itertools.product(config.tune.iterations or (), config.pretrain.backbones):
                with bad_input("tune.iterations: ", BadInput):
                    resolve_recipe(stage, name, recipe | {"iterations": steps}, backbone)


def _check_pretraining(name: str, resolved: Recipe, config: SweepConfig) -> None:
    """BadInput where a task cannot be pre-trained by this recipe."""
    if FORMS[task_facts(name).label_kind].keypoints:
        with bad_input("pretrain."):
            check_flip(resolved, keypoints.NAMES)
    batch = resolved.batch_size
    if batch < config.pretrain.workers:
        raise BadInput(f"pretrain.workers: {config.pretrain.workers} are more than the {batch} images of a batch")
    if config.pretrain.min_workers and not resolved.sync_batch_norm:
        raise BadInput(
            "pretrain.min_workers: the model would depend on how many workers there were; "
            "add pretrain.recipe.sync_batch_norm=true"
        )


def _check_parts(stage: str, name: str, config: SweepConfig) -> None:
    """BadInput where batch norm would have one value a channel, because a model sees one small image at a time."""
    pretrains = stage == "pretrain"
    workers = config.pretrain.workers if pretrains else 1
    resolution = config.render.resolution if pretrains else config.finetune_resolution
    recipes = [("pretrain.recipe", config.pretrain.recipe)] if pretrains else _sized_recipes(config)
    for backbone, (key, values) in itertools.product(config.pretrain.backbones, recipes):
        recipe = resolve_recipe(stage, name, values, backbone)
        side = recipe.side_of(resolution)
        shards = [Shard(rank, workers) for rank in range(workers)]
        parts = [part for shard in shards for part in shard.parts(recipe.batch_size, recipe.device_batch)]
        alone = workers == 1 or not recipe.sync_batch_norm
        one_by_one = alone and min(part.stop - part.start for part in parts) < 2
        if one_by_one and needs_two_images(backbone, task_facts(name), side):
            raise BadInput(
                f"{key}: {name} on {backbone} needs two images of {side} px at a time, "
                "for its batch norm; raise batch_size or device_batch"
            )


def _sized_recipes(config: SweepConfig) -> list[tuple[str, dict[str, Any]]]:
    """The fine-tuning recipe, and with the ends of what is tuned of its batch, each with the key that it is from."""
    space = {key: each.ends for key, each in config.tune.space.items() if key in ("batch_size", "device_batch")}
    own = config.finetune.recipe
    return [("finetune.recipe", own), *(("tune.space", own | ends) for ends in _corners(space) if ends)]


def _corners(space: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Every combination of the ends of these keys."""
    return (dict(zip(space, ends, strict=True)) for ends in itertools.product(*space.values()))


def _check_backbones(config: SweepConfig) -> None:
    pretrain, finetune = config.pretrain, config.finetune
    learnt = [("pretrain", name, pretrain.recipe, config.render.resolution) for name in pretrain.tasks]
    learnt += [("finetune", name, finetune.recipe, config.finetune_resolution) for name in finetune.tasks]
    for backbone, (stage, name, recipe, resolution) in itertools.product(pretrain.backbones, learnt):
        smallest = resolve_recipe(stage, name, recipe, backbone).smallest_side(resolution)
        with bad_input("pretrain.backbones: "):
            check_pair(backbone, task_facts(name), smallest)


def _real_images(config: SweepConfig, found: Found) -> tuple[str, int | None, int]:
    """The hash of the real images, how many classes they are told apart by, and how many images are trained on.

    The classes are None where an error is no share of images. What is trained and tested on is decoded.
    """
    finetune, kinds = config.finetune, {name: task_facts(name).label_kind for name in config.finetune.tasks}
    if len(set(kinds.values())) > 1:
        raise BadInput(f"finetune.tasks: {', '.join(kinds)} learn from different labels; one sweep has one kind")
    own = photographs(config)
    try:
        known = settled(config, own)
        own, real = known.own, known.real
        found.minds += known.lines
        chosen, rest, tested = own.drawn(real, config.seed), own.rest(real), np.arange(len(real.testing))
        on_folds = config.tune.trials or config.tune.iterations
        fewest = min(finetune.counts or (len(chosen),))
        if on_folds and fewest < config.tune.folds:
            raise BadInput(
                f"tune.folds: {config.tune.folds} folds of {fewest} real training images; lower tune.folds, or "
                f"raise finetune.{finetune.size_key}"
            )
        if on_folds:
            folds(chosen, real.training.labels, config.tune.folds, config.seed)
        _check_learnable(config, real)
        check_disk(real, own.hashed(real))
        looked = look_over(config, real)
        found.minds += looked.minds
        found.sizes += looked.sizes
        for split, indices in ((real.training, own.hashed(real)), (real.testing, tested)):
            split.decode(indices, verify=True)
        training, testing = shows_anything(real.training, chosen), shows_anything(real.testing, tested)
        for words, shows in (("training", training), ("test", testing or shows_anything(real.training, rest))):
            if not shows:
                raise BadInput(f"finetune.dataset: {real.source}: no {words} image has a label that counts; add some")
        sha256 = real.sha256(own.hashed(real))
    except (ValueError, OSError) as error:
        hint = not_uploaded() if isinstance(error, FileNotFoundError) else ""
        raise BadInput(f"finetune.dataset: {one_line(error)}{hint}") from None
    if finetune.dataset_sha256 not in (None, sha256):
        raise BadInput(
            f"finetune.dataset_sha256: the images found ({real.source}, at {config.finetune_resolution} px) have "
            f"{sha256}, with this draw of them; correct data_root, or leave the key out"
        )
    own.pin(real, sha256)
    classes = len(real.training.class_names) if real.training.label_kind == "class_index" else None
    return sha256, classes, len(chosen)


def _check_learnable(config: SweepConfig, real: RealData) -> None:
    """BadInput where the set has nothing that the tasks can be trained or tested on."""
    training = real.training
    if training.form.keypoints:
        for name in config.finetune.tasks:
            with bad_input("finetune."):
                check_flip(resolve_recipe("finetune", name, config.finetune.recipe), training.keypoint_names)
    if config.finetune.test == "split" and not len(real.testing):
        raise BadInput(f"finetune.dataset: {real.source} has no test images; add some")
    if training.label_kind in ("class_index", "class_set") and len(training.class_names) < 2:
        raise BadInput(f"finetune.dataset: {real.source} has one class; give two or more to be told apart")


# Combinations of ends that are looked at before anything is spent, besides each end of each key.
_MOST_CORNERS = 256


def check_space(config: SweepConfig, task: str) -> None:
    """Raise BadInput where the recipe of a fine-tuning task would refuse what may be proposed to it."""
    space = {key: each.ends for key, each in config.tune.space.items()}
    if "base" in space:
        raise BadInput("tune.space: base names a whole recipe; give the values of it that are to be tuned")
    first = {key: ends[0] for key, ends in space.items()}
    # every end of every key, however many keys there are
    edges = (first | {key: end} for key, ends in space.items() for end in ends)
    for corner in itertools.chain(edges, itertools.islice(_corners(space), _MOST_CORNERS)):
        with bad_input("tune.space: ", BadInput):
            for backbone in config.pretrain.backbones:
                resolve_recipe("finetune", task, config.finetune.recipe | corner, backbone)
