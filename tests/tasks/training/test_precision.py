"""Mixed precision: bf16 where the hardware has it, fp16 with a scaled loss elsewhere (on a GPU it is untested)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from tasks.base import TaskError
from tasks.recipes.recipe import Optimizer, Precision
from tasks.training.evaluation import check_precision
from tasks.training.loop import train
from tests.tasks.arrays import coloured_squares
from tests.tasks.training.cases import RECIPE, SINCLASS, _model, _plain_model, _states_equal

FP16 = replace(RECIPE, iterations=12, warmup_images=0, eval_every=0, precision="fp16")


@pytest.fixture
def fp16_on_any_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.training.loop.check_precision", lambda device, precision: None)


def test_bf16_trains_where_the_cpu_has_it_and_is_refused_where_not() -> None:
    half = replace(RECIPE, iterations=4, warmup_images=0, precision="bf16")
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        result = train(_model(), SINCLASS, coloured_squares(64), half, seed=0)
        assert result.steps == 4
    else:
        with pytest.raises(ValueError, match="this CPU has no instructions for it"):
            train(_model(), SINCLASS, coloured_squares(64), half, seed=0)


def test_bf16_is_refused_on_a_gpu_without_it_and_fp16_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # given an old GPU, which torch would let imitate bf16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")

    with pytest.raises(
        TaskError, match=r"^precision bf16: Tesla V100 cannot compute in it; use precision fp16, or fp32$"
    ):
        check_precision(torch.device("cuda"), "bf16")
    check_precision(torch.device("cuda"), "fp16")
    check_precision(torch.device("cuda"), "fp32")


def test_fp16_is_refused_on_a_cpu_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.training.evaluation._cpu_has", lambda precision: False)
    with pytest.raises(TaskError, match="precision fp16: this CPU has no instructions for it"):
        train(_model(), SINCLASS, coloured_squares(64), FP16, seed=0)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.usefixtures("fp16_on_any_cpu")
def test_fp16_learns_what_fp32_learns(optimizer: Optimizer) -> None:
    # given a model without batch norm, which would magnify rounding
    def trained(precision: Precision) -> tuple[float, torch.Tensor]:
        model, losses = _plain_model(), [0.0]
        recipe = replace(FP16, optimizer=optimizer, precision=precision, lr=1e-2)
        train(model, SINCLASS, coloured_squares(64), recipe, seed=0, on_progress=lambda *said: losses.append(said[2]))
        return losses[-1], torch.cat([value.flatten() for value in model.state_dict().values()])

    half, whole = trained("fp16"), trained("fp32")

    start = torch.cat([value.flatten() for value in _plain_model().state_dict().values()])
    assert half[0] == pytest.approx(whole[0], rel=0.02)
    assert 0 < (half[1] - whole[1]).norm() < 0.1 * (whole[1] - start).norm()


@pytest.mark.usefixtures("fp16_on_any_cpu")
def test_a_step_of_fp16_whose_gradient_overflows_changes_no_weight_and_halves_the_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a scale at which every gradient overflows
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**100))
    model, start = _model(), _model().state_dict()

    result = train(model, SINCLASS, coloured_squares(64), FP16, seed=0, checkpoint_dir=tmp_path, checkpoint_every=12)

    assert result.steps == FP16.iterations
    assert all(torch.equal(value, start[name]) for name, value in model.named_parameters())
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    assert saved["scaler"]["scale"] == 2.0 ** (100 - FP16.iterations)


@pytest.mark.usefixtures("fp16_on_any_cpu")
def test_a_training_in_fp16_goes_on_from_its_checkpoint_with_the_scale_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a scale that has come down by the time of the checkpoint
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**30))
    data, whole = coloured_squares(64), _model()
    train(whole, SINCLASS, data, FP16, seed=0)

    def stop(step: int, path: Path) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(_model(), SINCLASS, data, FP16, seed=0, checkpoint_dir=tmp_path, checkpoint_every=7, on_checkpoint=stop)
    resumed = _model()
    train(resumed, SINCLASS, data, FP16, seed=0, checkpoint_dir=tmp_path)

    assert _states_equal(resumed.state_dict(), whole.state_dict())
