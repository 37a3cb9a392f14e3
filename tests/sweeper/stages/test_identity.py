"""What makes measurements belong together, and a sweep the same sweep; checkpoints and rows always agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.config.load import load_config
from sweeper.config.schema import SweepConfig
from sweeper.stages import identity as subject
from sweeper.stages.identity import Identities, Trial, studies
from sweeper.storage.artifacts import artifact_key
from sweeper.study import results
from sweeper.study.arms import Arm, make_plan
from tests.sweeper.examples import real_sweep, row, simulated_sweep, sweep_of

PLAIN = Arm("plain", "mulclass", "small_resnet", "sinclass")
FIXED = Arm("fixed", "mulclass", "small_resnet", "sinclass")
REFERENCE = Arm("none", "none", "small_resnet", "sinclass")
PHOTOGRAPHS = "finetune.dataset_sha256=" + "a" * 64


def changed(folder: Path, *overrides: str) -> SweepConfig:
    return sweep_of(folder, real_sweep(), *overrides)


def study(config: SweepConfig, arm: Arm) -> str:
    return Identities(config).study(arm)


def checkpoint(config: SweepConfig, arm: Arm) -> str:
    """The key of the arm's checkpoint of the first seed at 1,000 images."""
    return artifact_key(Identities(config).checkpoint(Run(arm.name, 1000, 0)))


@pytest.mark.parametrize(
    ("override", "touched"),
    [
        (PHOTOGRAPHS, {PLAIN, FIXED, REFERENCE}),
        ("finetune.recipe={iterations: 900}", {PLAIN, FIXED, REFERENCE}),
        ("pretrain.recipe={iterations: 900}", {PLAIN, FIXED}),
        ("render.samples=9", {PLAIN, FIXED}),
        ("renderings.fixed.background=fix", {FIXED}),
        ("renderings.fixed.material=random", {FIXED}),
        ("tune.lr=[0.001, 0.002]", {PLAIN, FIXED, REFERENCE}),
        ("budget.usd=3", set()),
        ("render.actors=1", set()),
        ("data_root=/elsewhere", set()),
    ],
)
def test_only_what_an_error_depends_on_parts_old_rows_from_new(
    tmp_path: Path, override: str, touched: set[Arm]
) -> None:
    before, after = changed(tmp_path), changed(tmp_path, override)

    assert {arm for arm in (PLAIN, FIXED, REFERENCE) if study(before, arm) != study(after, arm)} == touched


@pytest.mark.parametrize(
    ("override", "fits"),
    [
        ("pretrain.workers=4", False),
        ("pretrain.recipe={sync_batch_norm: true}", False),
        ("pretrain.recipe={sync_batch_norm: false, base: quick}", True),
        ("pretrain.recipe={iterations: 900}", False),
        ("pretrain.validation_images=100", False),
        ("pretrain.stall_s=5000", True),
        ("pretrain.checkpoint_every=7", True),
        ("render.samples=9", False),
        ("render.scenes_per_shard=3", False),
        ("render.light_strength=[0.5, 0.9]", False),
        ("render.actors=1", True),
        ("render.retries=9", True),
        ("renderings.plain.material=own", True),
        ("renderings.plain.material=random", False),
        ("renderings.plain.placement=physics", False),
        ("renderings.fixed.background=fix", True),
        ("ladder.rungs=3", True),
    ],
)
@pytest.mark.parametrize("arm", [PLAIN, PLAIN.control])
def test_rows_are_kept_exactly_where_their_checkpoint_fits(tmp_path: Path, arm: Arm, override: str, fits: bool) -> None:
    """Given a change that leaves the fine-tuning alone, when made, then the row belongs to the sweep that results if
    and only if the checkpoint that it was measured on does."""
    before, after = changed(tmp_path), changed(tmp_path, override)

    assert (checkpoint(before, arm) == checkpoint(after, arm)) == fits
    assert (study(before, arm) == study(after, arm)) == fits


