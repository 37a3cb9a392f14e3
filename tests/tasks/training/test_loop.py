"""The training loop: it learns, stops on nonsense, resumes exactly, and agrees with itself on several workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing, nn

from tasks.base import ArraySet, Task, task
from tasks.data.drawn import shapes
from tasks.models.transfer import StagedBackbone, TransferModel, backbone_state, seeded_model
from tasks.recipes.recipe import Recipe
from tasks.training.evaluation import evaluate
from tasks.training.loop import TrainResult, train
from tasks.training.shard import Shard
from tests.tasks.arrays import coloured_squares

SINCLASS = task("sinclass")
RECIPE = Recipe(
    iterations=24, batch_size=16, lr=3e-3, warmup_images=64, augment=("flip", "crop", "colour"), eval_every=6
)
# importing torch costs seconds: one server imports it, every worker is forked from that
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tests.tasks.test_train"])


def _model(seed: int = 0) -> TransferModel:
    return seeded_model("small_resnet", SINCLASS, 4, seed)


def _plain_model(seed: int = 0) -> TransferModel:
    """Without batch norm, every image is a case of its own: how a batch is cut can change rounding only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stage = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU())
        backbone = StagedBackbone(nn.Identity(), [stage], (16,))
        return TransferModel(backbone, SINCLASS.head(backbone.channels, 4))


def _narrow_convnext(seed: int = 0) -> TransferModel:
    """torchvision's ConvNeXt of three blocks, of which it leaves out none, a quarter and half; no batch norm."""
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blocks = [CNBlockConfig(16, 32, 1), CNBlockConfig(32, 32, 1), CNBlockConfig(32, None, 1)]
        stem, *stages = ConvNeXt(blocks, stochastic_depth_prob=0.5, layer_scale=1.0).features
        return TransferModel(StagedBackbone(stem, [nn.Sequential(*stages)], (32,)), SINCLASS.head((32,), 4))


def _dense_model(seed: int = 0) -> TransferModel:
    """DeepLab, which drops half of what its pyramid gathers, and its auxiliary head, which drops a tenth."""
    return seeded_model("small_resnet", task("semseg"), 4, seed)


def _squares(count: int, seed: int) -> ArraySet:
    return coloured_squares(count, seed=seed)


def _maps(count: int, seed: int) -> ArraySet:
    return shapes(count, 16, seed, "semantic")


def _holed_normals(count: int, seed: int) -> ArraySet:
    """Normals of which image k has (k + 1) / 16 at most, the first of each sixteen hardly any."""
    data = shapes(count, 16, seed, "normals")
    for place, normals in enumerate(data.labels):
        normals[place % 16 + 1 :] = 0
    return data


