"""One word for the device of each stage, and what it means here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.budget.cost_model import devices_of
from sweeper.cluster.resources import needs, shortage
from sweeper.config.devices import with_devices
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from tests.sweeper.examples import real_sweep, sweep_of


def decided(gpus: int, **changes: Any) -> SweepConfig:
    return with_devices(SweepConfig.model_validate(real_sweep(**changes)), lambda: gpus)


def everywhere(word: str) -> dict[str, dict[str, Any]]:
    return {stage: {"device": word} for stage in ("render", "pretrain", "finetune")}


@pytest.mark.parametrize(("word", "here", "on_gpu"), [("auto", 0, 0), ("auto", 2, 1), ("cpu", 2, 0), ("gpu", 0, 1)])
def test_a_word_means_the_same_in_every_stage(word: str, here: int, on_gpu: int) -> None:
    config = decided(here, **everywhere(word))

    assert [bool(devices_of(config, stage)[1]) for stage in ("render", "pretrain", "finetune")] == [bool(on_gpu)] * 3
    # what was decided is decided: read again, it is the same
    assert with_devices(config, lambda: 1 - on_gpu) == config


def test_what_the_machine_lacks_is_named() -> None:
    said = shortage(needs(decided(0, **everywhere("gpu"))), [{"CPU": 8.0, "GPU": 0.0}])
    assert said == "pretrain.gpu asks for 2 GPUs, but Ray has 0: say pretrain.device: cpu or auto"


def test_shares_of_a_gpu_hold_where_there_is_one() -> None:
    pretrain = {"device": "auto", "workers": 1, "gpus_per_worker": 0.5}
    shares = {"pretrain": pretrain, "finetune": {"device": "auto", "gpus": 0.25}}

    with_one, without = decided(1, **shares), decided(0, **shares)

    assert (with_one.pretrain.gpus, with_one.finetune.gpus) == (0.5, 0.25)
    assert (without.pretrain.gpus, without.finetune.gpus) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pretrain": {"device": "cpu", "gpu": True}}, "pretrain.device: cpu and pretrain.gpu: true disagree"),
        ({"finetune": {"device": "cpu", "gpus": 0.5}}, "finetune.device: cpu and finetune.gpus: 0.5 disagree"),
        ({"pretrain": {"device": "gpu", "gpu": False}}, "pretrain.device: gpu and pretrain.gpu: false disagree"),
        ({"finetune": {"device": "gpu", "gpus": 0}}, "finetune.device: gpu and finetune.gpus: 0 disagree"),
        ({"pretrain": {"workers": 2, "gpus_per_worker": 0.5}}, "workers that train together cannot share a GPU"),
        ({"pretrain": {"device": "tpu"}}, "pretrain.device: Input should be 'auto', 'cpu' or 'gpu'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        sweep_of(tmp_path, real_sweep(**changes))
    assert said in str(refused.value)


def test_auto_is_refused_where_a_cluster_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ValueError, match="say cpu or gpu"):
        decided(1, **everywhere("auto"))


def test_files_that_name_no_device_are_read_as_they_were() -> None:
    config = SweepConfig.model_validate(real_sweep(pretrain={"gpu": True}, finetune={"gpus": 0.5}))
    assert with_devices(config, lambda: pytest.fail("nothing was to be counted")) is config
