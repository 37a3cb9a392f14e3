"""A target bought in rounds: after the ladder has said that it can be reached."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.errors import BadInput
from sweeper.search.decisions import choose
from sweeper.search.knowledge import learn
from sweeper.study.arms import make_plan
from sweeper.study.results import MeasuredRun
from tests.sweeper.examples import simulated_sweep, sweep_of

ARM = "plain/simulated/small_resnet/simulated"
LADDER = (1000, 2000, 4000, 8000)
# Reached at n = 30,000.
TARGET = 0.1 + 2.0 * 30_000**-0.5
ASKED: dict[str, Any] = {"objective": "target", "ladder": {"sizes": list(LADDER)}}


def measured(n: int, seed: int) -> MeasuredRun:
    """A run on the law 0.1 + 2 n^-0.5 with a noise of half a per cent."""
    noise = 0.005 * np.random.default_rng([n, seed]).standard_normal()
    return MeasuredRun(Run(ARM, n, seed), log(0.1 + 2.0 * n**-0.5) + noise, None, 1)


def swept(tmp_path: Path, rounds: int, pending: tuple[Run, ...] = ()) -> tuple[list[int], Stop]:
    """The sizes beyond the ladder that a sweep runs to its end, and why it ends."""
    target = {"error": TARGET, "rounds": rounds}
    config = sweep_of(tmp_path, simulated_sweep(target=target, **ASKED))
    plan, runs = make_plan(config), [measured(n, seed) for n in LADDER for seed in range(4)]
    while True:
        known = learn(config, plan, runs, None)
        answer = choose(config, plan, known, pending, [], lambda run: run.n / 1000, 1e9, "minutes")
        if isinstance(answer, Stop):
            return [each.run.n for each in runs if each.run.n > LADDER[-1]], answer
        runs.append(measured(answer.run.n, answer.run.seed))


def test_a_sweep_buys_until_its_target_is_reached(tmp_path: Path) -> None:
    # given a ladder that ends at 8,000 images, and an error that 30,000 reach
    # when it may buy in five rounds
    bought, stop = swept(tmp_path, rounds=5)

    # then it ends with enough images, and with few more than enough
    assert stop.kind == "verdicts"
    assert 30_000 <= max(bought) <= 40_000
    assert 1 <= len(set(bought)) <= 5


def test_without_rounds_it_ends_with_the_answer(tmp_path: Path) -> None:
    bought, stop = swept(tmp_path, rounds=0)
    assert bought == []
    assert stop.kind == "verdicts"


def test_nothing_is_bought_while_a_run_is_under_way(tmp_path: Path) -> None:
    bought, stop = swept(tmp_path, rounds=5, pending=(Run(ARM, 8000, 4),))
    assert (bought, stop.kind) == ([], "verdicts")


def test_a_purchase_says_what_it_is_for_and_is_not_made_without_the_money(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, simulated_sweep(target={"error": TARGET, "rounds": 2}, **ASKED))
    plan, runs = make_plan(config), [measured(n, seed) for n in LADDER for seed in range(4)]
    known = learn(config, plan, runs, None)

    def offered(left: float) -> Proposal | Stop:
        return choose(config, plan, known, [], [], lambda run: run.n / 1000, left, "minutes")

    bought, broke = offered(1e9), offered(5.0)
    assert isinstance(bought, Proposal)
    assert bought.reason.startswith(f"purchase 1 of 2 towards an error of {TARGET:.1%}: {ARM}, n = ")
    assert isinstance(broke, Stop)
    assert broke.kind == "budget"


def test_rounds_of_another_objective_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"target.rounds is of objective: target, and the objective is verdict; name it"):
        sweep_of(tmp_path, simulated_sweep(target={"error": 0.2, "rounds": 3}))