@pytest.mark.parametrize(("sync", "kept"), [(True, True), (False, False)])
def test_another_number_of_workers_keeps_the_rows_whose_checkpoint_still_fits(
    tmp_path: Path, sync: bool, kept: bool
) -> None:
    # given a row measured on a checkpoint of two workers, whose batch norm goes over all of them, or over each's own
    recipe = f"pretrain.recipe={{sync_batch_norm: {str(sync).lower()}}}"
    two = changed(tmp_path, recipe, "pretrain.workers=2")
    measured, reference = (
        row(arm=arm.name, study=studies(two).current[arm.name], n=n) for arm, n in ((PLAIN, 1000), (REFERENCE, 0))
    )
    for each in (measured, reference):
        results.write(tmp_path / "results", each)

    # when the same sweep is run with four
    four = changed(tmp_path, recipe, "pretrain.workers=4")

    # then the row is read where the checkpoint is the same, and what was not pre-trained always
    assert (checkpoint(two, PLAIN) == checkpoint(four, PLAIN)) == kept
    assert results.read(tmp_path / "results", studies(four)) == [reference, *([measured] if kept else [])]


def test_a_key_that_came_later_leaves_rows_where_they_were_unless_it_says_something_new(tmp_path: Path) -> None:
    def of_plain(*overrides: str) -> str:
        return str(Identities(changed(tmp_path, *overrides)).checkpoint(Run(PLAIN.name, 1000, 0)))

    assert "material" not in of_plain()
    assert "material" in of_plain("renderings.plain.material=random")


def test_a_new_version_of_a_stage_parts_old_rows_from_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = changed(tmp_path)
    before = studies(config)

    monkeypatch.setattr(subject, "PRETRAIN_VERSION", subject.PRETRAIN_VERSION + 1)

    after = studies(config)
    assert after.current[PLAIN.name] != before.current[PLAIN.name]
    assert after.current[REFERENCE.name] == before.current[REFERENCE.name]
    assert after.sweep != before.sweep


@pytest.mark.parametrize("override", ["ladder.rungs=8", "budget.usd=3", PHOTOGRAPHS])
def test_a_sweep_that_may_end_otherwise_is_another(tmp_path: Path, override: str) -> None:
    assert studies(changed(tmp_path)).sweep != studies(changed(tmp_path, override)).sweep


@pytest.mark.parametrize("content", [real_sweep(), simulated_sweep()])
def test_the_same_sweep_is_the_same_after_reading_it_back(tmp_path: Path, content: dict[str, Any]) -> None:
    config = sweep_of(tmp_path, content)
    again = SweepConfig.model_validate(config.model_dump(mode="json"))

    assert studies(again) == studies(config)


# Study, checkpoint and fine-tune of the arm, and the study of n = 0, at seed 1, the ladder's top and s = 1,000.
RECORDED = {
    "quickstart": ("e2c45f0b014bca6e", "4f2cec10af0a", "afd887146c3e", "380ad377dc3b801e"),
    "evidence": ("9495dd289304ef37", "a49e9f88d273", "3ff6e646f414", "496dc2b9c542fabe"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_sweep_at_one_s_finds_what_was_made_before_there_were_several(name: str) -> None:
    """Recorded before `finetune.counts`: where keys are meant to change, record again."""
    config = load_config(Path("configs") / f"{name}.yaml", [f"finetune.dataset_sha256={'a' * 64}"])
    own, plan = Identities(config), make_plan(config, 1000)
    run = plan.run(plan.arms[0], plan.ladder[-1], config.seed + 1)

    keys = (artifact_key(own.checkpoint(run)), artifact_key(own.finetune(Trial(run, 0, {}, "test", None))))

    assert (own.study(plan.arms[0]), *(key[:12] for key in keys), own.study(plan.references[0])) == RECORDED[name]
