"""The rate of exchange learnt cell by cell on a recorded grid: the policy beside the fixed grid at equal cost.

Costs are those of `analysis.replay.pools`: 1 for a pre-training, 0.15 for a fine-tune, 1 for each 64,000 images that
are not rendered yet. A checkpoint is fine-tuned at every s without a new pre-training; n = 0 has none.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.evidence.exchange_truths import LABELS, SIZES, drawn, known_fit
from analysis.exchange.fit import ExchangeFit, fit_exchange
from analysis.exchange.worth import a_render_by_the_law, labels_a_render
from analysis.laws import Floats
from analysis.policy.exchange import Cell, choose, log_rate
from analysis.replay.pools import STANDARD_PRICES

# What of the price of a run is its fine-tune; the rest is its pre-training.
_FINETUNE = 0.15
# Cells that are bought between two fits; one at a time would change little and take as many times as long.
_AT_ONCE = 3
# What a label costs, in renders: where the next dollar's answer turns over on a grid such as the paper's.
_LABEL_IN_RENDERS = (1.0, 10.0, 100.0)


Buyer = Callable[["Grid", Sequence[float]], Iterator[list[Cell]]]


@dataclass(frozen=True, eq=False)
class Grid:
    """A recorded grid: the error of each cell."""

    error: dict[Cell, float]

    @property
    def cost(self) -> float:
        """Of all cells."""
        return self.cost_of(list(self.error))

    def cost_of(self, cells: Sequence[Cell]) -> float:
        """Of these cells, from nothing."""
        return sum(_cost(cell, cells[:i]) for i, cell in enumerate(cells))

    def fit(self, cells: Sequence[Cell], random: int = 0) -> ExchangeFit:
        """The posterior from these cells; `random`: seed of its draws."""
        return fit_exchange(
            [cell.n for cell in cells],
            [cell.s for cell in cells],
            [self.error[cell] for cell in cells],
            seed=[cell.seed for cell in cells],
            random=random,
        )

    def places(self) -> tuple[Floats, Floats]:
        """Every n > 0 with every s of the grid; two of (places,)."""
        sizes, labels = sorted({cell.n for cell in self.error} - {0}), sorted({cell.s for cell in self.error})
        n, s = np.meshgrid(np.array(sizes, float), np.array(labels, float), indexing="ij")
        return n.reshape(-1), s.reshape(-1)


def _cost(cell: Cell, there: Sequence[Cell]) -> float:
    if cell.n == 0 or any((each.n, each.seed) == (cell.n, cell.seed) for each in there):
        return _FINETUNE
    rendered = max((each.n for each in there), default=0)
    return STANDARD_PRICES.run + max(0, cell.n - rendered) * STANDARD_PRICES.image


def in_grid_order(grid: Grid) -> list[Cell]:
    """The fixed grid's order: size after size, each at every s."""
    return sorted(grid.error, key=lambda cell: (cell.seed, cell.n, cell.s))


