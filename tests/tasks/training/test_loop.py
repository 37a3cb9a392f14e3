"""The training loop: it learns, stops on nonsense, resumes exactly, and agrees with itself on several workers."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tasks.models.transfer import TransferModel
from tasks.recipes.recipe import Recipe
from tasks.training.evaluation import evaluate
from tasks.training.loop import TrainResult, train
from tests.tasks.arrays import coloured_squares
from tests.tasks.training.cases import (
    CASES,
    FORKSERVER,
    RECIPE,
    SINCLASS,
    _model,
    _states_equal,
)

OTHER_SIZES = replace(
    RECIPE,
    optimizer="sgd",
    nesterov=True,
    decay_norms=False,
    augment=("flip",),
    window=24,
    shorter_edge=(12, 40),
    eval_shorter_edge=20,
)


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
        ("dropout", OTHER_SIZES),
        ("stochastic depth", RECIPE),
    ],
    ids=["adamw", "parts, sgd", "dropout, parts", "other sizes, nesterov", "stochastic depth"],
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
