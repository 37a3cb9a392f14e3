"""What `bench sweep` measures: both sides do the same, and figures say how fast. Speeds themselves are not asserted."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.bench.sweep import SMALL, STAGES, WHOLE, Spent, figures, measure, sweep_config
from sweeper.errors import BadInput
from sweeper.study.arms import make_plan
from tasks.data import fashion_mnist

needs_photographs = pytest.mark.skipif(
    not fashion_mnist.PACKAGE_FOLDER.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist"
)


def test_figures_set_the_program_beside_the_script() -> None:
    counts = {"render": 2, "pretrain": 2, "finetune": 6}
    # given a program that needs twice the script's time, all of it around the fine-tunes
    script = Spent(100.0, counts, {"render": 40.0, "pretrain": 60.0, "finetune": 90.0})
    program = Spent(200.0, counts, {"render": 40.0, "pretrain": 60.0, "finetune": 180.0})

    found = figures(program, script)

    assert found["vs_script"].value == pytest.approx(3600 * 10 / 200)
    assert found["vs_script"].ratio == pytest.approx(0.5)
    assert [found[f"{stage}_vs_script"].ratio for stage in STAGES] == pytest.approx([1.0, 1.0, 0.5])
    # and where the difference went
    assert found["core_seconds_finetune"].value - found["core_seconds_finetune"].reference == pytest.approx(90)
    assert (found["core_seconds_idle"].value, found["core_seconds_idle"].reference) == pytest.approx((120, 10))


def test_the_sweep_is_fixed_here_and_of_the_demos_kind(tmp_path: Path) -> None:
    config = sweep_config(tmp_path, WHOLE)
    plan = make_plan(config)
    assert len(plan.arms) == len(config.renderings) == 2
    assert plan.ladder == (200, 400, 800)
    assert config.pretrain.workers * config.pretrain.cpus_per_worker == 1
    assert config.policy.name == "grid"


def test_missing_photographs_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise FileNotFoundError("fashion-mnist is in none of /here; install the package dataset-fashion-mnist")

    monkeypatch.setattr(fashion_mnist, "find", lacks)
    with pytest.raises(BadInput, match="install the package dataset-fashion-mnist") as refused:
        measure(small=True)
    assert "\n" not in str(refused.value)


@needs_photographs
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_both_sides_run_and_no_core_is_more_than_busy() -> None:
    found = measure(small=True)

    assert set(found) == {"vs_script", "core_seconds_idle"} | {
        name for stage in STAGES for name in (f"{stage}_vs_script", f"core_seconds_{stage}")
    }
    for stage in STAGES:
        assert found[f"core_seconds_{stage}"].value > 0
        assert found[f"core_seconds_{stage}"].reference > 0
    assert found["core_seconds_idle"].reference > 0
    assert SMALL.ladder == (20, 30, 40)
