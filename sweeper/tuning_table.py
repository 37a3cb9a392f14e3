"""What was tuned, on what, in how many trials and at what price: read back from the results table."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from analysis.report import Tuned
from sweeper.config import SweepConfig
from sweeper.costs import cost_of
from sweeper.plan import Arm, resolve_recipe
from sweeper.results import Observation
from sweeper.trial import in_words
from sweeper.tune_config import spelled


def tuning_table(config: SweepConfig, observations: Sequence[Observation]) -> Iterator[Tuned]:
    """One row a tuning: an arm at a size."""
    groups: dict[tuple[str, int], list[Observation]] = defaultdict(list)
    for row in observations:
        if row.split == "validation":
            groups[row.arm, row.n].append(row)
    for (arm, n), rows in groups.items():
        done = [row for row in rows if row.share == 1]
        if done:
            yield _row(config, arm, n, rows, min(done, key=lambda row: (row.error, row.tuned)))


def tuned_on(config: SweepConfig, observations: Sequence[Observation]) -> str:
    """In words, which data decided."""
    if config.is_simulated:
        return "on errors drawn from a known law"
    s = next((row.s for row in observations), 0)
    keys = ", ".join(config.tune.space)
    return (
        f"of {keys}, on {config.tune.folds} folds of the {s:,} real training images; the test split had no part in it"
    )


def _row(config: SweepConfig, arm: str, n: int, rows: Sequence[Observation], best: Observation) -> Tuned:
    finetune, seconds = config.finetune, sum(row.seconds for row in rows)
    own = _recipes_own(config, rows[0])
    return Tuned(
        arm=arm,
        n=n,
        chosen=in_words(json.loads(best.tuned)),
        trials=len(rows),
        stopped=sum(row.share < 1 for row in rows),
        error=best.error,
        default_error=next((row.error for row in rows if row.tuned == own and row.share == 1), None),
        seconds=seconds,
        dollars=cost_of(config.prices, seconds, cpus=finetune.cpus, gpus=finetune.gpus).usd,
    )


def _recipes_own(config: SweepConfig, row: Observation) -> str:
    """The recipe's own values of what is tuned, as the table spells them."""
    if config.is_simulated:
        return ""
    arm = Arm(row.rendering, row.pretrain_task, row.backbone, row.finetune_task)
    recipe = resolve_recipe("finetune", arm.finetune_task, config.finetune.recipe)
    return spelled({key: getattr(recipe, key) for key in config.tune.space})
