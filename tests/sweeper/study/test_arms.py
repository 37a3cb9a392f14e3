"""From a config to arms, recipes and the first decisions; nothing runs and nothing is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import fit_laws
from analysis.policy.proposal import Proposal, Stop
from analysis.policy.runs import Run
from sweeper.budget.cost_model import CostModel, Work
from sweeper.budget.costs import Cost
from sweeper.budget.devices import device_type
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.search.decisions import choose, opening, priced_anew
from sweeper.search.knowledge import FEWEST_SIZES, learn
from sweeper.study import results
from sweeper.study.arms import Arm, make_plan
from sweeper.study.recipes import resolve_recipe
from sweeper.study.results import MeasuredRun
from tests.sweeper.examples import real_sweep, row, simulated_sweep, sweep_of

LADDER = [100, 200, 400, 800, 1600]


@pytest.fixture
def config(tmp_path: Path) -> SweepConfig:
    return sweep_of(tmp_path, real_sweep(ladder={"sizes": LADDER}))


def test_arms_are_every_combination_and_each_has_its_reference(tmp_path: Path) -> None:
    config = sweep_of(
        tmp_path,
        real_sweep(),
        "pretrain.tasks=[mulclass, detection]",
        "pretrain.backbones=[small_resnet, resnet18]",
        "finetune.tasks=[sinclass]",
    )

    plan = make_plan(config)

    assert len({arm.name for arm in plan.arms}) == 2 * 2 * 2 * 1
    assert {arm.rendering for arm in plan.arms} == {"plain", "fixed"}
    assert not any(arm.is_reference for arm in plan.arms)
    assert [arm.name for arm in plan.references] == ["none/none/small_resnet/sinclass", "none/none/resnet18/sinclass"]
    assert all(arm.is_reference for arm in plan.references)
    assert all(Arm.named(arm.name) == arm for arm in (*plan.arms, *plan.references))


def test_the_ladder_is_geometric_unless_its_sizes_are_listed(tmp_path: Path) -> None:
    assert make_plan(sweep_of(tmp_path, real_sweep())).ladder == (1000, 2000, 4000, 8000, 16000, 32000, 64000)
    assert make_plan(sweep_of(tmp_path, real_sweep(ladder={"sizes": [3, 5, 9]}))).ladder == (3, 5, 9)


def test_a_recipe_is_the_tasks_quick_one_with_the_given_keys_replaced() -> None:
    plain = resolve_recipe("finetune", "sinclass", {})
    changed = resolve_recipe("finetune", "sinclass", {"lr": 0.01, "augment": ["flip", "crop"]})
    other = resolve_recipe("finetune", "sinclass", {"base": "finetune-sinclass-photographs"})

    assert (changed.lr, changed.augment, changed.iterations) == (0.01, ("flip", "crop"), plain.iterations)
    assert other.iterations != plain.iterations


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"learning_rate": 0.1}, r"pretrain\.recipe: unknown key learning_rate; known keys: base, iterations"),
        ({"base": "best"}, r"pretrain\.recipe: unknown recipe 'best'; known recipes: "),
        ({"lr": -1}, r"pretrain\.recipe: .*lr must be positive"),
        ({"lr": "fast"}, r"pretrain\.recipe\.lr: .*valid number"),
        ({"iterations": 1.5}, r"pretrain\.recipe\.iterations: .*valid integer"),
        ({"optimizer": "adam"}, r"pretrain\.recipe\.optimizer: .*'adamw' or 'sgd'"),
    ],
)
def test_a_wrong_recipe_is_refused_naming_the_key(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        resolve_recipe("pretrain", "mulclass", overrides)


def test_a_number_that_yaml_reads_as_text_is_a_number() -> None:
    assert resolve_recipe("pretrain", "mulclass", {"lr": "1e-3"}).lr == 0.001


def nothing_measured(stage: str, device: str | None) -> list[tuple[float, Cost]]:
    return []


def test_only_missing_work_costs_and_more_images_cost_more(config: SweepConfig) -> None:
    model = CostModel(config, 2.0, device_type)

    cached = model.run(Work(0, False, 3), nothing_measured, "small_resnet")
    small, large = (model.run(Work(images, True, 3, 2), nothing_measured, "small_resnet") for images in (100, 1000))

    assert cached["render"].expected.usd == cached["pretrain"].expected.usd == 0
    assert cached["finetune"].expected.usd > 0
    assert 0 < small["render"].expected.usd < large["render"].expected.usd
    assert small["finetune"].expected.wall_s > cached["finetune"].expected.wall_s, "learning rates are tried as well"


def test_a_simulated_sweep_costs_what_its_law_says(tmp_path: Path) -> None:
    content = simulated_sweep()
    content["simulated"]["plain"]["seconds"] = 4.0
    model = CostModel(sweep_of(tmp_path, content), 2.0, device_type)

    def measured(stage: str, device: str | None) -> list[tuple[float, Cost]]:
        return [(2.0, Cost(8.5, 8.5, 0.0))]

    assert model.stage("finetune", 2, nothing_measured, "none").expected.wall_s == pytest.approx(8.5)
    assert model.stage("finetune", 2, measured, "none").source == "measured"


def test_what_a_gpu_costs_and_takes_is_told_by_its_type(tmp_path: Path) -> None:
    # given prices and speeds for a type of GPU and for all others
    prices = {"gpu_hour": 2.0, "gpus": {"T4": 0.5}, "speed": {"T4": {"small_resnet": 100_000}}}
    content = real_sweep(finetune={"gpus": 1, "cpus": 1}, prices=prices)

    def cost(kind: str) -> Cost:
        model = CostModel(sweep_of(tmp_path, content), 1.0, lambda gpus: kind if gpus else "cpu")
        return model.stage("finetune", 1, nothing_measured, "small_resnet").expected

    # then the T4 is cheaper an hour, and quicker than fifty cores
    t4, other = cost("T4"), cost("H200")
    assert t4.usd / t4.wall_s == pytest.approx(0.55 / 3600)
    assert other.usd / other.wall_s == pytest.approx(2.05 / 3600)
    assert t4.wall_s < other.wall_s


def flat(run: Run) -> float:
    return 1.0


def by_size(run: Run) -> float:
    return 0.1 + run.n / 1000


def test_the_opening_is_the_references_then_three_sizes_an_arm_the_largest_first_and_again(config: SweepConfig) -> None:
    plan = make_plan(config)

    proposals = opening(config, plan, by_size, by_size, "$")

    references, pilot = proposals[:3], proposals[3:]
    assert [(p.run.arm, p.run.n, p.run.seed) for p in references] == [
        ("none/none/small_resnet/sinclass", 0, i) for i in range(3)
    ]
    assert [p.run.arm for p in pilot] == [plan.arms[0].name] * 4 + [plan.arms[1].name] * 4
    for arm in plan.arms:
        *sizes, again = [p.run for p in pilot if p.run.arm == arm.name]
        assert len(sizes) == FEWEST_SIZES
        assert [run.n for run in sizes] == sorted({run.n for run in sizes}, reverse=True)
        assert {run.n for run in sizes} <= set(LADDER)
        assert (again.n, again.seed) == (sizes[0].n, sizes[0].seed + 1)
    assert all("\n" not in p.reason and p.cost == by_size(p.run) for p in proposals)


def test_a_run_of_the_opening_says_what_it_costs_when_it_begins_and_what_is_left(config: SweepConfig) -> None:
    """Given the opening, when its runs begin at other prices, their lines say those; a line of before is left alone."""
    first, *_ = opening(config, make_plan(config), by_size, by_size, "$")

    now = priced_anew(first, 0.25, 2.0)

    assert now.cost == 0.25
    assert now.reason.endswith("for $0.25; $1.75 left then")
    assert priced_anew(first, 0.25, float("inf")).reason.endswith("for $0.25")
    read_back = replace(first, recorded=now.reason)
    assert priced_anew(read_back, 0.5, 1.0) == read_back
    assert read_back.reason == now.reason


def test_a_sweep_that_goes_on_has_the_opening_it_began_with_whatever_runs_cost_by_then(config: SweepConfig) -> None:
    plan = make_plan(config)
    began = opening(config, plan, by_size, by_size, "$")

    on = opening(config, plan, flat, by_size, "$")

    assert [p.run for p in on] == [p.run for p in began]
    assert {p.cost for p in on} == {1.0}


def measured(arm: str, sizes: Sequence[int], noise: float = 0.02) -> list[MeasuredRun]:
    draws = np.random.default_rng(0).standard_normal(len(sizes))
    errors = [(2 * n**-0.5 + 0.1) * float(np.exp(noise * draw)) for n, draw in zip(sizes, draws, strict=True)]
    return [MeasuredRun(Run(arm, n, 0), float(np.log(e)), None, 1) for n, e in zip(sizes, errors, strict=True)]


@pytest.fixture
def single(tmp_path: Path) -> SweepConfig:
    """One arm and a target that three noisy runs cannot settle."""
    content = real_sweep(ladder={"sizes": LADDER}, renderings={"plain": {}})
    return sweep_of(tmp_path, content, "target.error=0.13")


def decide(
    config: SweepConfig, runs: Sequence[MeasuredRun], budget_left: float, refused: Sequence[Run] = ()
) -> Proposal | Stop:
    plan = make_plan(config)
    return choose(config, plan, learn(config, plan, runs, None), [], refused, flat, budget_left, "minutes")


def test_a_law_is_fitted_from_three_sizes_on_and_without_the_reference(config: SweepConfig) -> None:
    plan = make_plan(config)
    first, second = (arm.name for arm in plan.arms)
    runs = measured(first, [100, 200, 800]) + measured(second, [100, 200]) + measured(first, [1600])
    runs.append(MeasuredRun(Run(second, 0, 0), -0.1, None, 1))

    known = learn(config, plan, runs, None)

    assert list(known.fits) == list(known.verdicts) == [first]
    assert sorted(known.fits[first].n) == [100, 200, 800, 1600]


def test_every_fine_tune_of_the_reference_counts_in_the_comparison(tmp_path: Path) -> None:
    """Given a reference of two runs with two fine-tunes each, the verdict compares with all four."""
    config = sweep_of(tmp_path, real_sweep(ladder={"sizes": LADDER}, renderings={"plain": {}}))
    plan = make_plan(config)
    errors = {0: (0.30, 0.32), 1: (0.31, 0.33)}
    none = plan.references[0].name
    rows = [row(arm=none, n=0, seed=seed, repeat=i, error=e) for seed, two in errors.items() for i, e in enumerate(two)]
    runs = [*measured(plan.arms[0].name, [100, 200, 800]), *results.runs(rows)]

    (said,) = learn(config, plan, runs, None).verdicts.values()

    assert said.without is not None
    assert said.without.repeats == 4
    assert said.without.reference == pytest.approx(float(np.exp(np.mean(np.log([*errors[0], *errors[1]])))))


def test_arms_pool_d_with_those_of_the_same_backbone_only(tmp_path: Path) -> None:
    """Given three renderings on two backbones, when learnt, the fits are those of two groups."""
    renderings = {"plain": {}, "fixed": {"light": "fix"}, "bare": {"texture": "without"}}
    content = real_sweep(ladder={"sizes": LADDER}, renderings=renderings)
    config = sweep_of(tmp_path, content, "pretrain.backbones=[small_resnet, resnet18]")
    plan = make_plan(config)
    runs = [run for arm in plan.arms for run in measured(arm.name, [100, 200, 800])]
    columns = {
        arm.name: tuple(
            zip(*((r.run.n, r.error, r.variance or 0.0) for r in runs if r.run.arm == arm.name), strict=True)
        )
        for arm in plan.arms
    }

    fits = learn(config, plan, runs, None).fits

    by_backbone = fit_laws(columns, seed=config.seed, groups={arm.name: arm.backbone for arm in plan.arms})
    all_together = fit_laws(columns, seed=config.seed)
    for name, fit in fits.items():
        np.testing.assert_array_equal(fit.samples.D, by_backbone[name].samples.D)
        assert fit.D.mean != all_together[name].D.mean


def test_the_next_run_is_on_the_ladder_affordable_and_has_its_reason(single: SweepConfig) -> None:
    arm = make_plan(single).arms[0].name

    decision = decide(single, measured(arm, [100, 200, 800]), budget_left=5)

    assert isinstance(decision, Proposal)
    assert decision.run.arm == arm
    assert decision.run.n in LADDER
    assert decision.cost <= 5
    assert arm in decision.reason


def test_a_spent_budget_stops_the_sweep_and_says_so(single: SweepConfig) -> None:
    decision = decide(single, measured(make_plan(single).arms[0].name, [100, 200, 800]), budget_left=0.5)

    assert isinstance(decision, Stop)
    assert decision.kind == "budget"
    assert "no run fits into what is left of the budget" in decision.reason


def test_an_arm_whose_pilot_failed_gets_another_size(single: SweepConfig) -> None:
    arm = make_plan(single).arms[0].name

    decision = decide(single, measured(arm, [100, 200]), budget_left=5)

    assert isinstance(decision, Proposal)
    assert decision.run.n not in (100, 200)
    assert "too few sizes for a law" in decision.reason


def test_an_arm_that_failed_everywhere_stops_the_sweep_and_is_named(single: SweepConfig) -> None:
    arm = make_plan(single).arms[0].name
    refused = [Run(arm, n, 0) for n in LADDER if n > 200]

    decision = decide(single, measured(arm, [100, 200]), budget_left=5, refused=refused)

    assert isinstance(decision, Stop)
    assert decision.kind == "failed"
    assert arm in decision.reason


def test_verdicts_are_not_called_certain_while_an_arm_has_none(config: SweepConfig) -> None:
    first = make_plan(config).arms[0].name

    decision = decide(config, measured(first, [100, 200, 400, 800, 1600]), budget_left=100)

    assert not (isinstance(decision, Stop) and decision.kind in ("verdicts", "precision"))


@pytest.mark.parametrize("seed", [0, 3])
def test_a_grid_runs_every_size_of_every_arm_once_and_ends(tmp_path: Path, seed: int) -> None:
    config = sweep_of(tmp_path, real_sweep(ladder={"sizes": LADDER}), "policy.name=grid", f"seed={seed}")
    plan = make_plan(config)

    runs = [p for p in opening(config, plan, by_size, by_size, "$") if p.run.n > 0]
    rows = [row for arm in plan.arms for row in measured(arm.name, LADDER)]
    then = decide(config, rows, budget_left=100)

    assert sorted((p.run.arm, p.run.n) for p in runs) == sorted((arm.name, n) for arm in plan.arms for n in LADDER)
    assert {p.run.seed for p in runs} == {seed}
    assert isinstance(then, Stop)
    assert then.kind == "exhausted"


def test_a_grid_with_seeds_runs_every_size_with_each_of_them(tmp_path: Path) -> None:
    settings = real_sweep(ladder={"sizes": LADDER}, policy={"name": "grid", "max_seeds": 3})
    config = sweep_of(tmp_path, settings)
    plan = make_plan(config)

    runs = [p.run for p in opening(config, plan, by_size, by_size, "$") if p.run.n > 0]

    wanted = [(arm.name, n, seed) for arm in plan.arms for n in LADDER for seed in (0, 1, 2)]
    assert sorted((run.arm, run.n, run.seed) for run in runs) == sorted(wanted)
