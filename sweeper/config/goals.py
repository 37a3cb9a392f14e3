"""The `stop:` and `target:` sections of a sweep file: when the sweep is content, and what the user needs."""

from typing import Annotated

from pydantic import Field

from sweeper.config.ladder import LARGEST_SIZE
from sweeper.config.types import Count, Fraction, Model, Number, Positive


class Stop(Model):
    """The precision at which the sweep is content: posterior standard deviations of every arm.

    `prediction_sd` is for the objective `predict`; `best_within`, for `best`: errors that differ by no more are equal.
    `rate_factor`, for `exchange`: the upper limit of the rate's 95 % interval over its lower one, for every arm.
    """

    alpha_sd: Positive | None = None
    c_sd: Positive | None = None
    prediction_sd: Positive | None = None
    best_within: Annotated[Number, Field(ge=0)] | None = None
    rate_factor: Annotated[Number, Field(gt=1)] | None = None


class Target(Model):
    """What the user needs: an error (a fraction, not per cent), or a least gain for each doubling of n.

    `rounds`: with `objective: target`, how often images are bought, beyond the ladder's sizes, until the error is
    reached; 0: the sweep ends with the answer whether it can be.
    """

    error: Fraction | None = None
    min_gain: Fraction = 0.01
    n_limit: Count | None = None
    rounds: Annotated[int, Field(ge=0, le=20, strict=True)] = 0
    level: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95

    @property
    def largest(self) -> int:
        """The most images that may be bought."""
        return min(self.n_limit or LARGEST_SIZE, LARGEST_SIZE)
