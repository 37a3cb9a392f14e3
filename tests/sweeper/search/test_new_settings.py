"""An adaptive design of renderings, driven without Ray: what it begins with, what it proposes, and how it ends."""

from __future__ import annotations

from math import inf, log
from pathlib import Path
from typing import Any

from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.config.schema import SweepConfig
from sweeper.search.decisions import choose, opening
from sweeper.search.knowledge import learn
from sweeper.study.arms import make_plan
from sweeper.study.results import MeasuredRun
from tests.sweeper.examples import real_sweep, sweep_of

FACTORS = {
    "light": ["fix", "random"],
    "material": ["own", "random"],
    "denoise": [False, True],
    "background": ["fix", "random"],
}


def adaptive(folder: Path, **changes: Any) -> SweepConfig:
    renderings = {"factors": FACTORS, "design": "adaptive", "start": 6}
    content = real_sweep(renderings=renderings, objective="best", n_target=4000, stop={"best_within": 0.02})
    return sweep_of(folder, content | changes)


def error(run: Run) -> float:
    """Own materials and fixed light lower the error; together more than each alone."""
    own, fix = "material-own" in run.arm, "light-fix" in run.arm
    return 0.5 - 0.08 * own - 0.04 * fix - 0.02 * (own and fix) + 0.002 * ("denoise-on" in run.arm)


def swept(config: SweepConfig, budget: float) -> tuple[list[Run], Proposal | Stop]:
    """The runs that are made, one at a time, each for a dollar, and how it ends."""
    plan = make_plan(config)
    opens = opening(config, plan, lambda run: 1.0, lambda run: 1.0, "$")
    made = [each.run for each in opens]
    while True:
        runs = [MeasuredRun(run, log(error(run) if run.n else 0.6), None, 1) for run in made]
        known = learn(config, plan, runs, None)
        said = choose(config, plan, known, [], [], lambda run: 1.0, budget - len(made), "$")
        if isinstance(said, Stop):
            return made, said
        made.append(said.run)


def test_it_begins_with_a_fraction_and_proposes_settings_never_rendered_until_the_best_is_certain(
    tmp_path: Path,
) -> None:
    config = adaptive(tmp_path)
    made, end = swept(config, inf)

    first = [run for run in made if run.n > 0][:6]
    assert len({run.arm for run in first}) == 6
    assert all(run.n == 4000 for run in first)
    assert isinstance(end, Stop)
    assert end.kind == "best"
    assert "light fix" in end.reason
    assert "material own" in end.reason
    assert "or within 0.02 of it" in end.reason
    assert len([run for run in made if run.n > 0]) < 16


def test_the_last_dollar_goes_to_the_setting_that_is_recommended(tmp_path: Path) -> None:
    config = adaptive(tmp_path, stop={}, target={"level": 0.9999})
    made, end = swept(config, 3 + 6 + 2)

    assert isinstance(end, Stop)
    assert end.kind == "budget"
    runs = [run for run in made if run.n > 0]
    assert len(runs) == 8
    assert min(runs, key=error) in runs[6:] or min(map(error, runs)) <= 0.362


def test_a_setting_is_explained_by_its_levels_its_chance_and_what_it_is_expected_to_gain(tmp_path: Path) -> None:
    config = adaptive(tmp_path, stop={})
    plan = make_plan(config)
    opens = [each.run for each in opening(config, plan, lambda run: 1.0, lambda run: 1.0, "$") if each.run.n]
    known = learn(config, plan, [MeasuredRun(run, log(error(run)), None, 1) for run in opens], None)

    said = choose(config, plan, known, [], [], lambda run: 0.02, 10.0, "$")

    assert isinstance(said, Proposal)
    assert said.run not in opens
    assert "never run: " in said.reason
    assert "is expected to undercut the lowest error so far by" in said.reason
    assert "for $0.02; $9.98 left then" in said.reason
