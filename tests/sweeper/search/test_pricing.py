"""What a run costs at the margin, and that a dear favourite does not end a sweep that could still pay for others."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Any

import pytest

from analysis.policy.runs import Run
from sweeper.budget.cost_model import Work
from sweeper.budget.costs import Cost
from sweeper.budget.ledger import Ledger
from sweeper.budget.reservation import Reservation
from sweeper.config.schema import Budget
from sweeper.search.pricing import Pricing
from tests.sweeper.examples import ARM, real_sweep, simulated_sweep, sweep_of


class NothingMade:
    """A store in which nothing is: every run renders its n images, but for those of the runs alongside it."""

    def work(self, run: Run, alongside: Sequence[Run] = (), tuning_trials: int = 0) -> Work:
        rendered = max((other.n for other in alongside), default=0)
        return Work(max(0, run.n - rendered), True, 1, tuning_trials)


def priced(tmp_path: Path, **caps: float) -> Pricing:
    config = sweep_of(tmp_path, real_sweep(budget=caps))
    ledger = Ledger(tmp_path / "ledger.jsonl", Budget(**caps))
    inventory: Any = NothingMade()
    return Pricing(config, ledger, inventory, 2.0, lambda run: 0)


def test_images_that_a_run_alongside_renders_cost_nothing_again(tmp_path: Path) -> None:
    pricing = priced(tmp_path, usd=100)
    alone, repeat = pricing.of(Run(ARM, 8000, 0)), pricing.of(Run(ARM, 8000, 1), [Run(ARM, 8000, 0)])
    smaller = pricing.of(Run(ARM, 4000, 1), [Run(ARM, 8000, 0)])
    assert repeat == smaller < alone
    offer = pricing.offers([Run(ARM, 8000, 0)])
    assert (offer(Run(ARM, 8000, 1)), offer(Run(ARM, 4000, 1))) == (repeat, smaller)
    assert offer(Run(ARM, 16_000, 0)) > repeat


def test_a_run_that_no_cap_lets_be_reserved_is_out_of_reach_and_a_cheaper_one_is_not(tmp_path: Path) -> None:
    # given dollars for anything, but device-hours for small runs only
    small, large = Run(ARM, 1000, 0), Run(ARM, 1_000_000, 0)
    pricing = priced(tmp_path, usd=1e6, device_hours=3)

    # then the policy, which pays in dollars, hears that the large one cannot be had
    assert pricing.unit == "$"
    offer = pricing.offers()
    assert offer(large) == inf
    assert offer(small) == pytest.approx(pricing.of(small))
    assert isfinite(pricing.of(large))


def test_without_caps_everything_can_be_had(tmp_path: Path) -> None:
    assert isfinite(priced(tmp_path).offers()(Run(ARM, 20_000_000, 0)))


def test_what_was_measured_on_a_device_prices_the_next_run_on_it(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep())
    ledger = Ledger(tmp_path / "ledger.jsonl", Budget())
    inventory: Any = NothingMade()
    pricing = Pricing(config, ledger, inventory, 2.0, lambda run: 0)
    guessed = pricing.estimates(Run(ARM, 1000, 0))["render"]

    ledger.charge("render", "a run", Cost(10 * guessed.expected.wall_s, 1.0, 0.0), 1000)

    learnt = pricing.estimates(Run(ARM, 1000, 0))["render"]
    assert (guessed.source, learnt.source) == ("guess", "measured")
    assert learnt.expected.wall_s == pytest.approx(10 * guessed.expected.wall_s)
    assert learnt.low.usd < learnt.expected.usd < learnt.high.usd


def test_what_is_reserved_for_simulated_fine_tunes_covers_what_they_are_charged(tmp_path: Path) -> None:
    """They hold as many cores side by side as there are slots: one core reserved would let a cap be passed."""
    config, ledger = sweep_of(tmp_path, simulated_sweep()), Ledger(tmp_path / "ledger.jsonl", Budget(usd=100))
    inventory: Any = NothingMade()
    pricing, run = Pricing(config, ledger, inventory, 4.0, lambda run: 0), Run(ARM, 0, 0)

    # given fine-tunes of two seconds in all, when the next is reserved by what they took
    pricing.settle_finetunes(Reservation(ledger, run.what, {}), 2.0, 1, 1)
    charged = ledger.spent()
    high = pricing.estimates(run)["finetune"].high

    # then neither dollars nor device-seconds are short
    assert charged.device_s == pytest.approx(2.0)
    assert high.device_s >= charged.device_s
    assert high.usd >= charged.usd
