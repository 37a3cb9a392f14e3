"""How many steps fine-tunes have, where `tune.iterations` says which: what was chosen, and what choosing costs.

It looks only. `choose_steps.py` does the trials.
"""

from collections.abc import Sequence
from pathlib import Path

from analysis.policy.runs import Run
from sweeper.budget.cost_model import CostModel, total
from sweeper.budget.costs import Estimate
from sweeper.budget.devices import device_type
from sweeper.config.schema import SweepConfig
from sweeper.search.decision_log import DECISIONS
from sweeper.search.decisions import opening
from sweeper.search.pricing import Pricing
from sweeper.stages.identity import studies
from sweeper.storage.artifacts import artifact_key
from sweeper.storage.json_lines import read_events
from sweeper.study.arms import Arm, Plan
from sweeper.study.steps import StepsChoice, chosen_in, with_steps, without_steps


def chosen_before(config: SweepConfig, folder: Path) -> StepsChoice | None:
    """The choice in a run folder for this config; None where there is none, or nothing is to be chosen."""
    if not config.tune.iterations:
        return None
    return chosen_in(read_events(folder / DECISIONS), key_of(config))


def resolved(config: SweepConfig, folder: Path) -> SweepConfig:
    """The config with the steps that a run folder says were chosen for it; as it is where there are none."""
    choice = chosen_before(config, folder)
    return config if choice is None else with_steps(config, choice.iterations)


def key_of(config: SweepConfig) -> str:
    """Of all that the errors of these trials depend on, but the steps."""
    return artifact_key(dict(studies(without_steps(config)).current))[:16]


def tried_on(config: SweepConfig, plan: Plan, pricing: Pricing) -> list[Run]:
    """For each fine-tuning task and backbone n = 0, and the first arm at the largest size that the sweep begins with.

    pricing: with the most steps that may be chosen, since sizes to begin with depend on what runs cost.
    """
    opens = [each.run for each in opening(config, plan, pricing.of, pricing.afresh, pricing.unit)]
    runs = []
    for reference in plan.references:
        arm = next(arm for arm in plan.arms if arm.reference == reference)
        largest = max(run.n for run in opens if run.arm == arm.name)
        runs += [plan.run(reference, 0, config.seed), plan.run(arm, largest, config.seed)]
    return runs


def next_of_opening(config: SweepConfig, plan: Plan, run: Run, tried: Sequence[Run], pricing: Pricing) -> list[Run]:
    """The runs of its arm that the sweep begins with beside `run`, one of those tried: as many as are in flight.

    None beside one that needs no checkpoint.
    """
    opens = [each.run for each in opening(config, plan, pricing.of, pricing.afresh, pricing.unit)]
    others = [each for each in opens if each.arm == run.arm and each.n > 0 and each not in tried]
    return others[: config.policy.in_flight - 1] if run.n > 0 else []


def finetunes_estimate(config: SweepConfig, run: Run, slots: float) -> Estimate:
    """What trying every number of steps on a run costs, in fine-tunes alone: nothing was measured yet."""
    estimates = []
    for iterations in config.tune.iterations or ():
        model = CostModel(with_steps(config, iterations), slots, device_type)
        folds = float(config.finetunes_per_trial)
        estimates.append(model.stage("finetune", folds, lambda stage, device: [], Arm.named(run.arm).backbone))
    return total(estimates)
