"""What a run costs at the margin: images that exist and checkpoints that exist are free, measured prices are used."""

from collections.abc import Callable, Mapping, Sequence
from math import inf

from analysis.amounts import money
from analysis.policy.runs import Run
from sweeper.budget.cost_model import CostModel, Work, finetune_cost, total
from sweeper.budget.costs import GPU, Estimate
from sweeper.budget.devices import device_type
from sweeper.budget.ledger import Ledger
from sweeper.budget.reservation import Reservation
from sweeper.config.schema import SweepConfig
from sweeper.stages.inventory import Inventory
from sweeper.study.arms import Arm

# Caps of the budget, the one that is paid in first, and what their amounts are called.
UNITS = {"minutes": "minutes", "usd": "$", "device_hours": "device-hours"}


class Pricing:
    """Prices runs in `unit`, that of the budget's first cap, and moves their money in the ledger.

    `trials_left(run)`: trials of the tuning that a run will have to make.
    """

    def __init__(
        self, config: SweepConfig, ledger: Ledger, inventory: Inventory, slots: float, trials_left: Callable[[Run], int]
    ) -> None:
        self._config, self.ledger, self._inventory = config, ledger, inventory
        self._trials_left = trials_left
        self.slots = slots
        self._model = CostModel(config, slots, device_type)
        # What the policy pays in: minutes, unless only dollars or device-hours are capped.
        self._cap = next((cap for cap in UNITS if cap in config.budget.caps()), "minutes")
        self.unit = UNITS[self._cap]

    def of(self, run: Run, alongside: Sequence[Run] = ()) -> float:
        """Expected marginal cost of a run, in `unit`, once the runs alongside it are done."""
        return self._in_unit(self.estimates(run, alongside))

    def afresh(self, run: Run) -> float:
        """What a run is guessed to cost, in `unit`, by the config alone: nothing is rendered, tuned or measured."""
        work = self._inventory.whole_work(run, self._config.tune.trials_made)
        guesses = self._model.run(work, lambda stage, device: [], Arm.named(run.arm).backbone)
        return total(guesses.values()).expected.by_cap()[self._cap]

    def offers(self, alongside: Sequence[Run] = ()) -> Callable[[Run], float]:
        """The same of any run at this moment, and infinite for one that no cap would let be reserved now: the policy
        takes a cheaper one. Runs that need the same work are reckoned once.
        """
        known: dict[tuple[Work, Work, str], float] = {}

        def price(run: Run) -> float:
            alone, beside, backbone = self._work(run), self._work(run, alongside), Arm.named(run.arm).backbone
            if (alone, beside, backbone) not in known:
                most = {stage: each.high for stage, each in self._estimates(alone, backbone).items()}
                price = self._in_unit(self._estimates(beside, backbone))
                known[alone, beside, backbone] = price if self.ledger.affords(most) else inf
            return known[alone, beside, backbone]

        return price

    def most(self, run: Run) -> str:
        """In words, what is reserved for a run."""
        return money(total(self.estimates(run).values()).high.by_cap()[self._cap], self.unit)

    def left(self) -> float:
        """What may still be reserved, in `unit`; infinite where nothing is capped."""
        return self.ledger.left().get(self._cap, inf)

    def estimates(self, run: Run, alongside: Sequence[Run] = (), tunes: bool = True) -> dict[str, Estimate]:
        """Cost by stage, from this sweep's own measurements where there are any.

        `tunes` False: what it needs tuned is tuned by another run.
        """
        return self._estimates(self._work(run, alongside, tunes), Arm.named(run.arm).backbone)

    def reserve(self, run: Run) -> Reservation | None:
        """Set a run's money aside; None when it does not fit into the budget."""
        units = self._model.units(self._work(run))
        parts = {stage: (e.high, units[stage]) for stage, e in self.estimates(run).items() if units[stage] > 0}
        ids = self.ledger.reserve(run.what, parts)
        return None if ids is None else Reservation(self.ledger, run.what, ids)

    def settle_finetunes(self, reserved: Reservation, seconds: float, processes: int, finetunes: float) -> None:
        """Charge a run's fine-tunes: `seconds` of work in all, done by so many processes."""
        device = device_type(self._config.finetune.gpus) or GPU
        cost = finetune_cost(self._config, seconds, processes, self.slots, device)
        reserved.settle("finetune", cost, finetunes, device)

    def _work(self, run: Run, alongside: Sequence[Run] = (), tunes: bool = True) -> Work:
        return self._inventory.work(run, alongside, self._trials_left(run) if tunes else 0)

    def _estimates(self, work: Work, backbone: str) -> dict[str, Estimate]:
        return self._model.run(work, self.ledger.measured, backbone)

    def _in_unit(self, estimates: Mapping[str, Estimate]) -> float:
        expected = {stage: each.expected for stage, each in estimates.items()}
        return self.ledger.shared(expected).by_cap()[self._cap]
