"""What the results table says: a law and a verdict for each arm that has enough runs, and what is asked. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from analysis import LawFit, fit_laws
from analysis.estimator.observations import Repeated, check_runs, counted_error, with_pooled_variance
from analysis.estimator.test_images import ImageVariance, image_variances
from analysis.laws import Floats
from analysis.policy.goals import Goals
from analysis.policy.runs import ArmState, Run
from analysis.verdict.verdict import Verdict, verdict
from sweeper.config.schema import EXCHANGE, SweepConfig
from sweeper.study.arms import Arm, Plan
from sweeper.study.effects import GroupEffects, effects_of, with_change
from sweeper.study.exchange import ArmExchange, exchange_of, with_exchange
from sweeper.study.results import MeasuredRun

# A law has three unknowns: below three sizes there is nothing to fit.
FEWEST_SIZES = 3


@dataclass(frozen=True)
class Knowledge:
    """What the results table says: a fit and a verdict for each arm that has enough runs; effects of attributes.

    In a sweep over several s fits are of the runs at the largest, and `exchange` says of each arm what all do.
    """

    runs: tuple[MeasuredRun, ...]
    fits: dict[str, LawFit]
    verdicts: dict[str, Verdict]
    first_seed: int = 0
    effects: dict[str, GroupEffects] = field(default_factory=dict)
    exchange: dict[str, ArmExchange] = field(default_factory=dict)

    @cached_property
    def arms(self) -> list[ArmState]:
        """The arms that have a law, with the runs they have had."""
        done: dict[str, list[Run]] = defaultdict(list)
        for measured in self.runs:
            done[measured.run.arm].append(measured.run)
        return [ArmState(name, fit, tuple(done[name]), self.first_seed) for name, fit in self.fits.items()]


def learn(config: SweepConfig, plan: Plan, runs: Sequence[MeasuredRun], usd_per_image: float | None) -> Knowledge:
    """Fit every arm's law (n = 0 stays outside) and judge it."""
    at_s = _at_largest_s(plan, runs)
    observed: dict[str, list[MeasuredRun]] = {arm.name: [] for arm in plan.arms}
    for measured in at_s:
        if measured.run.n > 0 and measured.run.arm in observed:
            observed[measured.run.arm].append(measured)
    # What they may share of D, alpha and noise, they share because task and backbone are the same.
    groups = {arm.name: f"{arm.finetune_task}/{arm.backbone}" for arm in plan.arms}
    columns = with_pooled_variance({name: _repeated(rows) for name, rows in observed.items()}, groups)
    none = {reference.name: _at_zero(reference.name, at_s) for reference in plan.references}
    images = _of_the_test_images(observed | none)
    ready = {
        name: check_runs(name, *columns[name], images=images.get(name), test_size=_test_size(rows))
        for name, rows in observed.items()
        if len({each.run.n for each in rows}) >= FEWEST_SIZES
    }
    fits = fit_laws(ready, seed=config.seed, groups=groups) if ready else {}
    target = config.target
    reference = {arm.name: plan.reference(arm).name for arm in plan.arms}
    verdicts = {
        name: verdict(
            fit,
            arm=name,
            target_error=target.error,
            min_gain=target.min_gain,
            n_limit=target.n_limit,
            cost_per_image=usd_per_image,
            level=target.level,
            reference_errors=_errors(none[reference[name]]),
            reference_images=images.get(reference[name]),
            classes=config.finetune.classes,
        )
        for name, fit in fits.items()
    }
    exchange = exchange_of(config, plan, runs, usd_per_image)
    known = Knowledge(tuple(runs), fits, with_exchange(verdicts, exchange), config.seed, exchange=exchange)
    return with_effects(config, plan, known, usd_per_image) if config.is_adaptive else known


def with_effects(config: SweepConfig, plan: Plan, known: Knowledge, usd_per_image: float | None) -> Knowledge:
    """The same with the effects of attributes, and verdicts that name the change likeliest to help.

    Only an adaptive design decides by them; for other sweeps it is enough to ask when the answer is told.
    """
    effects = effects_of(config, plan, _at_largest_s(plan, known.runs), known.fits)
    verdicts = with_change(known.verdicts, effects, config.target.min_gain, usd_per_image)
    return replace(known, verdicts=verdicts, effects=effects)


def _at_largest_s(plan: Plan, runs: Sequence[MeasuredRun]) -> Sequence[MeasuredRun]:
    """Of a sweep over several s the runs at the largest; else all."""
    return [each for each in runs if each.run.s == plan.s] if plan.counts else runs


def _at_zero(reference: str, runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    return [each for each in runs if each.run.arm == reference and each.run.n == 0]


def _errors(runs: Sequence[MeasuredRun]) -> tuple[float, ...]:
    """Errors of all fine-tunes, the mean of a run that does not say them; no mistake counts as half of one."""
    return tuple(
        error if each.test_size is None else float(counted_error(error, each.test_size))
        for each in runs
        for error in each.errors or (each.error,)
    )


def _of_the_test_images(runs: Mapping[str, Sequence[MeasuredRun]]) -> dict[str, ImageVariance]:
    """What the test images do to the errors of each arm and reference, of those that have it of every run.

    Those of one fine-tuning task are tested on the same images.
    """
    known: dict[str, dict[str, list[Floats]]] = defaultdict(dict)
    for name, rows in runs.items():
        found = [each.log_resampled for each in rows if each.log_resampled is not None]
        if rows and len(found) == len(rows):
            known[Arm.named(name).finetune_task][name] = found
    return {name: variance for task in known.values() for name, variance in image_variances(task).items()}


def _test_size(runs: Sequence[MeasuredRun]) -> list[int] | None:
    """Test images of each run; None where one does not say."""
    sizes = [each.test_size for each in runs if each.test_size is not None]
    return sizes if len(sizes) == len(runs) else None


def _repeated(runs: Sequence[MeasuredRun]) -> Repeated:
    spread = [(each.variance or 0.0) * each.repeats for each in runs]
    return Repeated(
        [each.run.n for each in runs], [each.error for each in runs], spread, [each.repeats for each in runs]
    )


def goals_of(config: SweepConfig) -> Goals:
    """The config's question and the precision it wants, or the policy's own where it says nothing."""
    given: dict[str, Any] = {
        "alpha_sd": config.stop.alpha_sd,
        "c_sd": config.stop.c_sd,
        "prediction_sd": config.stop.prediction_sd,
        "tie": config.stop.best_within,
        # What is asked of the rate is not among the goals of a law of n.
        "objective": "verdict" if config.objective == EXCHANGE else config.objective,
        "n_target": config.n_target,
        "target_error": config.target.error,
        "min_gain": config.target.min_gain,
        "n_limit": config.target.n_limit,
        "level": config.target.level,
    }
    return Goals(**{name: value for name, value in given.items() if value is not None})
