"""What to do after a sweep: a command that the program takes, with what it would cost."""

from __future__ import annotations

import shlex
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.report.records import NextStep
from sweeper.budget.costs import Cost
from sweeper.budget.ledger import Ledger
from sweeper.commands.next_steps import Situation, next_steps
from sweeper.config.load import load_config
from sweeper.search.knowledge import learn
from sweeper.study.arms import make_plan
from sweeper.study.results import MeasuredRun
from tests.sweeper.examples import Clock, real_sweep

SIZES = (1000, 4000, 16000)
GAPS = {"plain": 0.30, "fixed": 0.20}


def situation(folder: Path, stop: str, gaps: dict[str, float] = GAPS, sizes: int = 3, **changes: Any) -> Situation:
    """A sweep of two renderings, two seeds a size, that took an hour of 12 runs and rendered 16,000 images for $1.6."""
    (folder / "config.yaml").write_text(yaml.safe_dump(real_sweep(budget={"minutes": 60.0}, **changes)))
    config = load_config(folder / "config.yaml")
    plan = make_plan(config, 300)
    runs = [
        MeasuredRun(plan.run(arm, n, seed), log((gaps[arm.rendering] + 2 * n**-0.5) * (1.002 - 0.004 * seed)), None, 1)
        for arm in plan.arms
        for n in SIZES[:sizes]
        for seed in (0, 1)
    ]
    clock = Clock()
    ledger = Ledger(folder / "ledger.jsonl", config.budget, clock)
    ledger.start()
    clock.now += 3600
    ledger.charge("render", "images", Cost(60.0, 60.0, 1.6), 16000)
    return Situation(folder, config, learn(config, plan, runs, ledger.usd_per_image()), ledger, stop)


def taken(step: NextStep, folder: Path) -> list[str]:
    """The overrides of the step's command, which the sweep file takes."""
    words = shlex.split(step.command)
    assert words[2] == str(folder / "config.yaml")
    overrides = [word for word in words[3:] if "=" in word]
    load_config(folder / "config.yaml", overrides)
    return overrides


def test_a_sweep_that_has_not_ended_goes_on_by_the_same_command(tmp_path: Path) -> None:
    (step,) = next_steps(situation(tmp_path, ""))
    assert step.command == f"sweeper run {tmp_path / 'config.yaml'}"
    assert "what is left of the budget" in step.cost


def test_more_renders_are_asked_of_the_arm_that_reaches_the_target(tmp_path: Path) -> None:
    """Given a target that one of two renderings reaches with more images, only that one is rendered, at its price."""
    here = situation(tmp_path, "verdicts", target={"error": 0.205})
    step = next_steps(here)[0]
    needed = here.knowledge.verdicts["fixed/mulclass/small_resnet/sinclass"].n_needed

    assert needed is not None
    assert step.what.startswith("Render more of fixed/")
    assert step.command.startswith("sweeper render ")
    assert int(step.command.rpartition(" ")[2]) == pytest.approx(needed, rel=0.06)
    (only,) = taken(step, tmp_path)
    assert list(load_config(tmp_path / "config.yaml", [only]).renderings) == ["fixed"]
    # 1.6 dollars of 16,000 images are a hundredth of a cent each
    assert step.cost.startswith(f"About ${(int(step.command.rpartition(' ')[2]) - 16000) / 10_000:,.2f} of rendering")


def test_good_enough_is_a_model_to_take_away(tmp_path: Path) -> None:
    step = next_steps(situation(tmp_path, "verdicts", target={"error": 0.4}))[0]
    assert step.command == f"sweeper export-model {tmp_path} --arm fixed/mulclass/small_resnet/sinclass"


def test_renders_that_no_longer_help_are_to_be_changed(tmp_path: Path) -> None:
    steps = next_steps(situation(tmp_path, "verdicts", target={"error": 0.1}))
    assert steps[0].what.startswith("Change the rendering of fixed/")
    assert steps[0].command.splitlines() == [f"cp {tmp_path / 'config.yaml'} changed.yaml", "sweeper plan changed.yaml"]
    assert "An arm of this sweep took 30 minutes and $0.8" in steps[0].cost


def test_labels_that_bring_more_than_renders_are_bought_at_their_price(tmp_path: Path) -> None:
    # given a sweep over several s that found labels the better buy
    both: dict[str, Any] = {
        "finetune": {"tasks": ["sinclass"], "counts": [100, 200]},
        "objective": "exchange",
        "prices": {"label_usd": 0.4},
    }
    here = situation(tmp_path, "verdicts", **both)
    best = min(here.knowledge.fits, key=lambda arm: here.knowledge.fits[arm].C.median)
    said = dict(here.knowledge.verdicts) | {best: replace(here.knowledge.verdicts[best], label="label more")}

    step = next_steps(replace(here, knowledge=replace(here.knowledge, verdicts=said)))[0]

    assert step.what.startswith("Label more photographs")
    assert "finetune.counts=[100,200,400]" in step.command
    assert step.cost.startswith("$80")


def test_a_budget_that_was_too_small_is_raised_by_what_runs_have_cost(tmp_path: Path) -> None:
    """Given an hour that went on 8 runs of two sizes, five more take 38 minutes, and the command allows for them."""
    (step,) = next_steps(situation(tmp_path, "budget", sizes=2))
    assert taken(step, tmp_path) == ["budget.minutes=98"]
    assert "Each run took 8 minutes and $0.2" in step.cost
    assert "5 more: 38 minutes and $1.00" in step.cost


def test_where_every_size_was_run_out_more_seeds_are_allowed(tmp_path: Path) -> None:
    (step,) = next_steps(situation(tmp_path, "exhausted", sizes=2))
    assert "policy.max_seeds=" in step.command
    assert taken(step, tmp_path)
