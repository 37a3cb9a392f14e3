"""Which sizes are more than the pre-training recipe sees, and who says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeper.commands import plan as planning
from sweeper.commands.report import write_report
from sweeper.commands.run import write_config
from sweeper.config.load import load_config
from sweeper.study.recipes import less_than_one_pass, resolve_recipe
from tests.sweeper.examples import real_sweep, simulated_sweep, sweep_of

CONFIGS = Path(__file__).parents[3] / "configs"
# Files of clusters and prices are no sweeps.
SHIPPED = sorted({*CONFIGS.rglob("*.yaml")} - {*(CONFIGS / "cluster").glob("*.yaml"), CONFIGS / "prices.yaml"})
RECIPE = {"iterations": 4000, "batch_size": 256, "warmup_images": 0}


def test_sizes_beyond_one_pass_are_named_with_what_the_recipe_sees(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(pretrain={"recipe": RECIPE}))
    assert less_than_one_pass(config, [1_024_000]) == []
    assert less_than_one_pass(config, [640_000, 1_280_000]) == [
        "mulclass: n = 1,280,000 is more than the 1,024,000 images the recipe sees (4,000 steps of 256):"
        " beyond it alpha and C are those of the recipe, less than one pass"
    ]
    (two,) = less_than_one_pass(config, [1_280_000, 2_560_000])
    assert two.startswith("mulclass: n = 1,280,000 and 2,560,000 are more than")
    (many,) = less_than_one_pass(config, [1_100_000 + i for i in range(12)])
    assert many.startswith("mulclass: n = 1,100,000 and 11 larger sizes up to 1,100,011 are more than")


def test_each_pre_training_task_has_its_own_recipe(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep(pretrain={"tasks": ["mulclass", "semseg"]}))
    # mulclass sees 450 batches of 128, semseg 300 of 32
    assert [line.partition(":")[0] for line in less_than_one_pass(config, [20_000])] == ["semseg"]
    assert [line.partition(":")[0] for line in less_than_one_pass(config, [20_000, 60_000])] == ["mulclass", "semseg"]


def test_a_simulated_sweep_has_no_recipe(tmp_path: Path) -> None:
    assert less_than_one_pass(sweep_of(tmp_path, simulated_sweep()), [10**7]) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_shipped_ladder_ends_where_its_recipe_sees_each_image_twice(path: Path) -> None:
    # below that an error says as much of the recipe's length as of n
    config = load_config(path)
    largest = config.ladder.choices()[-1]
    for task in config.pretrain.tasks:
        told = resolve_recipe("pretrain", task, config.pretrain.recipe)
        assert told.iterations * told.batch_size >= 2 * largest, f"{task}: n = {largest:,}"


@pytest.mark.data
def test_plan_says_it_for_every_size_that_may_be_chosen(tmp_path: Path) -> None:
    content = real_sweep(
        pretrain={"recipe": {"iterations": 10, "batch_size": 32, "warmup_images": 0}},
        ladder={"sizes": [100, 200, 400], "beyond": 1},
        store=str(tmp_path / "store"),
        output=str(tmp_path / "runs"),
    )
    said = planning.describe(sweep_of(tmp_path, content)).splitlines()
    told = [line for line in said if line.startswith("mind: ")]
    assert len(told) == 1
    assert told[0].startswith("mind: mulclass: n = 400 and 800 are more than the 320 images the recipe sees (10 steps")


def test_the_report_repeats_it(tmp_path: Path) -> None:
    """Given a run folder in which nothing was run yet, its report holds the sentence that plan said."""
    content = real_sweep(
        pretrain={"recipe": {"iterations": 10, "batch_size": 32, "warmup_images": 0}},
        ladder={"sizes": [100, 200, 400]},
        store=str(tmp_path / "store"),
    )
    config = sweep_of(tmp_path, content)
    folder = tmp_path / "run"
    folder.mkdir()
    write_config(config, folder)

    page = write_report(folder).report.read_text(encoding="utf-8")

    (said,) = less_than_one_pass(config, config.ladder.choices())
    assert f"{said}." in page
