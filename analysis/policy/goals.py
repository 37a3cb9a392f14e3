"""The question of a sweep, the precision it wants, and the money left."""

from dataclasses import dataclass
from typing import Literal, get_args

Objective = Literal["verdict", "law", "predict", "target", "best"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


@dataclass(frozen=True)
class Goals:
    """The question, and the precision at which its answer is good enough.

    `objective`: "verdict" (of every arm: whether `target_error` is reached, or without one whether the next doubling
    lowers the error by the share `min_gain`), "law" (alpha and C of every arm), "predict" (the error at `n_target`),
    "target" (whether an error of `target_error` is reached with at most `n_limit` images, None: with any number),
    "best" (which arm has the lowest error at `n_target`).

    `alpha_sd`, `c_sd`, `prediction_sd`: wanted standard deviations, above 0; inf where the value is not asked for.
    `relative`: the three are shares of alpha, of C and of the prediction. `level`: the probability at which a
    verdict or the best arm is certain. `tie`: errors that differ by no more count as equally good. `hopeless`: an
    arm whose probability of being the best is below it gets no more runs.
    """

    alpha_sd: float = 0.05
    c_sd: float = 0.01
    objective: Objective = "law"
    n_target: float | None = None
    prediction_sd: float = 0.005
    target_error: float | None = None
    min_gain: float = 0.01
    n_limit: float | None = None
    level: float = 0.95
    tie: float = 0.0
    hopeless: float = 0.01
    relative: bool = False

    def __post_init__(self) -> None:
        if not (self.alpha_sd > 0 and self.c_sd > 0 and self.prediction_sd > 0):
            raise ValueError(
                f"alpha_sd {self.alpha_sd}, c_sd {self.c_sd} and prediction_sd {self.prediction_sd} must all be above 0"
            )
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective is {self.objective!r}; choose one of {', '.join(OBJECTIVES)}")
        if self.objective in ("predict", "best") and not (self.n_target or 0) > 0:
            raise ValueError(f"objective {self.objective!r} needs n_target, a number of images above 0")
        if self.objective == "target" and not 0 < (self.target_error or 0) <= 1:
            raise ValueError("objective 'target' needs target_error, an error in (0, 1]")
        if not (0.5 < self.level < 1 and 0 <= self.hopeless < 0.5 and self.tie >= 0):
            raise ValueError(
                f"level {self.level} must lie in (0.5, 1), hopeless {self.hopeless} in [0, 0.5), tie {self.tie} above 0"
            )


@dataclass(frozen=True)
class Terms:
    """What a policy works towards and with: its goals, the money left, and the unit of all costs."""

    goals: Goals = Goals()
    budget_left: float = float("inf")
    unit: str = "$"


DEFAULT_TERMS = Terms()
