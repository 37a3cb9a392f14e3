"""`bench tasks`, by parts."""

from __future__ import annotations

import pytest

from sweeper.bench import task_matrix
from sweeper.bench.figures import Figure
from sweeper.bench.registry import run_bench
from sweeper.errors import BadInput


def test_a_trained_model_is_scored_beside_its_untrained_self(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_matrix, "TRAINING", 16)
    asked = {"backbones": ["small_resnet"], "tasks": ["mulclass"], "steps": 2, "test": 4}
    ((name, figure),) = run_bench("tasks", asked).items()
    assert name == "metric_mulclass_small_resnet"
    assert figure.unit == "metric on 4 held-out images after 2 steps; reference: untrained"
    assert 0 < figure.value != figure.reference > 0


def test_pairs_that_cannot_work_are_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(task_matrix, "_trained", lambda *asked: Figure(1.0, 0.5, ""))
    assert list(run_bench("tasks", {"backbones": ["vit_s_16"], "tasks": ["objdet", "depth"]})) == [
        "metric_depth_vit_s_16"
    ]
    refused, scored = capsys.readouterr().err.splitlines()
    assert refused.startswith("bench tasks: objdet reads maps of several sizes (a feature pyramid) and vit_s_16 has")
    assert scored == "bench tasks: depth on vit_s_16: 1.00"
    with pytest.raises(BadInput, match="no pair can work: objdet reads maps of several sizes"):
        run_bench("tasks", {"backbones": ["vit_s_16"], "tasks": ["objdet"]})


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="unknown 'flying'; known: depth, insseg, keypoint"):
        run_bench("tasks", {"tasks": ["objdet", "flying"]})
    with pytest.raises(BadInput, match="unknown 'resnet9000'; known: "):
        run_bench("tasks", {"backbones": ["resnet9000"]})
