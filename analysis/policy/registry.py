"""Every policy by name: ours and the baselines that it is measured against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from analysis.policy.adaptive import propose
from analysis.policy.baselines import propose_cheapest, propose_grid, propose_random
from analysis.policy.optimality import propose_d_optimal, propose_v_optimal
from analysis.policy.proposal import Policy

OURS = "adaptive"


@dataclass(frozen=True)
class NamedPolicy:
    """A policy by name and how it begins each arm: with a pilot, its smallest size, or a size at random.

    `on_rungs`: it keeps to the ladder where sizes between the rungs may be run too.
    """

    name: str
    propose: Policy
    opening: Literal["pilot", "smallest", "random"]
    on_rungs: bool = False

    @property
    def reads_results(self) -> bool:
        """Whether it reads the fits, so that a replay must fit anew after each run."""
        return self.opening == "pilot"


POLICIES: Mapping[str, NamedPolicy] = {
    policy.name: policy
    for policy in (
        NamedPolicy(OURS, propose, "pilot"),
        NamedPolicy("grid", propose_grid, "smallest", on_rungs=True),
        NamedPolicy("random", propose_random, "random"),
        NamedPolicy("cheapest", propose_cheapest, "smallest"),
        NamedPolicy("d_optimal", propose_d_optimal, "pilot"),
        NamedPolicy("v_optimal", propose_v_optimal, "pilot"),
        # Older configs have this name. With one optimum of least squares its criterion is V-optimality.
        NamedPolicy("prediction_error", propose_v_optimal, "pilot"),
    )
}
