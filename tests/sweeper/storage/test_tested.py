"""What a fine-tune got right of the test images: in its artifact, and from there in its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.policy.runs import Run
from sweeper.commands.check import check
from sweeper.config.schema import SweepConfig
from sweeper.stages.finetune import _measured, finetuning_of
from sweeper.stages.identity import Split, Trial
from sweeper.stages.inventory import Inventory
from sweeper.storage.artifacts import ArtifactStore, Manifest
from sweeper.storage.tested import TEST_IMAGES_FILE, row_of_test_images, write_test_images
from sweeper.study.arms import make_plan
from tasks.training.evaluation import RESAMPLES, Scored, resamples
from tests.sweeper.examples import ARM, real_sweep, sweep_of
from tests.tasks.arrays import coloured_squares

TESTED = Scored(0.75, 12, np.linspace(0.1, 0.4, RESAMPLES), np.arange(12) % 4 > 0)
TEST_IMAGES = 20


def committed(folder: Path, tested: Scored | None) -> tuple[Inventory, ArtifactStore, Manifest, Trial]:
    """A fine-tune in a store of its own, with the file of `tested` or, as before there was one, without."""
    config, store = sweep_of(folder, real_sweep()), ArtifactStore(str(folder / "store"))
    inventory, trial = Inventory(config, store), Trial(Run(ARM, 40, 0), 0, {"lr": 0.1}, "test", None)
    made = folder / "made"
    made.mkdir()
    if tested is not None:
        write_test_images(made, tested)
    metrics = {"error": 0.25, "seconds": 3.0}
    return inventory, store, store.commit(inventory.identities.finetune(trial), made, metrics), trial


def test_bits_are_packed_and_the_row_has_the_resampled_errors(tmp_path: Path) -> None:
    inventory, store, manifest, trial = committed(tmp_path, TESTED)

    with np.load(store.path(manifest, TEST_IMAGES_FILE), allow_pickle=False) as arrays:
        assert sorted(arrays) == ["resampled", "scores", "size"]
        assert np.unpackbits(arrays["scores"], count=int(arrays["size"])).tolist() == [0, 1, 1, 1] * 3
    row = {"test_size": 12, "resampled": tuple(TESTED.resampled)}
    assert row_of_test_images(store, manifest) == row
    assert inventory.measured(trial) == {"error": 0.25, "seconds": 3.0} | row


@pytest.mark.parametrize("scores", [None, np.array([0.25, 0.5])])
def test_scores_that_are_no_bits_are_floats_and_absent_where_there_are_none(
    tmp_path: Path, scores: np.ndarray | None
) -> None:
    write_test_images(tmp_path, Scored(0.375, 2, np.zeros(RESAMPLES), scores))

    with np.load(tmp_path / TEST_IMAGES_FILE, allow_pickle=False) as arrays:
        assert ("scores" in arrays) == (scores is not None)
        if scores is not None:
            assert (arrays["scores"].dtype, arrays["scores"].tolist()) == (np.float32, [0.25, 0.5])


def test_an_artifact_of_before_there_was_the_file_is_still_a_measurement(tmp_path: Path) -> None:
    inventory, _, _, trial = committed(tmp_path, None)

    assert inventory.measured(trial) == {"error": 0.25, "seconds": 3.0}


def test_a_damaged_file_is_said_and_the_fine_tune_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inventory, store, manifest, trial = committed(tmp_path, TESTED)
    (file,) = (tmp_path / "store").rglob(TEST_IMAGES_FILE)
    file.write_bytes(file.read_bytes()[:-1])

    assert inventory.measured(trial) is None
    assert f"finetune/{manifest.key}: {TEST_IMAGES_FILE} does not match its checksum" in caplog.text
    assert store.find(manifest.identity) is None


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> SweepConfig:
    """A sweep that fine-tunes on 40 photographs of coloured squares and is tested on 20."""
    folder = tmp_path_factory.mktemp("squares")
    for split, count in (("train", 40), ("test", TEST_IMAGES)):
        data = coloured_squares(count, seed=len(split))
        for number, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
            place = folder / split / data.class_names[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{number}.png")
    recipe = {"iterations": 8, "batch_size": 8, "warmup_images": 8, "lr": 0.003}
    finetune = {"dataset": f"imagefolder:{folder}", "resolution": 16, "fraction": 1.0, "recipe": recipe}
    return check(sweep_of(folder, real_sweep(finetune=finetune)))[0]


def measured(config: SweepConfig, folder: Path, split: Split = "test", repeat: int = 0) -> float:
    """The error of a fine-tune without pre-training; what is beside it is in the folder."""
    trial = Trial(Run(make_plan(config).references[0].name, 0, 0), repeat, {}, split, None)
    folder.mkdir()
    job = finetuning_of(config, ArtifactStore("unused"))
    return float(_measured(job, trial, lambda error, percent: None, folder)["error"])


def arrays_in(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / TEST_IMAGES_FILE, allow_pickle=False) as arrays:
        return dict(arrays)


def test_a_fine_tune_leaves_what_it_got_right_and_the_same_one_leaves_the_same(
    config: SweepConfig, tmp_path: Path
) -> None:
    error = measured(config, tmp_path / "first")
    assert measured(config, tmp_path / "again") == error
    measured(config, tmp_path / "other", repeat=1)

    first, again, other = (arrays_in(tmp_path / name) for name in ("first", "again", "other"))
    wrong = 1 - np.unpackbits(first["scores"], count=TEST_IMAGES)
    assert error == pytest.approx(wrong.mean(), abs=1e-9)
    assert first["resampled"] == pytest.approx(resamples(TEST_IMAGES) @ wrong / TEST_IMAGES, abs=1e-9)
    assert first["size"] == TEST_IMAGES
    assert np.array_equal(first["resampled"], again["resampled"])
    assert not np.array_equal(first["scores"], other["scores"])


def test_a_trial_of_the_tuning_leaves_nothing_of_the_kind(config: SweepConfig, tmp_path: Path) -> None:
    assert 0 <= measured(config, tmp_path / "tried", split="validation") <= 1
    assert list((tmp_path / "tried").iterdir()) == []
