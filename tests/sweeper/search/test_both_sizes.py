"""A sweep over renders and labels, from its first runs to its answer, on errors drawn from a known law."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.commands.report import read_record, write_report
from sweeper.commands.run import write_config
from sweeper.commands.status import exchange_lines
from sweeper.errors import BadInput
from sweeper.search.decisions import opening
from sweeper.search.knowledge import learn
from sweeper.search.loop import Loop
from sweeper.stages.simulated import simulated_error
from sweeper.study.arms import make_plan
from tests.sweeper.examples import simulated_sweep, sweep_of
from tests.sweeper.search.desk import Desk, desk_of

LAW = {"alpha": 0.3, "C": 0.2, "D": 2.0, "sigma": 0.01, "zero_error": 0.5, "beta": 0.4, "at_s": 400}
BOTH: dict[str, Any] = {
    "finetune": {"tasks": ["simulated"], "counts": [100, 400, 1_600], "repeats": 1},
    "objective": "exchange",
    "ladder": {"sizes": [125, 1_000, 8_000]},
    "tune": {"trials": 0},
    "simulated": {"plain": LAW},
    "policy": {"reference_seeds": 1, "max_seeds": 3},
    "prices": {"label_usd": 0.4, "render_usd": 0.0004},
    "stop": {"rate_factor": 1.5},
}
# Pre-training on 8,000 is worth so many labels: what law (1) and the error without pre-training say at s = 400.
WORTH = 400 * ((0.5 / (2.0 * 8_000**-0.3 + 0.2)) ** (1 / 0.4) - 1)


def driven(desk: Desk, most: int = 60) -> int:
    """Fine-tunes that a sweep does until it ends by itself, each with the error that the law draws."""
    loop, law, seen = desk.loop, desk.loop.config.simulated["plain"], 0
    while seen < most:
        trial = loop.next_trial()
        if trial is None:
            if loop.finished:
                return seen
            time.sleep(0.01)
            continue
        loop.started(trial)
        run = trial.run
        error = simulated_error(law, run.n, run.seed, trial.repeat, arm=run.arm, s=run.s)
        loop.observed(trial, {"error": error, "seconds": 1.0})
        seen += 1
    return seen


def cells(loop: Loop) -> set[tuple[int, int, int]]:
    return {(each.run.n, each.run.s, each.run.seed) for each in loop.table.runs}


def test_it_ends_with_the_rate_and_goes_on_where_it_was(tmp_path: Path) -> None:
    # given a sweep over both sizes, when it is run to its end
    with desk_of(tmp_path, **BOTH) as desk:
        write_config(desk.loop.config, desk.loop.config.run_folder)
        done = driven(desk)
        assert desk.loop.stop is not None
        assert desk.loop.stop.kind == "rate", desk.loop.stop
        measured = cells(desk.loop)

    # then n = 0 was run at every s, and every fine-tune is a row of its own
    assert {s for n, s, _ in measured if n == 0} == {100, 400, 1_600}
    assert len(list((tmp_path / "run" / "results").glob("*.parquet"))) == done == len(measured)

    # and the run folder says what the renders are worth, near the truth, and which to buy
    record = read_record(tmp_path / "run")
    (found,) = record.knowledge.exchange.values()
    assert found.said is not None
    assert found.said.worth.low / 1.3 < WORTH < 1.3 * found.said.worth.high
    text = "\n".join(exchange_lines(record.knowledge.exchange, {}))
    assert "8,000 renders are worth" in text
    assert "a render costs $0.0004, a label $0.4" in text

    # and so do the page, its tables and figure
    outcome = write_report(tmp_path / "run")
    page = outcome.report.read_text()
    assert "What renders are worth in labels" in page
    assert page.count("8,000 renders are worth") == 1
    assert (tmp_path / "run" / "figures" / "exchange.png").stat().st_size > 10_000
    assert len((tmp_path / "run" / "tables" / "exchange_runs.csv").read_text().splitlines()) == done + 1
    assert outcome.undecided == ()

    # and a sweep that is taken up again knows all of it
    config = record.config
    again = learn(config, make_plan(config), record.knowledge.runs, None)
    assert {each.factor for each in again.exchange.values()} == {found.factor}


def test_a_grid_runs_every_n_at_every_s_and_makes_its_checkpoints_in_one_pass(tmp_path: Path) -> None:
    changes = BOTH | {"policy": {"name": "grid", "reference_seeds": 2, "max_seeds": 2}}
    config = sweep_of(tmp_path, simulated_sweep(**changes))

    runs = [each.run for each in opening(config, make_plan(config), lambda run: 1.0, lambda run: 1.0, "$")]

    assert {(r.n, r.s, r.seed) for r in runs} == {
        (n, s, seed) for n in (0, 125, 1_000, 8_000) for s in (100, 400, 1_600) for seed in (0, 1)
    }
    pretrained = [run for run in runs if run.n]
    assert {run.s for run in pretrained[:6]} == {1_600}
    assert len(runs) == 24


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("finetune.count=100", "count is one number of photographs and counts are several"),
        ("finetune.fraction=0.1", "fraction is one number of photographs and counts are several"),
        ("finetune.counts=[400, 100]", "the numbers of photographs must increase"),
        ("finetune.counts=[400]", "counts"),
        ("finetune.subset=shared", "with counts each seed draws its own"),
        ("objective=law", "go together"),
        ("n_target=777", "is no size of the ladder"),
        ("policy.name=uniform", "policy.name"),
        ("prices.label_usd=0", "label_usd"),
        ("stop.rate_factor=1", "rate_factor"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        sweep_of(tmp_path, simulated_sweep(**BOTH), override)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_message_says_s_only_where_there_are_several() -> None:
    assert Run("arm", 125, 0, 100, tells_s=True).what == "arm n=125 s=100 seed=0"
    assert Run("arm", 125, 0, 100).what == "arm n=125 seed=0"
