"""Which checkpoint looks at a rendered set; and files given as one that are none: one line, whatever they hold."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from analysis.policy.runs import Run
from render_actors.labels import RenderedImage
from sweeper.commands import complexity
from sweeper.config.load import load_config
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.stages.inventory import Inventory
from sweeper.storage.artifacts import MODEL_FILE, ArtifactStore
from sweeper.study.arms import Arm, make_plan
from tests.render_actors.drawn import drawn_image
from tests.sweeper.examples import real_sweep, sweep_of

ARM = Arm("mine", "mulclass", "small_resnet", "sinclass")
# The rungs are 100, 200 and 400.
LADDER = {"start": 100, "rungs": 3, "between": 1, "beyond": 1}


@pytest.fixture
def config(tmp_path: Path) -> SweepConfig:
    """A sweep whose runs begin at seed 5, and whose policy may choose sizes between and beyond the rungs."""
    places = {"store": str(tmp_path / "store"), "output": str(tmp_path / "run")}
    return sweep_of(tmp_path, real_sweep(renderings={"mine": {}}, seed=5, ladder=LADDER, **places))


def made(config: SweepConfig, run: Run) -> Path:
    """Where the checkpoint of a run is kept; it holds nothing of a model."""
    store = ArtifactStore(config.store)
    with TemporaryDirectory() as folder:
        (Path(folder) / MODEL_FILE).write_text(run.what)
        manifest = store.commit(Inventory(config, store).identities.checkpoint(run), Path(folder))
    return store.path(manifest, MODEL_FILE)


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize("n", [200, 283, 800])
def test_the_largest_checkpoint_is_found_at_whatever_size_and_seed_the_policy_may_have_chosen(
    config: SweepConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, seed: int
) -> None:
    # given checkpoints at the smallest rung and at another size
    plan = make_plan(config)
    assert plan.choices == (100, 141, 200, 283, 400, 566, 800)
    arm = plan.arms[0]
    made(config, plan.run(arm, 100, 5))
    largest = made(config, plan.run(arm, n, seed))
    seen: list[Path] = []

    def activations(images: object, arm: Arm, config: SweepConfig, checkpoint: Path) -> NDArray[np.float32]:
        seen.append(checkpoint)
        return np.random.default_rng(0).random((20, 4), np.float32)

    monkeypatch.setattr(complexity, "_images", lambda *asked: None)
    monkeypatch.setattr(complexity, "_activations", activations)

    # then the set is looked at by the largest
    first, _ = complexity.measure(config, tmp_path, 20, None)
    assert seen == [largest]
    assert first.endswith(f"seen by n = {n}")
    assert list(complexity.read_complexity(tmp_path)) == [arm.name]


def test_without_a_checkpoint_it_says_how_to_come_by_one(config: SweepConfig, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no checkpoint of it is in .*; run the sweep first, or give --checkpoint FILE"):
        next(complexity.measure(config, tmp_path, 20, None))


@pytest.mark.parametrize(
    "content", [b"", b"hello, I am no checkpoint", b"PK\x03\x04 nor a whole archive", "list", None]
)
def test_what_is_no_checkpoint_is_told_in_one_line(tmp_path: Path, content: bytes | str | None) -> None:
    sweep, file = tmp_path / "sweep.yaml", tmp_path / "eyes.pt"
    sweep.write_text("name: seen\nrenderings: {mine: {}}\n")
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        torch.save([1, 2], file)
    images: list[RenderedImage] = [drawn_image(k) for k in range(2)]
    with pytest.raises(
        BadInput, match=r"^checkpoint .*eyes\.pt: cannot be read: .*; give a file of a backbone's tensors$"
    ):
        complexity._activations(images, ARM, load_config(sweep), file)  # type: ignore[arg-type]
