"""Which levels of which factors the renderings of a sweep have: attributes in which they differ, and factors given."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.effects.factors import Factors, factors_of
from render_actors.setting.setting import attributes
from sweeper.config.factors import word
from sweeper.config.schema import SweepConfig
from sweeper.study.arms import Arm

# The factor that pre-training tasks are levels of, where there are several.
TASK_FACTOR = "pretrain_task"


@dataclass(frozen=True, eq=False)
class Attributes:
    """The factors of a sweep and the place of each arm among their combinations.

    `factors` is None where nothing can be said of effects, and `why_not` says why. `place`: by arm.
    """

    factors: Factors | None
    place: Mapping[str, int]
    why_not: str = ""

    def arms_at(self, arms: tuple[Arm, ...], group: tuple[str, str]) -> dict[int, Arm]:
        """The arms of one (backbone, fine-tuning task) by their place; of two at one place the first."""
        found: dict[int, Arm] = {}
        for arm in arms:
            if (arm.backbone, arm.finetune_task) == group:
                found.setdefault(self.place[arm.name], arm)
        return found


def attributes_of(config: SweepConfig, arms: tuple[Arm, ...]) -> Attributes:
    """The factors of these arms' renderings and pre-training tasks."""
    levels = rendering_levels(config)
    rows = {arm.name: levels[arm.rendering] | {TASK_FACTOR: arm.pretrain_task} for arm in arms}
    names = list(next(iter(rows.values()), {}))
    try:
        factors, _ = factors_of(list(rows.values()), names)
    except ValueError as error:
        return Attributes(None, {}, str(error))
    return Attributes(factors, {arm: factors.place(row) for arm, row in rows.items()})


def rendering_levels(config: SweepConfig) -> dict[str, dict[str, str]]:
    """Of each rendering the level of every factor: the attributes that renderings give, and `factors` of their own.

    A source of images has no attributes: where there is one, the factors given alone count, or else the renderings
    themselves are levels of one factor.
    """
    given = {name: each.factors or {} for name, each in config.renderings.items()}
    own = {name: {key: word(value) for key, value in each.items()} for name, each in given.items()}
    if any(each.source is not None for each in config.renderings.values()):
        return own if all(own.values()) else {name: {"rendering": name} for name in own}
    fields = [each.name for each in attributes("renderings")]
    return {
        name: {field: word(getattr(each, field)) for field in fields} | own[name]
        for name, each in config.renderings.items()
    }
