"""Several workers, or a batch in parts, train the model that one worker trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing

from tasks.models.transfer import TransferModel, backbone_state
from tasks.recipes.recipe import Recipe
from tasks.training.loop import TrainResult, train
from tasks.training.shard import Shard
from tests.tasks.training.cases import (
    CASES,
    _model,
    _narrow_convnext,
    _pixelwise,
    _plain_model,
)

SGD = Recipe(
    iterations=10, batch_size=16, lr=0.02, optimizer="sgd", weight_decay=1e-4, augment=("flip", "crop", "colour")
)
# of the order and the augmentations: one of those in which no unit comes so near to 0 (1e-6) that rounding switches it;
# from there two trainings part, however alike their batches are
SEED = 9


def _trained_alone(case: str, recipe: Recipe) -> tuple[TransferModel, TrainResult]:
    given = CASES[case]
    model = given.model(0)
    return model, train(model, given.task, given.images(66, 0), recipe, seed=SEED, validation=given.images(33, 1))


def _worker(rank: int, world: int, folder: str, recipe: Recipe, case: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    given = CASES[case]
    # only rank 0's first weights may count
    model = given.model(rank)
    result = train(model, given.task, given.images(66, 0), recipe, seed=SEED, validation=given.images(33, 1))
    if rank == 0:
        torch.save({"model": model.state_dict(), "metric": result.metric}, f"{folder}/result.pt")
    distributed.destroy_process_group()


def _trained_together(folder: Path, world: int, recipe: Recipe, case: str) -> dict[str, Any]:
    args = (world, str(folder), recipe, case)
    multiprocessing.start_processes(_worker, args=args, nprocs=world, start_method="forkserver")
    left: dict[str, Any] = torch.load(folder / "result.pt", weights_only=True)
    return left


# Four processes on two cores take half a minute each time.
FOUR = pytest.param(4, marks=pytest.mark.slow)


# three workers hold 5, 5 and 6 of the 16 images
@pytest.mark.parametrize("world", [2, 3, FOUR])
def test_any_number_of_workers_trains_the_model_that_one_trains(tmp_path: Path, world: int) -> None:
    many = _trained_together(tmp_path, world, SGD, "batch norm")

    one, result = _trained_alone("batch norm", SGD)

    start = backbone_state(_model())
    for name, value in one.state_dict().items():
        torch.testing.assert_close(many["model"][name], value, rtol=2e-3, atol=2e-4, msg=f"{name} differs")
    moved = (one.state_dict()["backbone.stem.0.weight"] - start["stem.0.weight"]).abs().max()
    assert moved > 0.01, "the tolerance means something only where the weights moved further"
    assert many["metric"] == pytest.approx(result.metric, abs=1 / 33 + 1e-6)


@pytest.mark.parametrize("world", [2, FOUR])
@pytest.mark.parametrize("case", ["dropout", "stochastic depth"])
def test_what_is_dropped_is_drawn_for_the_batch_whoever_holds_it(tmp_path: Path, case: str, world: int) -> None:
    short = replace(SGD, iterations=4)

    many = _trained_together(tmp_path, world, short, case)["model"]

    one = _trained_alone(case, short)[0].state_dict()
    start = CASES[case].model(0).state_dict()
    assert _apart(many, one) < 1e-4 * _apart(start, one)


@pytest.mark.parametrize(
    "sizes",
    [
        {"augment": ("flip",), "window": 24, "shorter_edge": (12, 40), "eval_shorter_edge": 20},
        {"augment": ("flip", "resized_crop"), "window": 24, "nesterov": True, "decay_norms": False},
    ],
    ids=["shorter edge", "resized crop, nesterov"],
)
def test_two_workers_see_the_same_windows_of_another_size(tmp_path: Path, sizes: dict[str, Any]) -> None:
    told = replace(SGD, lr=0.1, **sizes)

    many = _trained_together(tmp_path, 2, told, "plain")

    model, result = _trained_alone("plain", told)
    one = model.state_dict()
    assert _apart(many["model"], one) < 1e-4 * _apart(_plain_model().state_dict(), one)
    assert many["metric"] == pytest.approx(result.metric, abs=1e-6)


@pytest.mark.parametrize("device_batch", [5, 1])
def test_what_is_dropped_is_drawn_for_the_batch_however_it_is_cut(device_batch: int) -> None:
    whole = _trained_alone("stochastic depth", SGD)[0].state_dict()

    parts = _trained_alone("stochastic depth", replace(SGD, device_batch=device_batch))[0].state_dict()

    start = _narrow_convnext().state_dict()
    assert _apart(parts, whole) < 1e-4 * _apart(start, whole)


@pytest.mark.parametrize(("world", "device_batch"), [(1, 5), (1, 1), (2, 0), (3, 2)])
def test_pixels_that_count_weigh_the_same_in_every_part(tmp_path: Path, world: int, device_batch: int) -> None:
    # given images some of which have sixteen times as many pixels with a normal as others
    whole = _trained_alone("holes", SGD)[0].state_dict()

    cut = replace(SGD, device_batch=device_batch)
    if world == 1:
        parts = _trained_alone("holes", cut)[0].state_dict()
    else:
        parts = _trained_together(tmp_path, world, cut, "holes")["model"]

    start = _pixelwise().state_dict()
    assert _apart(parts, whole) < 1e-4 * _apart(start, whole)


def _apart(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """The distance between the weights of two models."""
    return float(sum((one[name].double() - two[name].double()).square().sum() for name in one)) ** 0.5


@pytest.mark.parametrize(("world", "device_batch"), [(1, 16), (1, 5), (1, 1), (3, 2)])
def test_a_batch_too_large_for_the_device_is_gathered_from_parts(tmp_path: Path, world: int, device_batch: int) -> None:
    whole, _ = _trained_alone("plain", replace(SGD, lr=0.1))

    small = replace(SGD, lr=0.1, device_batch=device_batch)
    if world == 1:
        parts = _trained_alone("plain", small)[0].state_dict()
    else:
        parts = _trained_together(tmp_path, world, small, "plain")["model"]

    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-6, msg=f"{name} differs")
    start = _plain_model().state_dict()["backbone.stages.0.0.weight"]
    assert (whole.state_dict()["backbone.stages.0.0.weight"] - start).abs().max() > 0.01


@pytest.mark.parametrize("device_batch", [0, 1, 3, 4])
@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_parts_of_all_workers_cover_the_batch_once(world: int, device_batch: int) -> None:
    parts = [Shard(rank, world).parts(16, device_batch) for rank in range(world)]

    taken = [place for worker in parts for part in worker for place in range(16)[part]]
    assert taken == list(range(16))
    assert len({len(worker) for worker in parts}) == 1, "workers meet in every part"
    sizes = [part.stop - part.start for worker in parts for part in worker]
    assert min(sizes) > 0
    assert device_batch == 0 or max(sizes) <= device_batch + 1


def test_more_workers_than_images_a_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(multiprocessing.ProcessRaisedException, match="batch_size 1 leaves some of 2 workers idle"):
        _trained_together(tmp_path, 2, replace(SGD, batch_size=1), "plain")
