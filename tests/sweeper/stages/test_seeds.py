"""No two runs draw the same, the same run always does, and trials of one tuning are compared on equal draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.stages.identity import Identities, Trial
from sweeper.stages.seeds import seed_of, training_seed
from sweeper.storage.artifacts import Manifest, artifact_key
from tests.sweeper.examples import ARM, real_sweep, sweep_of

FIXED, CONTROL = ARM.replace("plain", "fixed"), ARM.replace("mulclass", "mulclass-shuffled")
REFERENCE = "none/none/small_resnet/sinclass"


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(sweep_of(tmp_path, real_sweep()))


def fine_tune(identities: Identities, run: Run, repeat: int = 0, **changes: Any) -> int:
    """The seed of one fine-tune, on the checkpoint of its run."""
    checkpoint = None
    if run.n:
        identity = identities.checkpoint(run)
        checkpoint = Manifest(artifact_key(identity), identity, "", {})
    values: dict[str, Any] = {"settings": {}, "split": "test", "checkpoint": checkpoint} | changes
    return training_seed(identities.finetune(Trial(run, repeat, **values)))


def test_pre_trainings_that_differ_in_size_arm_seed_or_labels_draw_differently(identities: Identities) -> None:
    runs = [Run(arm, n, seed) for arm in (ARM, FIXED, CONTROL) for n in (1000, 2000) for seed in (0, 1)]

    seeds = [training_seed(identities.checkpoint(run)) for run in runs]

    assert len(set(seeds)) == len(runs)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_fine_tunes_that_differ_in_size_arm_seed_repeat_or_split_draw_differently(identities: Identities) -> None:
    runs = [Run(arm, n, seed) for arm in (ARM, FIXED) for n in (1000, 2000) for seed in (0, 1)]
    runs += [Run(REFERENCE, 0, seed) for seed in (0, 1)]

    seeds = [fine_tune(identities, run, repeat) for run in runs for repeat in (0, 1)]
    seeds += [fine_tune(identities, run, split="validation") for run in runs]

    assert len(set(seeds)) == 3 * len(runs)


def test_the_same_command_draws_the_same_and_another_sweep_seed_does_not(tmp_path: Path) -> None:
    first, again, other = (
        Identities(sweep_of(tmp_path, real_sweep(seed=seed), "budget.usd=3", "render.actors=1")) for seed in (0, 0, 1)
    )
    run, reference = Run(ARM, 1000, 1), Run(REFERENCE, 0, 1)

    for each in (run, reference):
        assert fine_tune(first, each) == fine_tune(again, each) != fine_tune(other, each)
    assert training_seed(first.checkpoint(run)) == training_seed(again.checkpoint(run))
    assert training_seed(first.checkpoint(run)) != training_seed(other.checkpoint(run))


def test_arms_that_share_a_checkpoint_share_its_seed(identities: Identities) -> None:
    other = ARM.replace("sinclass", "mulclass")

    assert training_seed(identities.checkpoint(Run(ARM, 1000, 0))) == training_seed(
        identities.checkpoint(Run(other, 1000, 0))
    )


def test_recipe_values_are_compared_on_equal_draws(identities: Identities) -> None:
    trials = [fine_tune(identities, Run(ARM, 1000, 0), settings={"lr": lr}, split="validation") for lr in (0.1, 0.01)]

    assert trials[0] == trials[1]


def test_a_seed_is_the_same_on_every_machine() -> None:
    assert seed_of("training", {"n": 1000, "seed": 0}) == seed_of("training", {"seed": 0, "n": 1000}) == 4189343234
