"""Arms of one training on renders and photographs: what their errors depend on, need and cost; what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.commands.mixed import check_mix, mixed_lines
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.stages.identity import Identities, Trial
from sweeper.stages.inventory import Inventory
from sweeper.storage.artifacts import ArtifactStore, artifact_key
from sweeper.study.arms import Arm, make_plan
from sweeper.study.results import MeasuredRun
from tests.sweeper.examples import real_sweep, simulated_sweep, sweep_of

PLAIN = Arm("plain", "mulclass", "small_resnet", "sinclass")
MIX = "finetune.mix={share: 0.5}"


def mixed_sweep(folder: Path, *overrides: str) -> SweepConfig:
    return sweep_of(folder, real_sweep(), MIX, *overrides)


def key(config: SweepConfig, run: Run) -> str:
    return artifact_key(Identities(config).finetune(Trial(run, 0, {}, "test", None)))


def test_every_arm_has_one_of_its_own_and_the_others_stay_what_they_were(tmp_path: Path) -> None:
    before, after = sweep_of(tmp_path, real_sweep()), mixed_sweep(tmp_path)

    plan = make_plan(after)

    assert [arm.name for arm in plan.arms if arm.is_mixed] == [
        "fixed/mulclass-mixed/small_resnet/sinclass",
        "plain/mulclass-mixed/small_resnet/sinclass",
    ]
    assert [arm for arm in plan.arms if not arm.is_mixed] == list(make_plan(before).arms)
    assert PLAIN.mixed.transferred == PLAIN
    for arm in (PLAIN, PLAIN.reference):
        assert Identities(before).study(arm) == Identities(after).study(arm)


@pytest.mark.parametrize(
    ("override", "counts"),
    [
        ("finetune.mix={share: 0.25}", True),
        ("pretrain.recipe={iterations: 900}", True),
        ("finetune.recipe={iterations: 900}", True),
        ("render.samples=9", True),
        ("pretrain.subset=independent", True),
        ("pretrain.validation_images=100", False),
        ("pretrain.recipe={lr: 0.004}", False),
        ("budget.usd=3", False),
    ],
)
def test_a_mixed_error_depends_on_what_it_is_trained_on_and_by(tmp_path: Path, override: str, counts: bool) -> None:
    before, after = mixed_sweep(tmp_path), mixed_sweep(tmp_path, override)
    run = Run(PLAIN.mixed.name, 1000, 0)

    assert (Identities(before).study(PLAIN.mixed) != Identities(after).study(PLAIN.mixed)) == counts
    assert (key(before, run) != key(after, run)) == counts
    assert key(before, run) != key(before, Run(PLAIN.mixed.name, 2000, 0))


def test_it_needs_renders_and_no_checkpoint_and_costs_the_steps_of_both(tmp_path: Path) -> None:
    # given recipes of 300 and 100 steps
    steps = "pretrain.recipe={iterations: 300}", "finetune.recipe={iterations: 100}"
    config = mixed_sweep(tmp_path, f"store={tmp_path / 'store'}", *steps)
    inventory = Inventory(config, ArtifactStore(config.store))
    mixed, apart = Run(PLAIN.mixed.name, 1000, 0), Run(PLAIN.name, 1000, 0)

    # then a training has four fine-tunes' steps, and renders as many images, those of validation left out
    work, usual = inventory.work(mixed), inventory.work(apart)
    assert (work.pretrain, work.length, usual.length) == (False, 4.0, 1.0)
    assert usual.images - work.images >= config.pretrain.validation_images
    assert inventory.identities.recipe(Trial(mixed, 0, {}, "test", None)).iterations == 400
    # and beside a run of the other arm it has nothing left to render
    assert inventory.work(mixed, [apart]).images == 0


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["pretrain.tasks=[semseg]"], "pretrain.tasks has semseg, and one training mixes sinclass and mulclass alone"),
        (["finetune.resolution=48"], "cannot be in one batch"),
        (["finetune.mix={share: 0.001}"], "leaves none of one kind"),
        (["finetune.recipe={device_batch: 8}"], "device_batch"),
    ],
)
def test_what_cannot_be_mixed_is_refused_in_a_line(tmp_path: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_mix(mixed_sweep(tmp_path, *overrides))

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "override", "said"),
    [
        (simulated_sweep(), MIX, "simulated errors know no training"),
        (real_sweep(), "tune.iterations=[100, 200]", "tune.iterations are chosen for fine-tunes alone"),
        (real_sweep(), "pretrain.init=weights.pt", "a mixed training begins with random weights"),
        (real_sweep(), "finetune.init=weights.pt", "a mixed training begins with random weights"),
        (real_sweep(), "finetune.mix={share: 1}", "finetune.mix.share"),
    ],
)
def test_what_does_not_go_with_mixing_is_refused(tmp_path: Path, content: Any, override: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        sweep_of(tmp_path, content, MIX, override)


def test_the_report_says_how_they_differ_and_by_how_much(tmp_path: Path) -> None:
    config = mixed_sweep(tmp_path, "pretrain.recipe={iterations: 300}", "finetune.recipe={iterations: 100}")
    plan = make_plan(config, 600)
    runs = [
        MeasuredRun(Run(arm.name, 1000, seed, 600), math.log(error), None, 1)
        for arm, errors in ((PLAIN, (0.40, 0.42)), (PLAIN.mixed, (0.38, 0.41)))
        for seed, error in enumerate(errors)
    ]

    how, alone, compared = mixed_lines(config, plan, runs)

    assert "400 steps (300 of the pre-training and 100 of the fine-tune) by the fine-tune's recipe" in how
    assert compared.startswith(f"{PLAIN.mixed.name}: its error is -1.5 points (95 %: -7.9 to +4.9) from that of")
    assert "over 2 runs of equal n, s and seed" in compared
    assert "no run of it has n, s and seed" in alone
