"""What the config asks of the policy, and what the policy may choose from."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

from analysis.policy.proposal import Proposal, Stop
from analysis.policy.registry import POLICIES
from analysis.policy.runs import Run
from sweeper.config.schema import Ladder
from sweeper.errors import BadInput
from sweeper.search.decisions import choose
from sweeper.search.knowledge import goals_of, learn
from sweeper.study.arms import make_plan
from sweeper.study.results import MeasuredRun
from tests.sweeper.examples import simulated_sweep, sweep_of

ARM = "plain/simulated/small_resnet/simulated"


def chosen(tmp_path: Path, runs: list[MeasuredRun], **changes: object) -> Proposal | Stop:
    config = sweep_of(tmp_path, simulated_sweep(**changes))
    plan = make_plan(config)
    known = learn(config, plan, runs, None)
    return choose(config, plan, known, [], [], lambda run: run.n / 1000, 1e9, "minutes")


def law(n: float) -> float:
    return 0.1 + 2.0 * n**-0.5


def pilot() -> list[MeasuredRun]:
    """Two seeds at three sizes, one per cent above and below the law."""
    return [
        MeasuredRun(Run(ARM, n, seed), log(law(n) * (1.01 - 0.02 * seed)), None, 1)
        for n in (1000, 8000, 32000)
        for seed in (0, 1)
    ]


def test_the_objective_of_the_config_is_what_the_policy_is_asked(tmp_path: Path) -> None:
    config = sweep_of(
        tmp_path,
        simulated_sweep(objective="best", n_target=64000, stop={"best_within": 0.002}, target={"level": 0.9}),
    )
    goals = goals_of(config)
    assert (goals.objective, goals.n_target, goals.tie, goals.level) == ("best", 64000, 0.002, 0.9)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"objective": "predict"}, "objective: predict asks for the error at n_target images: add n_target"),
        ({"objective": "best"}, "objective: best asks for the error at n_target images: add n_target"),
        ({"objective": "target"}, "objective: target asks whether target.error is reached: add target.error"),
        ({"ladder": {"start": 10_000_000, "beyond": 2}}, "sizes go up to 20,000,000"),
    ],
)
def test_a_question_without_what_it_needs_is_refused(tmp_path: Path, changes: dict, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        sweep_of(tmp_path, simulated_sweep(**changes))


def test_sizes_between_and_beyond_the_rungs_are_there_only_where_the_config_asks() -> None:
    rungs = Ladder(start=1000, factor=2, rungs=3)
    assert rungs.choices() == (1000, 2000, 4000)
    assert rungs.model_copy(update={"between": 1}).choices() == (1000, 1414, 2000, 2828, 4000)
    assert rungs.model_copy(update={"beyond": 2}).choices() == (1000, 2000, 4000, 8000, 16000)
    assert Ladder(sizes=(100, 300, 900), between=1, beyond=1).choices() == (100, 173, 300, 520, 900, 1559, 2700)
    assert rungs.model_copy(update={"between": 3, "beyond": 2}).values() == (1000, 2000, 4000)


def test_the_policy_goes_beyond_the_ladder_for_an_error_far_above_it(tmp_path: Path) -> None:
    # given a question about 256,000 images on a ladder that ends at 64,000
    asked = {"objective": "predict", "n_target": 256_000, "stop": {"prediction_sd": 1e-6}}
    ladder = {"start": 1000, "factor": 2, "rungs": 7}

    # when sizes beyond are allowed and cost no more, then the largest is chosen; else the top rung
    within = chosen(tmp_path, pilot(), ladder=ladder, **asked)
    assert isinstance(within, Proposal)
    config = sweep_of(tmp_path, simulated_sweep(ladder=ladder | {"beyond": 2}, **asked))
    plan = make_plan(config)
    known = learn(config, plan, pilot(), None)
    beyond = choose(config, plan, known, [], [], lambda run: 1.0, 1e9, "minutes")
    assert isinstance(beyond, Proposal)
    assert within.run.n <= 64_000 < beyond.run.n


def test_a_size_is_repeated_with_another_seed_up_to_the_most_seeds(tmp_path: Path) -> None:
    settings = {"ladder": {"sizes": [1000, 8000, 32000]}, "policy": {"max_seeds": 3}}
    settings |= {"objective": "predict", "n_target": 64000, "stop": {"prediction_sd": 1e-6}}
    repeat = chosen(tmp_path, pilot(), **settings)
    assert isinstance(repeat, Proposal)
    assert repeat.run.seed == 2
    full = chosen(tmp_path, pilot(), **settings | {"policy": {"max_seeds": 2}})
    assert isinstance(full, Stop)
    assert full.kind == "exhausted"


def test_a_sweep_takes_every_policy_that_a_replay_takes(tmp_path: Path) -> None:
    """Given the pilot, each policy of `sweeper replay` but the grid, which is planned whole, proposes a run that may
    still be made, and says why."""
    asked = {"objective": "predict", "n_target": 64_000, "stop": {"prediction_sd": 1e-6}}
    reasons = set()
    for name in set(POLICIES) - {"grid"}:
        proposal = chosen(tmp_path, pilot(), policy={"name": name}, ladder={"start": 1000, "rungs": 6}, **asked)
        assert isinstance(proposal, Proposal)
        assert proposal.run.n in (1000, 2000, 4000, 8000, 16_000, 32_000)
        assert proposal.run not in {each.run for each in pilot()}
        reasons.add(proposal.reason.split(":")[0])
    assert len(reasons) == len({policy.propose for policy in POLICIES.values()}) - 1


def test_two_fine_tunes_that_agree_by_luck_do_not_draw_the_law_to_them(tmp_path: Path) -> None:
    # given runs of two fine-tunes each, all on one line but one that is 3 % off, whose two happened to agree
    def run(n: int, error: float, apart: float) -> MeasuredRun:
        return MeasuredRun(Run(ARM, n, 0), log(error), apart**2 / 4, 2)

    rows = [run(200, 0.218, 0.04), run(800, 0.2115, 0.0001), run(3200, 0.218, 0.06), run(6400, 0.218, 0.05)]
    config = sweep_of(tmp_path, simulated_sweep())

    # when the law is fitted
    fit = learn(config, make_plan(config), rows, None).fits[ARM]

    # then every run counts alike, and the law passes among the others rather than through that one
    assert np.ptp(fit.log_variance) == 0
    assert fit.predict([6400])[0] > 0.2125


def test_the_noise_of_fine_tunes_is_learnt_from_all_arms_of_a_task(tmp_path: Path) -> None:
    law_of_both = {"alpha": 0.5, "C": 0.1, "D": 2.0}
    two = {"renderings": {"plain": {}, "other": {}}, "simulated": {"plain": law_of_both, "other": law_of_both}}
    config = sweep_of(tmp_path, simulated_sweep(**two))
    plan = make_plan(config)
    here, there = plan.arms[0].name, plan.arms[1].name
    sizes = (200, 800, 3200)
    rows = [MeasuredRun(Run(here, n, 0), log(law(n)), None, 1) for n in sizes]
    rows += [MeasuredRun(Run(there, n, 0), log(law(n)), 0.02**2 / 2, 2) for n in sizes]

    fits = learn(config, plan, rows, None).fits

    assert fits[there].log_variance == pytest.approx([0.02**2 / 2] * 3)
    assert fits[here].log_variance == pytest.approx([0.02**2] * 3)
