"""The studies and sweeps of run folders that commit d91138a wrote.

Rows and decisions under them are still read. What they hashed is frozen here: the keys that a sweep file had then. A
key that came later is left out, so these digests stay what they were; a sweep that uses one has none. Nothing is
written under them any more.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from render_actors.setting.setting import render_version
from sweeper.config.render import content_of
from sweeper.config.schema import SweepConfig
from sweeper.study.arms import Arm
from sweeper.study.recipes import resolve_recipe

PRETRAIN_VERSION, FINETUNE_VERSION = 3, 4

# The keys of a sweep file, in the order in which they stood.
KEYS: Mapping[str, tuple[str, ...]] = {
    "": (
        "name", "seed", "objective", "n_target", "output", "store", "cache_gb", "log_to", "data_root", "renderings",
        "render", "pretrain", "finetune", "tune", "controls", "ladder", "policy", "stop", "target", "budget", "prices",
        "cluster", "simulated",
    ),
    "renderings.*": ("appearance", "light", "background", "texture", "placement", "material", "source"),
    "render": (
        "resolution", "samples", "classes", "max_objects", "poses_per_scene", "scenes_per_shard", "min_objects",
        "size_jitter", "light_strength", "min_visible_share", "labels", "objects", "textures", "device", "actors",
        "cpus_per_actor", "gpus_per_actor", "recycle_after", "scene_timeout_s", "retries",
    ),
    "pretrain": (
        "tasks", "backbones", "recipe", "workers", "min_workers", "cpus_per_worker", "gpu", "validation_images",
        "checkpoint_every", "max_failures", "stall_s",
    ),
    "finetune": (
        "tasks", "dataset", "dataset_sha256", "fraction", "count", "balanced", "resolution", "ignore_label", "recipe",
        "repeats", "cpus", "gpus", "max_failures", "timeout_s",
    ),
    "tune": ("space", "trials", "folds", "when", "n", "early_stop"),
    "controls": ("shuffled_labels", "seeds"),
    "ladder": ("sizes", "start", "factor", "rungs", "between", "beyond"),
    "policy": ("name", "in_flight", "reference_seeds", "max_seeds"),
    "stop": ("alpha_sd", "c_sd", "prediction_sd", "best_within"),
    "target": ("error", "min_gain", "n_limit", "level"),
    "budget": ("minutes", "device_hours", "usd"),
    "prices": ("cpu_core_hour", "gpu_hour", "gpus", "speed", "file"),
    "cluster": ("wait_s",),
    "simulated.*": ("alpha", "C", "D", "sigma", "zero_error", "seconds"),
}  # fmt: skip
# Of `render:`, how the rendering was spread.
_SPREAD = ("actors", "cpus_per_actor", "gpus_per_actor", "recycle_after", "scene_timeout_s", "retries")


def could_measure(config: SweepConfig, pretrain_version: int, finetune_version: int) -> bool:
    """Whether d91138a could be told all that the sweep file says, and its stages gave what these versions give.

    Where not, nothing of then belongs to the sweep.
    """
    said = config.model_dump(mode="json", exclude_defaults=True)
    return (pretrain_version, finetune_version) == (PRETRAIN_VERSION, FINETUNE_VERSION) and said == _as_then(said)


def study(config: SweepConfig, arm: Arm) -> str:
    """The study of an arm as d91138a computed it."""
    everything = _as_then(config.model_dump(mode="json"))
    finetune = {key: everything["finetune"][key] for key in ("dataset_sha256", "fraction", "count")}
    later = {key: everything["finetune"][key] for key in ("resolution", "balanced")}
    finetune |= {key: value for key, value in later.items() if value is not None}
    matters: list[Any] = [FINETUNE_VERSION, config.seed, config.render.resolution, finetune, everything["tune"]]
    if config.is_simulated:
        return _hash([*matters, everything["simulated"].get(arm.rendering, everything["simulated"])])
    matters += [_recipe("finetune", arm.finetune_task, config.finetune.recipe)]
    if not arm.is_reference:
        render = {key: v for key, v in everything["render"].items() if key not in _SPREAD and v is not None}
        setting = {key: v for key, v in everything["renderings"][arm.rendering].items() if v is not None}
        if setting["material"] == "own":
            del setting["material"]
        source = config.renderings[arm.rendering].source
        if source is not None:
            setting["source"] = content_of(source, arm.rendering)
        matters += [render_version(blender=source is None), setting, render]
        matters += [PRETRAIN_VERSION, config.pretrain.validation_images, config.pretrain.workers]
        matters += [_recipe("pretrain", arm.learnt, config.pretrain.recipe)]
    return _hash(matters)


def sweep(config: SweepConfig, studies: Mapping[str, str]) -> str:
    """The digest of a whole sweep as d91138a computed it, from its arms' `studies`."""
    return _hash([_as_then(config.model_dump(mode="json")), studies])


def _as_then(values: dict[str, Any]) -> dict[str, Any]:
    """The sweep file's values under the keys of d91138a."""
    return {key: _section(key, value) for key, value in _only(KEYS[""], values).items()}


def _section(key: str, value: Any) -> Any:
    if f"{key}.*" in KEYS:
        return {name: _only(KEYS[f"{key}.*"], each) for name, each in value.items()}
    return _only(KEYS[key], value) if key in KEYS else value


def _only(keys: tuple[str, ...], values: dict[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values}


def _recipe(stage: str, task: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    fields = dataclasses.fields(recipe := resolve_recipe(stage, task, overrides))
    kept = [f for f in fields if not (f.metadata.get("later") and getattr(recipe, f.name) == f.default)]
    return {f.name: getattr(recipe, f.name) for f in kept}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
