"""One small fine-tune on photographs: what it measures, and that it depends on its run and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.commands.check import check
from sweeper.stages.finetune import Finetuning, _measured, finetuning_of
from sweeper.stages.identity import Trial
from sweeper.storage.artifacts import ArtifactStore
from tasks.data.fashion_mnist import PACKAGE_FOLDER
from tests.sweeper.examples import real_sweep, sweep_of

pytestmark = pytest.mark.skipif(
    not PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist"
)

REFERENCE = "none/none/small_resnet/sinclass"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Finetuning:
    folder = tmp_path_factory.mktemp("finetune")
    recipe = {"iterations": 12, "batch_size": 16, "warmup_images": 0}
    finetune = {"count": 150, "subset": "independent", "resolution": 16, "recipe": recipe}
    config, _ = check(sweep_of(folder, real_sweep(finetune=finetune, tune={"folds": 3}), f"store={folder / 'store'}"))
    return finetuning_of(config, ArtifactStore(config.store))


def measured(job: Finetuning, folder: Path, seed: int, repeat: int, split: Any) -> dict[str, Any]:
    trial = Trial(Run(REFERENCE, 0, seed), repeat, {}, split, None)
    return _measured(job, trial, lambda error, percent: None, folder)


def test_a_trial_tells_its_error_on_each_fold_and_their_mean(job: Finetuning, tmp_path: Path) -> None:
    told = measured(job, tmp_path, 0, 0, "validation")

    assert len(told["folds"]) == 3
    assert told["error"] == pytest.approx(sum(told["folds"]) / 3)
    assert len(set(told["folds"])) > 1


def test_the_same_fine_tune_errs_the_same_and_another_seed_or_repeat_otherwise(job: Finetuning, tmp_path: Path) -> None:
    keys = [(0, 0), (0, 0), (1, 0), (0, 1)]

    first, again, other_seed, other_repeat = (measured(job, tmp_path, *key, "test")["error"] for key in keys)

    assert first == again
    assert len({first, other_seed, other_repeat}) == 3
