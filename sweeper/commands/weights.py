"""Weights that networks begin with: each file is read, and fits its backbones, before anything is spent."""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput, bad_input
from tasks.base import task_facts, weights_of


def with_weights(config: SweepConfig) -> SweepConfig:
    """The config with the absolute paths and hashes of its weights; BadInput where a backbone cannot take them."""
    pretrain, finetune, plain = config.pretrain, config.finetune, _named(config, None)
    if pretrain.init is not None:
        file, sha256 = _fitting("pretrain.init", pretrain.init, plain, pretrain.tasks, pretrain.init_sha256)
        pretrain = pretrain.model_copy(update={"init": file, "init_sha256": sha256})
    if finetune.init is not None:
        file, sha256 = _fitting("finetune.init", finetune.init, plain, finetune.tasks, finetune.init_sha256)
        finetune = finetune.model_copy(update={"init": file, "init_sha256": sha256})
    both, files, hashes = (*pretrain.tasks, *finetune.tasks), dict[str, str](), dict[str, str]()
    for name, given in pretrain.weights.items():
        key, known = f"pretrain.weights.{name}", pretrain.weights_sha256.get(name)
        files[name], hashes[name] = _fitting(key, given, _named(config, name), both, known)
    if files:
        pretrain = pretrain.model_copy(update={"weights": files, "weights_sha256": hashes})
    return config.model_copy(update={"pretrain": pretrain, "finetune": finetune})


def _named(config: SweepConfig, name: str | None) -> list[str]:
    """The backbones that begin with the weights of this name."""
    return [each for each in config.pretrain.backbones if weights_of(each) == name]


def _fitting(
    key: str, given: str, backbones: Sequence[str], tasks: Sequence[str], known: str | None
) -> tuple[str, str]:
    """A file's absolute path and its hash."""
    from tasks.models.backbones import build_backbone
    from tasks.models.given_weights import given_state

    file = Path(given).absolute()
    with bad_input(f"{key}: "):
        for backbone, task in itertools.product(backbones, dict.fromkeys(tasks)):
            given_state(file, build_backbone(backbone, task_facts(task)))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    if known not in (None, sha256):
        raise BadInput(f"{key}: {file} has the hash {sha256}, where {known} is asked for; correct either")
    return str(file), sha256