def _pixelwise(seed: int = 0) -> TransferModel:
    """A normal for every pixel, without batch norm and dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stage = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.Tanh(), nn.Conv2d(16, 3, 3, padding=1))
    return TransferModel(StagedBackbone(nn.Identity(), [stage], (3,)), _LastMap())


class _LastMap(nn.Module):
    def forward(self, stages: list[torch.Tensor], size: tuple[int, int], labels: torch.Tensor | None) -> torch.Tensor:
        """The map that the last stage made."""
        return stages[-1]


@dataclass(frozen=True)
class Case:
    """A model, what it learns, and labelled images by (count, seed); of module-level parts, for other processes."""

    task: Task
    model: Callable[[int], TransferModel]
    images: Callable[[int, int], ArraySet]


CASES = {
    "batch norm": Case(SINCLASS, _model, _squares),
    "plain": Case(SINCLASS, _plain_model, _squares),
    "stochastic depth": Case(SINCLASS, _narrow_convnext, _squares),
    "dropout": Case(task("semseg"), _dense_model, _maps),
    "holes": Case(task("normal"), _pixelwise, _holed_normals),
}


def _states_equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_training_learns_and_reports_what_it_did() -> None:
    heard: list[tuple[int, float, float]] = []
    judged: list[tuple[int, float]] = []
    model = _model()

    result = train(
        model,
        SINCLASS,
        coloured_squares(128),
        replace(RECIPE, iterations=40),
        seed=0,
        validation=coloured_squares(64, seed=1),
        on_progress=lambda step, speed, loss: heard.append((step, speed, loss)),
        on_validation=lambda step, metric: judged.append((step, metric)),
    )

    assert result.steps == 40
    assert result.metric is not None
    assert result.metric > 0.8
    assert result.best_metric is not None
    assert result.best_metric >= result.metric
    assert heard[-1][0] == 40
    assert [step for step, _ in judged] == [6, 12, 18, 24, 30, 36, 40]
    assert (judged[-1][1], max(metric for _, metric in judged)) == (result.metric, result.best_metric)
    assert all(speed > 0 and 0 <= loss < 5 for _, speed, loss in heard)
    assert evaluate(model, SINCLASS, coloured_squares(64, seed=1)) == pytest.approx(result.metric)


def test_the_best_state_is_of_the_best_step_and_the_model_keeps_the_last() -> None:
    model = _model()
    result = train(model, SINCLASS, coloured_squares(64), RECIPE, seed=0, validation=coloured_squares(64, seed=1))

    best = _model(seed=9)
    best.backbone.load_state_dict(result.best_state["backbone"])
    best.head.load_state_dict(result.best_state["head"])

    assert result.best_step % RECIPE.eval_every == 0
    assert evaluate(best, SINCLASS, coloured_squares(64, seed=1)) == pytest.approx(result.best_metric)
    assert evaluate(model, SINCLASS, coloured_squares(64, seed=1)) == pytest.approx(result.metric)


def _train_until_killed(folder: str, die_at: int, recipe: Recipe, case: str) -> None:
    torch.set_num_threads(1)

    def die(step: int, path: Path) -> None:
        if step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    given = CASES[case]
    train(
        given.model(0),
        given.task,
        given.images(64, 0),
        recipe,
        seed=0,
        validation=given.images(32, 1),
        checkpoint_dir=Path(folder),
        checkpoint_every=5,
        on_checkpoint=die,
    )


def _run(folder: Path | None, recipe: Recipe, case: str) -> tuple[TransferModel, TrainResult]:
    given = CASES[case]
    model = given.model(0)
    result = train(
        model,
        given.task,
        given.images(64, 0),
        recipe,
        seed=0,
        validation=given.images(32, 1),
        checkpoint_dir=folder,
        checkpoint_every=5,
    )
    return model, result


@pytest.mark.parametrize(
    ("case", "recipe"),
    [
        ("batch norm", RECIPE),
        ("batch norm", replace(RECIPE, device_batch=6, optimizer="sgd", schedule="poly")),
        ("dropout", replace(RECIPE, device_batch=6)),
        ("stochastic depth", RECIPE),
    ],
    ids=["adamw", "parts, sgd", "dropout, parts", "stochastic depth"],
)
def test_a_killed_and_resumed_training_equals_an_undisturbed_one_bit_for_bit(
    tmp_path: Path, case: str, recipe: Recipe
) -> None:
    process = FORKSERVER.Process(target=_train_until_killed, args=(str(tmp_path), 15, recipe, case))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert torch.load(tmp_path / "last.pt", weights_only=True)["progress"]["step"] == 15

    resumed_model, resumed = _run(tmp_path, recipe, case)
    model, undisturbed = _run(None, recipe, case)

    assert _states_equal(resumed_model.state_dict(), model.state_dict())
    assert (resumed.metric, resumed.best_metric, resumed.best_step) == (
        undisturbed.metric,
        undisturbed.best_metric,
        undisturbed.best_step,
    )
    assert _states_equal(resumed.best_state["backbone"], undisturbed.best_state["backbone"])


def test_a_checkpoint_of_another_training_is_refused_with_what_differs(tmp_path: Path) -> None:
    data = coloured_squares(64)
    first = replace(RECIPE, iterations=2, warmup_images=0)
    train(_model(), SINCLASS, data, first, seed=0, checkpoint_dir=tmp_path, checkpoint_every=1)

    with pytest.raises(ValueError, match=r"is of another training \(seed, recipe differ\)"):
        train(_model(), SINCLASS, data, replace(first, lr=1.0), seed=1, checkpoint_dir=tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"half of a file")

    with pytest.raises(ValueError, match=r"last\.pt cannot be read .*delete it to start again"):
        train(_model(), SINCLASS, coloured_squares(64), RECIPE, seed=0, checkpoint_dir=tmp_path)


def test_a_loss_that_is_not_finite_stops_at_its_step(tmp_path: Path) -> None:
    model = _model()
    with torch.no_grad():
        model.head.linear.bias.fill_(float("nan"))  # type: ignore[union-attr, operator]

    with pytest.raises(FloatingPointError, match="sinclass: the loss is nan at step 1"):
        train(model, SINCLASS, coloured_squares(64), RECIPE, seed=0, checkpoint_dir=tmp_path, checkpoint_every=1)
    assert not list(tmp_path.iterdir()), "a broken model must not be saved"


def test_a_gpu_that_is_not_there_is_not_replaced_in_silence() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(RuntimeError, match="'cuda' was asked for but this machine has no usable GPU"):
        train(_model(), SINCLASS, coloured_squares(64), RECIPE, seed=0, device="cuda")


def test_bf16_trains_where_the_cpu_has_it_and_is_refused_where_not() -> None:
    half = replace(RECIPE, iterations=4, warmup_images=0, precision="bf16")
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        result = train(_model(), SINCLASS, coloured_squares(64), half, seed=0)
        assert result.steps == 4
    else:
        with pytest.raises(ValueError, match="this CPU has no instructions for it"):
            train(_model(), SINCLASS, coloured_squares(64), half, seed=0)


# AdamW divides by the gradient's own size and so magnifies rounding; SGD shows the arithmetic itself
SGD = Recipe(
    iterations=10, batch_size=16, lr=0.02, optimizer="sgd", weight_decay=1e-4, augment=("flip", "crop", "colour")
)


def _trained_alone(case: str, recipe: Recipe) -> tuple[TransferModel, TrainResult]:
    given = CASES[case]
    model = given.model(0)
    return model, train(model, given.task, given.images(66, 0), recipe, seed=0, validation=given.images(33, 1))


def _worker(rank: int, world: int, folder: str, recipe: Recipe, case: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    given = CASES[case]
    # only rank 0's first weights may count
    model = given.model(rank)
    result = train(model, given.task, given.images(66, 0), recipe, seed=0, validation=given.images(33, 1))
    if rank == 0:
        torch.save({"model": model.state_dict(), "metric": result.metric}, f"{folder}/result.pt")
    distributed.destroy_process_group()


def _trained_together(folder: Path, world: int, recipe: Recipe, case: str) -> dict[str, Any]:
    args = (world, str(folder), recipe, case)
    multiprocessing.start_processes(_worker, args=args, nprocs=world, start_method="forkserver")
    left: dict[str, Any] = torch.load(folder / "result.pt", weights_only=True)
    return left


# three workers hold 5, 5 and 6 of the 16 images
@pytest.mark.parametrize("world", [2, 3, 4])
def test_any_number_of_workers_trains_the_model_that_one_trains(tmp_path: Path, world: int) -> None:
    many = _trained_together(tmp_path, world, SGD, "batch norm")

    one, result = _trained_alone("batch norm", SGD)

    start = backbone_state(_model())
    for name, value in one.state_dict().items():
        torch.testing.assert_close(many["model"][name], value, rtol=2e-3, atol=2e-4, msg=f"{name} differs")
    moved = (one.state_dict()["backbone.stem.0.weight"] - start["stem.0.weight"]).abs().max()
    assert moved > 0.01, "the tolerance means something only where the weights moved further"
    assert many["metric"] == pytest.approx(result.metric, abs=1 / 33 + 1e-6)


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("case", ["dropout", "stochastic depth"])
def test_what_is_dropped_is_drawn_for_the_batch_whoever_holds_it(tmp_path: Path, case: str, world: int) -> None:
    short = replace(SGD, iterations=4)

    many = _trained_together(tmp_path, world, short, case)["model"]

    one = _trained_alone(case, short)[0].state_dict()
    start = CASES[case].model(0).state_dict()
    assert _apart(many, one) < 1e-4 * _apart(start, one)


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
