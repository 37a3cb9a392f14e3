"""What was tuned, read back from the results table for the report."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from analysis.report.records import Tuned
from sweeper.budget.cost_model import finetune_cost
from sweeper.config.schema import SweepConfig
from sweeper.config.tune import scope_of, spelled
from sweeper.search.choice import Settings, Tried, best, choice, own_values, tried_in
from sweeper.stages.identity import in_words
from sweeper.study.arms import Arm
from sweeper.study.results import Observation
from sweeper.study.table import Table


def tuning_table(config: SweepConfig, observations: Sequence[Observation], device: str) -> Iterator[Tuned]:
    """One row a tuning: an arm at a size. Its dollars are the ledger's for such fine-tunes on this type of device."""
    groups: dict[tuple[str, int, int], list[Observation]] = defaultdict(list)
    for row in observations:
        if row.split == "validation":
            groups[row.arm, row.n, row.s].append(row)
    table = Table(observations, config.finetune.repeats, config.tune)
    for (arm, n, s), rows in groups.items():
        ended = {row.tuned: row.error for row in rows if row.share == 1}
        if not ended:
            continue
        chosen, common = _chosen(config, table, arm, n, s)
        seconds = sum(row.seconds for row in rows)
        yield Tuned(
            arm=arm,
            n=n,
            chosen=in_words(chosen),
            trials=len(rows),
            stopped=len(rows) - len(ended),
            error=ended.get(spelled(chosen)),
            default_error=None if config.is_simulated else ended.get(spelled(own_values(config, arm))),
            common=common,
            seconds=seconds,
            dollars=finetune_cost(config, seconds, len(rows), slots=1.0, device=device).usd,
        )


def tuned_on(config: SweepConfig, observations: Sequence[Observation]) -> str:
    """In words, which data decided."""
    if config.is_simulated:
        return "on errors drawn from a known law"
    tried = dict.fromkeys(row.s for row in observations if row.split == "validation")
    s, keys = " or ".join(f"{each:,}" for each in tried), ", ".join(config.tune.space)
    folds = f"{config.tune.folds} folds of the {s} real training images"
    return f"of {keys}, on {folds}; the test split had no part in it"


def _chosen(config: SweepConfig, table: Table, arm: str, n: int, s: int) -> tuple[Settings, str]:
    """The values that an arm is fine-tuned with, and in words how they stand to those of n = 0."""
    tune, reference = config.tune, Arm.named(arm).reference.name
    scope, first = scope_of(tune, arm, n, s), scope_of(tune, reference, 0, s)
    common = table.settled(first)
    if common is None and table.tried(first):
        common = choice(tune, own_values(config, reference), tried_in(table.tried(first)), None)
    tried, default = tried_in(table.tried(scope)), own_values(config, arm)
    follows = None if scope == first else common
    chosen = table.settled(scope) or choice(tune, default, tried, follows)
    if scope == first:
        return chosen, "sets them"
    if common is None:
        return chosen, "none are known"
    if spelled(chosen) != spelled(common):
        return chosen, f"left: its own are better, by a paired test over {tune.folds} folds at 5 %"
    return chosen, _kept(best(tune, default, [each for each in tried if each.share == 1]), chosen)


def _kept(own: Tried | None, chosen: Settings) -> str:
    if own is None or spelled(own.settings) == spelled(chosen):
        return "kept"
    return f"kept: {in_words(own.settings)}, with {own.error:.2%}, was not shown to be better"
