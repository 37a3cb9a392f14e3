"""What runs say of rendering attributes: effects on the error at one size, and the change likeliest to help. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis import LawFit
from analysis.effects.answers import Change, Effects, answers, change_in_words, likeliest_change
from analysis.effects.curves import curve_effects, curve_fits
from analysis.effects.fit import EffectsFit, fit_effects, measured_of
from analysis.effects.search import chance_lower, leading
from analysis.verdict.verdict import Verdict
from sweeper.config.schema import SweepConfig
from sweeper.study.arms import Arm, Plan
from sweeper.study.attributes import Attributes, attributes_of
from sweeper.study.results import MeasuredRun

# Of fewer settings nothing can be said that their own errors do not say.
FEWEST_SETTINGS = 3

Group = tuple[str, str]


@dataclass(frozen=True, eq=False)
class GroupEffects:
    """Effects among the arms of one backbone and fine-tuning task. `n`: the size whose errors they are of."""

    n: int
    fit: EffectsFit
    said: Effects
    arms: Mapping[int, Arm]

    @property
    def chances(self) -> dict[str, float]:
        """Of each arm the probability that it has the lowest error among the arms, those never rendered included."""
        places = list(self.arms)
        lowest = self.fit.error[:, places].argmin(axis=1)
        counts = np.bincount(lowest, minlength=len(places)) / len(lowest)
        return {self.arms[place].name: float(share) for place, share in zip(places, counts, strict=True)}

    def chance(self, place: int, tie: float) -> float:
        """Probability that no arm has an error lower by more than `tie` than the one at `place`."""
        lowest = self.fit.error[:, list(self.arms)].min(axis=1)
        return float((self.fit.error[:, place] <= lowest + tie).mean())

    def chance_lower(self, places: Sequence[int], by: float) -> float:
        """Probability that one of `places` has an error lower by more than `by` than the leading arm that was run."""
        seen = [at for at in self.fit.measured.place.tolist() if at in self.arms]
        return chance_lower(self.fit, places, leading(self.fit, seen), by)


def effects_of(
    config: SweepConfig, plan: Plan, runs: Sequence[MeasuredRun], fits: Mapping[str, LawFit]
) -> dict[str, GroupEffects]:
    """Effects by "BACKBONE on TASK", of the groups in which FEWEST_SETTINGS settings have an error at one size.

    That size is `n_target`, or else the largest at which the most arms were run. An arm with a law has the error of its
    law there; of the others the runs at that size count.
    """
    found = attributes_of(config, plan.arms)
    if found.factors is None:
        return {}
    groups: dict[Group, list[Arm]] = defaultdict(list)
    for arm in plan.arms:
        groups[arm.backbone, arm.finetune_task].append(arm)
    named = {f"{task} on {backbone}": (backbone, task) for backbone, task in groups}
    effects = {name: _of_group(config, plan, found, group, runs, fits) for name, group in named.items()}
    return {name: each for name, each in effects.items() if each is not None}


def _of_group(
    config: SweepConfig,
    plan: Plan,
    found: Attributes,
    group: Group,
    runs: Sequence[MeasuredRun],
    fits: Mapping[str, LawFit],
) -> GroupEffects | None:
    assert found.factors is not None
    arms = found.arms_at(plan.arms, group)
    place = {arm.name: at for at, arm in arms.items()}
    own = [each for each in runs if each.run.arm in place and each.run.n > 0]
    n = config.n_target or _common_size(own)
    if n is None:
        return None
    laws = {name: np.log(fits[name].samples.error(n)) for name in place if name in fits}
    direct = [each for each in own if each.run.arm not in laws and each.run.n == n]
    places = [*(place[name] for name in laws), *(place[each.run.arm] for each in direct)]
    if len(set(places)) < FEWEST_SETTINGS:
        return None
    values = [*(float(draws.mean()) for draws in laws.values()), *(float(np.log(each.error)) for each in direct)]
    known = [*(float(draws.var()) for draws in laws.values()), *(0.0 for _ in direct)]
    # Laws are of several seeds: what is shared by a seed is in them already.
    seeds = None if laws else [each.run.seed for each in direct]
    fit = fit_effects(found.factors, measured_of(places, values, known, seeds), seed=config.seed)
    shapes = curve_fits(found.factors, {place[name]: fits[name] for name in laws}, n, config.seed)
    return GroupEffects(n, fit, answers(fit, n, curve_effects(shapes)), arms)


def _common_size(runs: Iterable[MeasuredRun]) -> int | None:
    """The largest size at which the most arms were run."""
    times = Counter(n for _, n in {(each.run.arm, each.run.n) for each in runs})
    return max(times, key=lambda n: (times[n], n), default=None)


def with_change(
    verdicts: Mapping[str, Verdict],
    effects: Mapping[str, GroupEffects],
    min_gain: float,
    usd_per_image: float | None,
) -> dict[str, Verdict]:
    """The verdicts; those that say or lean to change the rendering name the change that is likeliest to help."""
    told = dict(verdicts)
    for group in effects.values():
        for place, arm in group.arms.items():
            said = told.get(arm.name)
            if said is None or "change the rendering" not in (said.label, said.leaning):
                continue
            change = _offered(likeliest_change(group.fit, place, min_gain), group, usd_per_image)
            sentence = f"{said.sentence} {change_in_words(change, min_gain)}"
            told[arm.name] = replace(said, sentence=sentence, change=change)
    return told


def _offered(change: Change | None, group: GroupEffects, usd_per_image: float | None) -> Change | None:
    """The change with the price of rendering it, where it was not run."""
    if change is None or change.measured or usd_per_image is None:
        return change
    return replace(change, price=group.n * usd_per_image)
