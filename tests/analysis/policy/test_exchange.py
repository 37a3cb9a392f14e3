"""Which cell of (n, s) is chosen next for the rate of exchange."""

import numpy as np
import pytest

from analysis.evidence.exchange_replay import Grid, adaptive, in_grid_order, opening
from analysis.exchange.fit import ExchangeFit, fit_exchange
from analysis.policy.exchange import Cell, choose, log_rate

CELLS = [Cell(n, s, 0) for n in (0, 500, 2_000, 8_000) for s in (100, 400, 1_600)]


def _error(cell: Cell) -> float:
    return 0.05 + 0.85 * (1 + (cell.s + 1_000 * cell.n / (2_000 + cell.n)) / 200) ** -0.5


@pytest.fixture(scope="module")
def fit() -> ExchangeFit:
    cells = CELLS[:6]
    return fit_exchange([c.n for c in cells], [c.s for c in cells], [_error(c) for c in cells], draws=200)


def test_a_run_of_equal_worth_is_chosen_where_it_is_cheaper(fit: ExchangeFit) -> None:
    twins = [Cell(8_000, 400, 1), Cell(8_000, 400, 2)]

    (chosen,) = choose(fit, twins, lambda cell, _: float(cell.seed), n=8_000, s=400)

    assert chosen.cell == twins[0]
    assert chosen.sd_then < chosen.sd_now == pytest.approx(float(log_rate(fit, 8_000, 400).std()), rel=0.1)


def test_a_run_under_way_lowers_the_worth_of_its_twin(fit: ExchangeFit) -> None:
    twin = Cell(8_000, 400, 1)

    (alone,) = choose(fit, [twin], lambda *_: 1.0, n=8_000, s=400)
    (beside,) = choose(fit, [twin], lambda *_: 1.0, n=8_000, s=400, pending=[Cell(8_000, 400, 0)])

    assert alone.sd_now - alone.sd_then > beside.sd_now - beside.sd_then


def test_nothing_is_chosen_that_cannot_be_paid(fit: ExchangeFit) -> None:
    assert choose(fit, CELLS, lambda *_: 2.0, n=8_000, s=400, left=1.0) == []
    assert len(choose(fit, CELLS, lambda *_: 2.0, n=8_000, s=400, k=3, left=5.0)) == 2


def test_a_replay_keeps_its_budget_and_pays_a_checkpoint_once() -> None:
    grid = Grid({cell: _error(cell) for cell in CELLS})
    one_checkpoint = [Cell(500, 100, 0), Cell(500, 400, 0)]

    (bought,) = adaptive(grid, [0.7 * grid.cost], 8_000, 400)

    assert set(opening(grid)) < set(bought)
    assert grid.cost_of(bought) <= 0.7 * grid.cost
    assert grid.cost_of(one_checkpoint) == pytest.approx(grid.cost_of(one_checkpoint[:1]) + 0.15)
    assert np.isclose(grid.cost, grid.cost_of(in_grid_order(grid)))
