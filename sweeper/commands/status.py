"""`sweeper status`: a sweep so far, in text: spend, fits, verdicts, and what it would do next."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from analysis.effects.answers import in_words, sentences
from analysis.verdict.verdict import Verdict
from sweeper.budget.ledger import STAGES
from sweeper.commands.plan import next_proposal
from sweeper.commands.report import STAGE_UNITS, Outcome, Record, read_record
from sweeper.search.decision_log import DECISIONS, read_decisions
from sweeper.study import results
from sweeper.study.exchange import ArmExchange


def describe(folder: Path) -> str:
    """Text of `sweeper status`; raises BadInput where the folder is not the run folder of a sweep."""
    record = read_record(folder)
    return "\n".join(
        [*_head(record), *_stages(record), *_arms(record), *_effects(record), *_exchange(record), *_next(record)]
    )


def verdict_lines(outcome: Outcome) -> Iterator[str]:
    """The last lines of `sweeper run`: why it stopped, the verdict of each arm, and where the report is."""
    yield f"stopped: {outcome.stop_reason}"
    for arm, verdict in outcome.verdicts.items():
        yield f"{arm}: {verdict.label} (probability {verdict.probability:.2f}). {verdict.sentence}"
    for name, said in outcome.effects.items():
        yield from (f"{name}: {line}" for line in sentences(said))
    yield from exchange_lines(outcome.exchange, outcome.verdicts)
    for arm in () if outcome.adaptive or outcome.exchange else outcome.undecided:
        if arm not in outcome.verdicts:
            yield f"{arm}: not identified yet: too few sizes were run."
    yield f"report: {outcome.report}"


def _head(record: Record) -> Iterator[str]:
    spent = record.ledger.spent()
    simulated = " (simulated task: errors are drawn from known laws)" if record.config.is_simulated else ""
    yield f"{record.config.name}{simulated}: {record.stop_reason or 'not finished; run it again to go on'}"
    yield f"spent: {spent.wall_s / 60:.1f} min alive, {spent.device_s / 3600:.3f} device-hours, ${spent.usd:.3f}"
    yield from filter(None, [results.left_out(record.folder / "results", record.studies)])
    for name, left in record.ledger.left().items():
        yield f"left:  {left:.3g} {name.replace('_', '-')}"


def _stages(record: Record) -> Iterator[str]:
    for stage in STAGES:
        row = record.ledger.by_stage()[stage]
        yield (
            f"{stage:9s} {row['units']:6.0f} {STAGE_UNITS[stage]:11s}"
            f" {row['wall_s']:7.0f} s  {row['device_s']:7.0f} device-s  ${row['usd']:.4f}"
            + (f", ${row['lost_usd']:.4f} of it for work that was lost" if row["lost_usd"] else "")
        )


def _arms(record: Record) -> Iterator[str]:
    unrun = 0
    for arm in (*record.plan.references, *record.plan.arms):
        runs = [run for run in record.knowledge.runs if run.run.arm == arm.name]
        if not runs and record.config.is_adaptive:
            unrun += 1
            continue
        points = ", ".join(
            f"n={each.run.n}{f' s={each.run.s}' if record.plan.counts else ''}: {each.error:.2%}"
            for each in sorted(runs, key=lambda r: (r.run.n, r.run.s, r.run.seed))
        )
        yield f"{arm.name}: {points or 'no runs yet'}"
        if arm.name in record.knowledge.fits:
            yield f"  {record.knowledge.fits[arm.name]}"
            verdict = record.knowledge.verdicts[arm.name]
            yield f"  verdict: {verdict.label} (probability {verdict.probability:.2f}). {verdict.sentence}"
    if unrun:
        yield f"arms of the design without a run: {unrun}"


def _effects(record: Record) -> Iterator[str]:
    """What each attribute does to the error, in every group of arms that says."""
    prices = record.ledger.usd_per_image()
    for name, group in record.knowledge.effects.items():
        nearest = group.said.next
        # A setting that was run has its renders.
        price = {} if prices is None or nearest.runs else {in_words(nearest.levels): prices * group.n}
        yield from (f"{name}: {line}" for line in sentences(group.said, price))


def _exchange(record: Record) -> Iterator[str]:
    """What renders are worth in labels, of every arm that says."""
    yield from exchange_lines(record.knowledge.exchange, record.knowledge.verdicts)


def exchange_lines(found: Mapping[str, ArmExchange], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    """What is said of renders and labels, a line a sentence, less what the verdicts say already."""
    for arm, each in found.items():
        yield from (f"{arm}: {sentence}." for sentence in each.sentences_beside(verdicts.get(arm)))


def _next(record: Record) -> Iterator[str]:
    measured = {each.run for each in record.knowledge.runs}
    decided = read_decisions(record.folder / DECISIONS, record.studies, record.plan.s)
    unfinished = [proposal for proposal in decided if proposal.run not in measured]
    for proposal in unfinished:
        yield f"under way or unfinished: {proposal.reason}"
    if not unfinished and not record.stop_reason:
        yield f"next: {next_proposal(record)}"
