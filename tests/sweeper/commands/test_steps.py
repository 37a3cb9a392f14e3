"""Steps are chosen once before the first run, paid for, taken up where they were left, and the same for every n."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.policy.proposal import Stop
from analysis.policy.runs import Run
from sweeper.budget.ledger import Ledger
from sweeper.commands.check import check
from sweeper.commands.choose_steps import Chooser, Measured
from sweeper.commands.plan import describe
from sweeper.commands.steps import chosen_before, resolved
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.events.reporter import Reporter
from sweeper.search.decision_log import decision_events
from sweeper.stages.identity import Identities, Trial, studies
from sweeper.stages.inventory import Inventory
from sweeper.stages.prepare import Stages
from sweeper.storage.artifacts import ArtifactStore
from sweeper.storage.json_lines import read_events
from sweeper.study.arms import make_plan
from sweeper.study.steps import StepsChoice
from tests.sweeper.examples import Clock, real_sweep, simulated_sweep, sweep_of
from tests.tasks.data.photographs import class_folders

VALUES = [300, 600, 1200]


def drawn(trial: Trial) -> dict[str, Any]:
    """Without pre-training 600 steps are enough, with it 300."""
    steps, noise = trial.settings["iterations"], (0.001, -0.001, 0.002)
    gain = {300: 0.1, 600: 0.0, 1200: 0.0005}[steps] if trial.run.n == 0 else 0.0
    folds = [0.4 + gain + (0.0 if steps == 600 else each) for each in noise]
    return {"error": sum(folds) / 3, "folds": folds, "seconds": 2.0}


class Measuring:
    """Hands out what is drawn, and remembers what it was asked."""

    def __init__(self, clock: Clock, pause_s: float = 0.0) -> None:
        self.asked: list[Trial] = []
        self._clock, self._pause_s = clock, pause_s

    def __call__(self, trials: Sequence[Trial]) -> Measured:
        for trial in trials:
            self._clock.now += self._pause_s
            yield None
            self.asked.append(trial)
            yield trial, drawn(trial)


def laid_out(folder: Path, **changes: Any) -> SweepConfig:
    """Errors are drawn, so that nothing has to be rendered: what is chosen, and when, is the same."""
    content = simulated_sweep(output=str(folder / "run"), tune={"trials": 1, "iterations": VALUES}, **changes)
    config = sweep_of(folder, content)
    config.run_folder.mkdir(exist_ok=True)
    return config


def chooser_of(
    config: SweepConfig, folder: Path, clock: Clock, measure: Callable[[Sequence[Trial]], Measured]
) -> Chooser:
    ledger = Ledger(config.run_folder / "ledger.jsonl", config.budget, clock)
    ledger.start()
    inventory, reporter = Inventory(config, ArtifactStore(str(folder / "store"))), Reporter("json")
    stages = Stages(config, inventory, ArtifactStore(str(folder / "store")), reporter, str(folder), None)
    return Chooser(config, make_plan(config), inventory, stages, ledger, reporter, 2.0, measure)


def test_each_value_is_tried_for_none_and_for_the_largest_size_of_the_opening_and_all_have_the_larger(
    tmp_path: Path,
) -> None:
    config, clock = laid_out(tmp_path), Clock()
    measuring = Measuring(clock)
    chooser = chooser_of(config, tmp_path, clock, measuring)

    choice = chooser.choose()

    assert isinstance(choice, StepsChoice)
    assert choice.iterations == 600
    assert [trial.settings["iterations"] for trial in measuring.asked] == VALUES * 2
    assert {trial.split for trial in measuring.asked} == {"validation"}
    assert len({trial.run.n for trial in measuring.asked}) == 2
    assert chooser.ledger.by_stage()["finetune"]["device_s"] == pytest.approx(6 * 2.0), "it is paid for"
    assert chooser.ledger.measured("finetune") == [], "no price of a fine-tune is learnt from other numbers of steps"
    assert chooser.ledger.reserved().wall_s == 0


def test_what_was_chosen_stands_in_the_decision_log_and_is_no_run(tmp_path: Path) -> None:
    config, clock = laid_out(tmp_path), Clock()
    assert resolved(config, config.run_folder) == config
    chooser_of(config, tmp_path, clock, Measuring(clock)).choose()
    log = config.run_folder / "decisions.jsonl"

    (line,) = read_events(log)
    assert line["reason"].startswith("fine-tunes have 600 steps, whatever their n")
    assert decision_events(log, studies(config)) == []

    # and the same sweep, taken up again with its config or with the one that was written, knows it
    again = resolved(config, config.run_folder)
    assert again.finetune.recipe["iterations"] == 600
    assert resolved(again, config.run_folder) == again
    more = sweep_of(tmp_path, simulated_sweep(output=config.output, tune={"trials": 1, "iterations": [300, 900]}))
    assert chosen_before(more, config.run_folder) is None, "other values are another question"


def test_what_does_not_fit_into_the_budget_stops_the_sweep_before_it(tmp_path: Path) -> None:
    config, clock = (
        laid_out(
            tmp_path, simulated={"plain": {"alpha": 0.5, "C": 0.1, "D": 2.0, "seconds": 60.0}}, budget={"minutes": 2}
        ),
        Clock(),
    )
    measuring = Measuring(clock)

    stop = chooser_of(config, tmp_path, clock, measuring).choose()

    assert isinstance(stop, Stop)
    assert (stop.kind, measuring.asked) == ("budget", [])
    assert "choosing the steps of fine-tunes on none/none/small_resnet/simulated n=0 seed=0 may cost" in stop.reason


def test_a_cap_that_is_reached_meanwhile_ends_it_and_keeps_no_money_back(tmp_path: Path) -> None:
    config, clock = laid_out(tmp_path, budget={"minutes": 1}), Clock()
    chooser = chooser_of(config, tmp_path, clock, Measuring(clock, pause_s=40.0))

    stop = chooser.choose()

    assert isinstance(stop, Stop)
    assert "the budget of 1 minutes is used up" in stop.reason
    assert chooser.ledger.reserved().wall_s == 0
    assert chosen_before(config, config.run_folder) is None


def photographs(folder: Path, *overrides: str, **tune: Any) -> SweepConfig:
    class_folders(folder / "set", train=40, test=4)
    own = {"dataset": "imagefolder:set", "count": 12, "resolution": 16, "recipe": {"warmup_images": 0}}
    places = f"store={folder / 'store'}", f"output={folder / 'run'}", f"data_root={folder}"
    return sweep_of(folder, real_sweep(finetune=own, tune={"iterations": VALUES} | tune), *places, *overrides)


def test_a_trial_of_the_steps_is_the_fine_tune_that_the_tuning_would_do_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config, _ = check(photographs(tmp_path))
    run = make_plan(config).run(make_plan(config).references[0], 0, 0)
    chosen = resolved(config, tmp_path).model_copy(
        update={"finetune": config.finetune.model_copy(update={"recipe": {"warmup_images": 0, "iterations": 600}})}
    )

    before = Identities(config).finetune(Trial(run, 0, {"iterations": 600}, "validation", None))
    after = Identities(chosen).finetune(Trial(run, 0, {}, "validation", None))

    assert before == after, "it lies in the store already"


def test_the_plan_prices_it_and_says_what_will_be_tried_and_then_what_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = photographs(tmp_path)

    said = describe(config)

    assert "steps: of 300, 600, 1,200, before the first run on 3 folds of none/none/small_resnet/sinclass n=0" in said
    assert "choosing the steps: 6 trials of 3 folds each, on checkpoints of the opening" in said
    price = re.search(r"choosing the steps.*\n  finetune  [\d.]+ / ([\d.]+) / ", said)
    assert price is not None
    assert float(price[1]) > 0
    # and the opening is priced at the most steps
    fewer = describe(photographs(tmp_path, "tune.iterations=[300, 301]"))
    assert finetunes_of_opening(fewer) < finetunes_of_opening(said)


def finetunes_of_opening(said: str) -> float:
    found = re.search(r"opening.*\n(?:  \w+ .*\n)*?  finetune  [\d.]+ / ([\d.]+) / ", said)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"iterations": [600, 300]}, "iterations: the numbers of steps must increase"),
        ({"iterations": [600]}, "tune.iterations"),
        ({"iterations": [2, 4], "space": {"iterations": [2, 4]}}, "chosen before the first run and cannot be in space"),
        ({"iterations": [2, 300]}, "tune.iterations: .*warmup_images is longer than the whole training"),
    ],
)
def test_values_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tune: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BadInput, match=message):
        check(photographs(tmp_path, "finetune.recipe={warmup_images: 320}", **tune))


def test_a_simulated_sweep_has_nothing_to_choose(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="simulated errors do not depend on the number of steps"):
        check(laid_out(tmp_path))


def test_a_checkpoint_that_cannot_be_made_ends_it_in_a_line_with_nothing_kept_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, clock = laid_out(tmp_path), Clock()
    chooser = chooser_of(config, tmp_path, clock, Measuring(clock))

    def broken(run: Run, reserved: Any) -> None:
        raise OSError("no space left on the disk")

    monkeypatch.setattr(chooser.stages, "prepare", broken)

    with pytest.raises(RuntimeError, match=r"on which steps are chosen: .*no space left on the disk"):
        chooser.choose()
    assert chooser.ledger.reserved().wall_s == 0
