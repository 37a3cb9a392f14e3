"""What a run costs at the margin: images that exist and checkpoints that exist are free, measured prices are used."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from analysis.amounts import money
from sweeper.budget.cost_model import FINETUNE_START_S, CostModel, total
from sweeper.budget.costs import GPU, Cost, Estimate, cost_of
from sweeper.budget.devices import device_type
from sweeper.budget.ledger import Ledger
from sweeper.config.schema import SweepConfig
from sweeper.stages.prepare import Stages
from sweeper.study.arms import Arm, RunKey, Work
from sweeper.study.recipes import resolve_recipe


class Pricing:
    """Prices runs in the unit of the budget's first cap, and moves their money in the ledger.

    `trials_left(run)`: trials of the tuning that a run will have to make.
    """

    def __init__(
        self,
        config: SweepConfig,
        ledger: Ledger,
        stages: Stages,
        slots: float,
        trials_left: Callable[[RunKey], int],
    ) -> None:
        self._config, self._ledger, self._stages = config, ledger, stages
        self._trials_left = trials_left
        self._model = CostModel(config, slots, device_type)

    @property
    def unit(self) -> str:
        """What the policy pays in: minutes, unless only dollars or device-hours are capped."""
        budget = self._config.budget
        if budget.minutes is not None or (budget.usd is None and budget.device_hours is None):
            return "minutes"
        return "$" if budget.usd is not None else "device-hours"

    def of(self, key: RunKey, alongside: Sequence[RunKey] = ()) -> float:
        """Expected marginal cost of a run, in `unit`, once the runs alongside it are done."""
        return self._in_unit(total(self.estimates(key, alongside).values()).expected)

    def afresh(self, key: RunKey) -> float:
        """What a run is guessed to cost, in `unit`, by the config alone: nothing is rendered, tuned or measured."""
        work = self._stages.whole_work(key, self._config.tune.trials)
        guesses = self._model.run(work, lambda stage, device: [], key.arm.backbone)
        return self._in_unit(total(guesses.values()).expected)

    def offers(self, alongside: Sequence[RunKey] = ()) -> Callable[[RunKey], float]:
        """The same of any run at this moment, and infinite for one that no cap would let be reserved now: the policy
        takes a cheaper one. Runs that need the same work are reckoned once.
        """
        known: dict[tuple[Work, Work, str], float] = {}

        def price(key: RunKey) -> float:
            alone, beside, backbone = self._work(key), self._work(key, alongside), key.arm.backbone
            if (alone, beside, backbone) not in known:
                fits = self._ledger.affords(total(self._estimates(alone, backbone).values()).high)
                expected = total(self._estimates(beside, backbone).values()).expected
                known[alone, beside, backbone] = self._in_unit(expected) if fits else inf
            return known[alone, beside, backbone]

        return price

    def most(self, key: RunKey) -> str:
        """In words, what is reserved for a run."""
        return money(self._in_unit(total(self.estimates(key).values()).high), self.unit)

    def left(self) -> float:
        """What may still be reserved, in `unit`; infinite where nothing is capped."""
        names = {"minutes": "minutes", "$": "usd", "device-hours": "device_hours"}
        return self._ledger.left().get(names[self.unit], inf)

    def estimates(self, key: RunKey, alongside: Sequence[RunKey] = (), tunes: bool = True) -> dict[str, Estimate]:
        """Cost by stage, from this sweep's own measurements where there are any.

        `tunes` False: what it needs tuned is tuned by another run.
        """
        return self._estimates(self._work(key, alongside, tunes), key.arm.backbone)

    def reserve(self, key: RunKey) -> dict[str, str] | None:
        """Set a run's money aside; None when it does not fit into the budget."""
        units = self._model.units(self._work(key))
        parts = {stage: (e.high, units[stage]) for stage, e in self.estimates(key).items() if units[stage] > 0}
        return self._ledger.reserve(key.what, parts)

    def settle_finetunes(
        self, reserved: dict[str, str], key: RunKey, seconds: float, processes: int, finetunes: float
    ) -> None:
        """Charge a run's fine-tunes: `seconds` of work in all, done by so many processes."""
        settings = self._config.finetune
        held = seconds + processes * (0.0 if self._config.is_simulated else FINETUNE_START_S)
        device = device_type(settings.gpus) or GPU
        worked = cost_of(self._config.prices, held, cpus=settings.cpus, gpus=settings.gpus, device=device)
        cost = Cost(held / self._model.slots, worked.device_s, worked.usd)
        if "finetune" in reserved:
            self._ledger.settle(reserved.pop("finetune"), cost, finetunes, device)
        else:
            self._ledger.charge("finetune", key.what, cost, finetunes, device)

    def usd_per_image(self) -> float | None:
        """Measured price of rendering one image."""
        rendered = self._ledger.by_stage()["render"]
        return (rendered["usd"] - rendered["lost_usd"]) / rendered["units"] if rendered["units"] else None

    def recipe_value(self, arm: Arm, key: str) -> Any:
        """A value of the fine-tuning recipe as the config has it; where errors are simulated, any in the range."""
        if self._config.is_simulated:
            return self._config.tune.space[key].ends[0] if key in self._config.tune.space else math.nan
        return getattr(resolve_recipe("finetune", arm.finetune_task, self._config.finetune.recipe), key)

    def _work(self, key: RunKey, alongside: Sequence[RunKey] = (), tunes: bool = True) -> Work:
        return self._stages.work(key, alongside, self._trials_left(key) if tunes else 0)

    def _estimates(self, work: Work, backbone: str) -> dict[str, Estimate]:
        return self._model.run(work, self._ledger.measured, backbone)

    def _in_unit(self, cost: Cost) -> float:
        return {"minutes": cost.wall_s / 60, "$": cost.usd, "device-hours": cost.device_s / 3600}[self.unit]
