"""What makes measurements belong together, and a sweep the same sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.config.schema import SweepConfig
from sweeper.study import identity as subject
from sweeper.study.arms import Arm
from sweeper.study.identity import study, sweep_digest
from tests.sweeper.examples import real_sweep, simulated_sweep, sweep_of

PLAIN = Arm("plain", "mulclass", "small_resnet", "sinclass")
FIXED = Arm("fixed", "mulclass", "small_resnet", "sinclass")
REFERENCE = Arm("none", "none", "small_resnet", "sinclass")
PHOTOGRAPHS = "finetune.dataset_sha256=" + "a" * 64


def changed(folder: Path, *overrides: str) -> SweepConfig:
    return sweep_of(folder, real_sweep(), *overrides)


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


def test_a_key_that_came_later_leaves_rows_where_they_were_unless_it_says_something_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a study that is told in full instead of by its hash
    monkeypatch.setattr(subject, "_hash", str)

    assert "material" not in study(changed(tmp_path), PLAIN)
    assert "material" in study(changed(tmp_path, "renderings.plain.material=random"), PLAIN)


def test_a_new_version_of_a_stage_parts_old_rows_from_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = changed(tmp_path)
    before, finished = {arm: study(config, arm) for arm in (PLAIN, REFERENCE)}, sweep_digest(config)

    monkeypatch.setattr(subject, "PRETRAIN_VERSION", subject.PRETRAIN_VERSION + 1)

    assert study(config, PLAIN) != before[PLAIN]
    assert study(config, REFERENCE) == before[REFERENCE]
    assert sweep_digest(config) != finished


@pytest.mark.parametrize("override", ["ladder.rungs=8", "budget.usd=3", PHOTOGRAPHS])
def test_a_sweep_that_may_end_otherwise_is_another(tmp_path: Path, override: str) -> None:
    assert sweep_digest(changed(tmp_path)) != sweep_digest(changed(tmp_path, override))


@pytest.mark.parametrize("content", [real_sweep(), simulated_sweep()])
def test_the_same_sweep_is_the_same_after_reading_it_back(tmp_path: Path, content: dict[str, Any]) -> None:
    config = sweep_of(tmp_path, content)
    again = SweepConfig.model_validate(config.model_dump(mode="json"))

    assert sweep_digest(again) == sweep_digest(config)
