"""What `sweeper plan` says before anything else, of devices, budget and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sweeper.commands.check import check
from sweeper.commands.plan import describe
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.stages.finetune import finetuning_of
from sweeper.stages.identity import Identities, studies
from sweeper.storage.artifacts import ArtifactStore
from sweeper.study.arms import make_plan
from tasks.base import task_facts
from tasks.models.backbones import build_backbone
from tests.sweeper.commands.own_folders import class_folders
from tests.sweeper.examples import simulated_sweep, sweep_of


def own_sweep(folder: Path, **changes: Any) -> SweepConfig:
    """A sweep over small labelled folders."""
    if not (folder / "renders").exists():
        class_folders(folder / "renders", ["."], 30)
        class_folders(folder / "photos", ["train", "test"], 6)
    content: dict[str, Any] = {
        "name": "own",
        "output": str(folder / "run"),
        "store": str(folder / "store"),
        "renderings": {"own": {"source": {"kind": "imagefolder", "path": str(folder / "renders")}}},
        "render": {"resolution": 32},
        "pretrain": {"validation_images": 5},
        "finetune": {"dataset": f"imagefolder:{folder / 'photos'}"},
        "tune": {"trials": 0},
        "ladder": {"sizes": [10, 20, 40]},
    }
    for key, value in changes.items():
        content[key] = content.get(key, {}) | value
    return sweep_of(folder, content)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sweeper.commands.plan.gpus_here", lambda: 0)


@pytest.mark.parametrize(
    ("budget", "first"),
    [
        ({"minutes": 0.001}, "0.001 left"),
        ({"usd": 1e-7}, "dollars, and the budget has 1e-07 left"),
        ({"minutes": 9e9}, ""),
    ],
)
def test_an_opening_beyond_the_budget_is_said_first(tmp_path: Path, budget: dict[str, float], first: str) -> None:
    said = describe(own_sweep(tmp_path, budget=budget)).splitlines()
    if not first:
        assert said[0].startswith("own: 1 arms")
    else:
        assert said[0].startswith("mind: the opening alone is expected to take ")
        assert first in said[0]


def test_a_simulated_plan_is_as_it_was(tmp_path: Path) -> None:
    said = describe(sweep_of(tmp_path, simulated_sweep(output=str(tmp_path / "run"), store=str(tmp_path / "s"))))
    assert said.startswith("toy: ")
    assert "devices" not in said


def test_each_stages_device_is_said_with_what_the_machine_lacks(tmp_path: Path) -> None:
    lacking = describe(own_sweep(tmp_path, pretrain={"device": "gpu", "workers": 1}, finetune={"device": "cpu"}))
    assert "pretrain 1 worker of 1 core and 1 GPU, finetune 1 process of 1 core" in lacking
    assert "mind: pretrain.gpu asks for 1 GPUs, but this machine has 0" in lacking


def test_given_weights_make_another_study_and_only_of_what_begins_with_them(tmp_path: Path) -> None:
    """Given weights to begin with, checkpoints or n = 0 are others, and a file that does not fit is refused."""
    file = tmp_path / "w.pt"
    torch.save(build_backbone("small_resnet", task_facts("sinclass")).state_dict(), file)
    plain, before, without = (
        check(own_sweep(tmp_path, **changes))[0]
        for changes in ({}, {"pretrain": {"init": str(file)}}, {"finetune": {"init": str(file)}})
    )
    arm, reference = make_plan(plain).arms[0].name, make_plan(plain).references[0].name

    def of(config: SweepConfig) -> tuple[str, str]:
        current = studies(config).current
        return current[arm], current[reference]

    assert (of(before)[0] == of(plain)[0], of(before)[1] == of(plain)[1]) == (False, True)
    assert (of(without)[0] == of(plain)[0], of(without)[1] == of(plain)[1]) == (True, False)
    assert "init" not in Identities(plain).checkpoint(make_plan(plain).run(make_plan(plain).arms[0], 10, 0))
    assert "give init to both" in describe(own_sweep(tmp_path, pretrain={"init": str(file)}))
    with pytest.raises(BadInput, match=r"pretrain.init: .*w.pt is of another network"):
        check(own_sweep(tmp_path, pretrain={"init": str(file), "backbones": ["resnet18"]}))


def test_a_backbone_with_weights_is_an_arm_beside_the_same_network_without(tmp_path: Path) -> None:
    """Given a backbone twice, once with weights, both are arms with a reference each; the plain one is as before."""
    file = tmp_path / "w.pt"
    torch.save(build_backbone("small_resnet", task_facts("sinclass")).state_dict(), file)
    both = {"backbones": ["small_resnet", "small_resnet@mine"], "weights": {"mine": str(file)}}

    config, _ = check(own_sweep(tmp_path, pretrain=both))
    plain, _ = check(own_sweep(tmp_path))

    plan, current, before = make_plan(config), studies(config).current, studies(plain).current
    assert [each.backbone for each in plan.arms] == ["small_resnet", "small_resnet@mine"]
    assert [each.backbone for each in plan.references] == ["small_resnet", "small_resnet@mine"]
    assert {name: current[name] for name in before} == before
    assert len(set(current.values())) == 4
    job = finetuning_of(config, ArtifactStore(config.store))
    assert [job.start_of(each.backbone) for each in plan.references] == [None, str(file)]
    assert [config.pretrain.start_of(each.backbone) for each in plan.arms] == [None, str(file)]
    assert f"@mine begins with {file}, with and without renders" in describe(own_sweep(tmp_path, pretrain=both))

    # other weights under the same name are another study
    torch.save({name: value + 1 for name, value in torch.load(file, weights_only=True).items()}, file)
    assert (
        studies(check(own_sweep(tmp_path, pretrain=both))[0]).current[plan.arms[1].name] != current[plan.arms[1].name]
    )


@pytest.mark.parametrize(
    ("pretrain", "said"),
    [
        ({"backbones": ["small_resnet@mine"]}, "@mine names weights that are not given"),
        ({"weights": {"mine": "w.pt"}}, "weights: mine is of no backbone"),
        ({"backbones": ["small_resnet@mine"], "weights": {"mine": "w.pt"}, "init": "w.pt"}, "leave one out"),
        ({"backbones": ["small_resnet@mine"], "weights": {"mine": "none.pt"}}, "pretrain.weights.mine: .*is not there"),
    ],
)
def test_weights_that_cannot_be_are_one_line(tmp_path: Path, pretrain: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check(own_sweep(tmp_path, pretrain=pretrain))


def test_weights_of_n_0_and_of_a_network_exclude_each_other(tmp_path: Path) -> None:
    named = {"backbones": ["small_resnet@mine"], "weights": {"mine": "w.pt"}}

    with pytest.raises(BadInput, match=r"finetune\.init is for every backbone, and NETWORK@NAME"):
        check(own_sweep(tmp_path, pretrain=named, finetune={"init": "w.pt"}))
