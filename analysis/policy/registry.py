"""Every policy by name: ours and the baselines that it is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from analysis.policy.adaptive import propose
from analysis.policy.baselines import propose_cheapest, propose_grid, propose_random
from analysis.policy.optimality import propose_d_optimal, propose_prediction_error, propose_v_optimal
from analysis.policy.proposal import Policy

OURS = "adaptive"


@dataclass(frozen=True)
class Entrant:
    """A policy by name and how it begins each arm: with a pilot, its smallest size, or a size at random.

    `on_rungs`: it keeps to the ladder where sizes between the rungs may be run too.
    """

    name: str
    propose: Policy
    opening: Literal["pilot", "smallest", "random"]
    on_rungs: bool = False

    @property
    def looks(self) -> bool:
        """Whether it reads the fits, so that they are made anew after each run."""
        return self.opening == "pilot"


ENTRANTS: Mapping[str, Entrant] = {
    entrant.name: entrant
    for entrant in (
        Entrant(OURS, propose, "pilot"),
        Entrant("grid", propose_grid, "smallest", on_rungs=True),
        Entrant("random", propose_random, "random"),
        Entrant("cheapest", propose_cheapest, "smallest"),
        Entrant("d_optimal", propose_d_optimal, "pilot"),
        Entrant("v_optimal", propose_v_optimal, "pilot"),
        Entrant("prediction_error", propose_prediction_error, "pilot"),
    )
}