def opening(grid: Grid) -> list[Cell]:
    """Without pre-training and at the most renders, each at the least, a middle and the most labels."""
    sizes, labels = sorted({cell.n for cell in grid.error}), sorted({cell.s for cell in grid.error})
    seed = min(cell.seed for cell in grid.error)
    wanted = [Cell(n, s, seed) for n in (0, sizes[-1]) for s in (labels[0], labels[len(labels) // 2], labels[-1])]
    return [cell for cell in wanted if cell in grid.error]


def adaptive(grid: Grid, budgets: Sequence[float], n: float, s: float) -> Iterator[list[Cell]]:
    """The cells that the policy has bought by each budget, for the rate at (n, s)."""
    bought = opening(grid)
    for budget in budgets:
        while len(bought) < len(grid.error):
            left = budget - grid.cost_of(bought)
            candidates = [cell for cell in grid.error if cell not in bought]
            there = list(bought)
            chosen = choose(
                grid.fit(there),
                candidates,
                lambda cell, more, there=there: _cost(cell, [*there, *more]),  # type: ignore[misc]
                n=n,
                s=s,
                k=_AT_ONCE,
                left=left,
            )
            if not chosen:
                break
            bought += [each.cell for each in chosen]
        yield list(bought)


def fixed(grid: Grid, budgets: Sequence[float]) -> Iterator[list[Cell]]:
    """The cells of the fixed grid that each budget pays."""
    order = in_grid_order(grid)
    for budget in budgets:
        bought = list[Cell]()
        for cell in order:
            if grid.cost_of([*bought, cell]) <= budget:
                bought.append(cell)
        yield bought


def log_width(grid: Grid, cells: Sequence[Cell], n: float, s: float, draws_of: int = 3) -> float:
    """Of the rate's 95 % interval from these cells, in log; of so many samplings together, since one is uncertain."""
    rates = np.concatenate([log_rate(grid.fit(cells, random), n, s) for random in range(draws_of)])
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(high - low)


def share_of_cost(grid: Grid, n: float, s: float, buy: Buyer, within: float = 1.1) -> float:
    """The least share of the grid's cost at which its rate is known as well: log width `within` that of the whole.

    Looked for at every twentieth of the cost from a fifth on; 1 where only the whole grid does. buy: cells by budgets.
    """
    wanted = within * log_width(grid, list(grid.error), n, s)
    shares = np.arange(0.2, 1.0, 0.05)
    for share, cells in zip(shares, buy(grid, [share * grid.cost for share in shares]), strict=True):
        try:
            if log_width(grid, cells, n, s) <= wanted:
                return float(share)
        except ValueError:
            continue  # too few cells yet
    return 1.0


def regret(fit: ExchangeFit, known: Floats, n: Floats, s: Floats) -> float:
    """Mean share of what the next dollar could bring that is lost by buying what `fit` says, over places and prices.

    known: labels that a render is worth at each place, (places,): the whole grid's median, or a simulated truth.
    """
    said = np.median(labels_a_render(fit, n, s), axis=0)
    lost = []
    for price in _LABEL_IN_RENDERS:
        ratio = np.maximum(known * price, 1e-9)
        worse = np.minimum(ratio, 1 / ratio)
        lost.append(np.where((said * price > 1) == (ratio > 1), 0.0, 1 - worse))
    return float(np.mean(lost))


@dataclass(frozen=True)
class Replayed:
    """A simulated grid at half of its cost: log width of the rate's interval over the whole grid's, and the regret."""

    adaptive_width: float
    fixed_width: float
    adaptive_regret: float
    fixed_regret: float


def simulated_replay(i: int) -> Replayed:
    """Truth i of the kind whose law the rate is read from, on a grid like the recorded one; the oracle is the truth."""
    truth = drawn("labels", i)
    table = truth.table(np.concatenate([[0.0], SIZES]), LABELS, 1, np.random.default_rng([8, i]))
    cells = [Cell(int(n), int(s), 0) for n, s in zip(table.n, table.s, strict=True)]
    grid = Grid(dict(zip(cells, table.error.tolist(), strict=True)))
    at = float(SIZES[len(SIZES) // 2]), float(LABELS[len(LABELS) // 2])
    whole = log_width(grid, cells, *at, draws_of=1)
    found = []
    for buyer in (adaptive(grid, [grid.cost / 2], *at), fixed(grid, [grid.cost / 2])):
        (bought,) = buyer
        fit = grid.fit(bought)
        known = a_render_by_the_law(known_fit(fit, truth), *grid.places())[0]
        lost = regret(fit, known, *grid.places())
        width = log_width(grid, bought, *at, draws_of=1)
        # where all draws say that renders are worth nothing, no width is left
        found.append((width / whole if whole else 1.0 + width, lost))
    (ours, our_regret), (theirs, their_regret) = found
    return Replayed(ours, theirs, our_regret, their_regret)
