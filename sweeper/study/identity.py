"""What a measured error depends on, and what makes a sweep the same sweep: two digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from pydantic import BaseModel

from render_actors.setting.setting import render_version
from sweeper.config.render import content_of
from sweeper.config.schema import SweepConfig
from sweeper.study.arms import Arm, Plan, make_plan
from sweeper.study.recipes import resolve_recipe

# Raise when the same identity would leave another checkpoint.
PRETRAIN_VERSION = 3
# Raise when the same identity would give another error.
FINETUNE_VERSION = 4


def study(config: SweepConfig, arm: Arm) -> str:
    """Hash of all that the errors of an arm depend on, and no budget, policy or machine.

    Rows of the results table that were measured under another one belong to another sweep.
    """
    everything = config.model_dump(mode="json")
    finetune = {key: everything["finetune"][key] for key in ("dataset_sha256", "fraction", "count")}
    # What is not set says nothing: keys that came later leave earlier rows where they were.
    later = {key: everything["finetune"][key] for key in ("resolution", "balanced")}
    finetune |= {key: value for key, value in later.items() if value is not None}
    matters: list[Any] = [FINETUNE_VERSION, config.seed, config.render.resolution, finetune, everything["tune"]]
    if config.is_simulated:
        return _hash([*matters, everything["simulated"].get(arm.rendering, everything["simulated"])])
    matters += [as_plain(resolve_recipe("finetune", arm.finetune_task, config.finetune.recipe))]
    if not arm.is_reference:
        spread = ("actors", "cpus_per_actor", "gpus_per_actor", "recycle_after", "scene_timeout_s", "retries")
        render = {key: v for key, v in everything["render"].items() if key not in spread and v is not None}
        setting = {key: v for key, v in everything["renderings"][arm.rendering].items() if v is not None}
        # A key that came later, where it says what was so before it.
        if setting["material"] == "own":
            del setting["material"]
        source = config.renderings[arm.rendering].source
        if source is not None:
            # Other code or files are another study.
            setting["source"] = content_of(source, arm.rendering)
        matters += [render_version(blender=source is None), setting, render]
        matters += [PRETRAIN_VERSION, config.pretrain.validation_images, config.pretrain.workers]
        matters += [as_plain(resolve_recipe("pretrain", arm.learnt, config.pretrain.recipe))]
    return _hash(matters)


def studies(config: SweepConfig, plan: Plan) -> dict[str, str]:
    """The study of every arm, reference and control, by name."""
    return {arm.name: study(config, arm) for arm in (*plan.references, *plan.arms, *plan.controls)}


def sweep_digest(config: SweepConfig) -> str:
    """Hash of all that decides when a sweep is finished: its config, and what its errors depend on."""
    return _hash([config.model_dump(mode="json"), studies(config, make_plan(config))])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def as_plain(value: Any) -> Any:
    """Dataclasses and models as JSON-ready data, for artifact identities."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(f, getattr(value, f.name)) for f in dataclasses.fields(value)]
        # A field that came later says nothing at its default.
        return {f.name: as_plain(v) for f, v in fields if not (f.metadata.get("later") and v == f.default)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    return value
