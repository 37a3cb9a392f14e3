"""The `simulated:` section of a sweep file: known laws that errors are drawn from."""

from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from sweeper.config.types import Fraction, Model, Number, Positive


class SimulatedArm(Model):
    """The known law of one rendering setting in a simulated sweep (`pretrain.tasks: [simulated]`).

    `sigma`: standard deviation of the log error of one fine-tune. `zero_error`: the median error without pre-training.
    `beta`, `at_s`, of a sweep with finetune.counts: the law is that at s = at_s; the error without pre-training falls
    with s as s^-beta, and n renders are worth the same number of labels at every s.
    """

    alpha: Positive
    C: Annotated[Number, Field(ge=0, lt=1)]
    D: Positive
    sigma: Annotated[Number, Field(ge=0)] = 0.01
    zero_error: Fraction = 0.9
    seconds: Annotated[Number, Field(ge=0)] = 0.0
    beta: Positive | None = None
    at_s: Positive | None = None


def check_laws(laws: Collection[str], renderings: Collection[str], *, is_design: bool) -> None:
    """ValueError where a rendering has no law, or a law no rendering: a fraction of a design leaves settings out."""
    lawless = [name for name in renderings if name not in laws]
    if lawless:
        raise ValueError(f"simulated: {lawless[0]} has no law; a simulated sweep needs one for each of its renderings")
    strange = [name for name in laws if name not in renderings]
    if strange and not is_design:
        raise ValueError(f"simulated: {strange[0]} is no rendering of this sweep; leave its law out")
