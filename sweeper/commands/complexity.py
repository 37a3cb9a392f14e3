"""`sweeper complexity`: the paper's measure (section 4.5) of each arm's rendered set, seen by a checkpoint."""

import dataclasses
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.complexity import Complexity, complexity
from render_actors.actor import SHARD_FILE
from render_actors.setting.classes import class_names
from render_actors.shards.arrays import ImageView
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput, bad_input
from sweeper.stages.image_sets import setting_of, training_images
from sweeper.stages.inventory import Inventory, found
from sweeper.storage.artifacts import MODEL_FILE, ArtifactStore
from sweeper.storage.strict_json import dumps
from sweeper.study.arms import Arm, Plan, make_plan, run_seeds

RESULTS = "complexity.json"
_BATCH = 64


def measure(config: SweepConfig, folder: Path, images: int, checkpoint: Path | None) -> Iterator[str]:
    """One line an arm, kept in the run folder for the report; the first `images` rendered images must be in the store.

    All arms are measured on as many images: figures of another n, or of another number of features, are on another
    scale (analysis/complexity.py), which the last line says.

    checkpoint: a file of a backbone's tensors for all arms, so that sets are seen by the same eyes; None: each arm's
    own from its largest n. Raises BadInput where images or checkpoint are missing.
    """
    store = ArtifactStore(config.store)
    plan, inventory, results = make_plan(config), Inventory(config, store), {}
    for arm in (arm for arm in plan.arms if not arm.is_mixed):
        path, n = (checkpoint, None) if checkpoint is not None else _largest(config, plan, arm, inventory, store)
        with bad_input(f"{arm.name}: "):
            measured = complexity(_activations(_images(config, arm.rendering, images, store), arm, config, path))
        results[arm.name] = vars(measured) | {"checkpoint": path.name if n is None else f"n = {n}"}
        yield f"{arm.name}: {measured}, seen by {results[arm.name]['checkpoint']}"
    (folder / RESULTS).write_text(dumps(results, indent=1))
    yield f"compare these with each other, and with nothing but sets of {images} images and as many features"


def read_complexity(folder: Path) -> dict[str, Complexity]:
    """The measure by arm, as far as it was taken."""
    path = folder / RESULTS
    if not path.is_file():
        return {}
    names = [field.name for field in dataclasses.fields(Complexity)]
    found = json.loads(path.read_text())
    return {arm: Complexity(**{name: result[name] for name in names}) for arm, result in found.items()}


def _largest(config: SweepConfig, plan: Plan, arm: Arm, inventory: Inventory, store: ArtifactStore) -> tuple[Path, int]:
    """The arm's own checkpoint of the largest n that the policy may choose, and that n."""
    for n in reversed(plan.choices):
        for seed in run_seeds(config, config.policy.max_seeds):
            manifest = inventory.checkpoint(plan.run(arm, n, seed))
            if manifest is not None:
                return store.path(manifest, MODEL_FILE), n
    raise BadInput(f"{arm.name}: no checkpoint of it is in {store.uri}; run the sweep first, or give --checkpoint FILE")


def _images(config: SweepConfig, rendering: str, n: int, store: ArtifactStore) -> ImageView:
    wanted = training_images(config, rendering, n)
    shards = found(wanted, store)
    if len(shards) * wanted.images_a_shard < n:
        raise BadInput(f"{rendering}: its first {n} images are not in {store.uri}; run sweeper render --images {n}")
    return ImageView([store.path(shards[k], SHARD_FILE) for k in sorted(shards)], wanted.images_a_shard, n)


def _activations(view: ImageView, arm: Arm, config: SweepConfig, checkpoint: Path) -> NDArray[np.float32]:
    """The backbone's last map averaged over the image, (images, channels)."""
    import torch

    from tasks.base import ArraySet, task
    from tasks.models.transfer import build_model, load_backbone
    from tasks.training.batches import Feed

    names = class_names(setting_of(config, arm.rendering))
    learnt = task(arm.learnt)
    # The head is not looked at: one of any size will do.
    model = build_model(arm.backbone, learnt, len(names), keypoints=int(learnt.label_kind == "keypoints"))
    try:
        load_backbone(model, torch.load(checkpoint, weights_only=True))
    except (OSError, RuntimeError) as error:
        raise _no_checkpoint(checkpoint, str(error)) from None
    # What torch and a file that is none of its own may end in.
    except (pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, ValueError):
        raise _no_checkpoint(checkpoint, "it is no file of tensors that torch wrote") from None
    images = np.stack([image.rgb for image in view])
    feed = Feed(ArraySet(images, np.zeros((len(images), len(names)), np.uint8), names), torch.device("cpu"))
    model.eval()
    seen = []
    with torch.inference_mode():
        for first in range(0, len(images), _BATCH):
            batch, _ = feed.plain(np.arange(first, min(first + _BATCH, len(images))))
            seen.append(model.backbone(batch)[-1].mean(dim=(2, 3)).numpy())
    return np.concatenate(seen)


def _no_checkpoint(checkpoint: Path, reason: str) -> BadInput:
    return BadInput(
        f"checkpoint {checkpoint}: cannot be read: {reason.splitlines()[0]}; give a file of a backbone's tensors"
    )
