"""What to do after a sweep: the command for it, and what it would cost, from what the sweep itself has cost."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

import yaml

from analysis.amounts import minutes, money
from analysis.report.records import NextStep
from analysis.verdict.ranking import ranking
from analysis.verdict.verdict import Label, Verdict
from sweeper.budget.costs import Cost
from sweeper.budget.ledger import Ledger
from sweeper.config.load import load_config
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.search.knowledge import Knowledge
from sweeper.study.arms import Arm

UNDECIDED: Label = "not identified yet"
# Further runs that a larger budget is offered for.
MORE_RUNS = 5


@dataclass(frozen=True)
class Situation:
    """A sweep as it stands. `stop_kind`: why it ended, empty while it has not."""

    folder: Path
    config: SweepConfig
    knowledge: Knowledge
    ledger: Ledger
    stop_kind: str

    @property
    def runs(self) -> int:
        """Pre-trainings that were measured."""
        return sum(each.run.n > 0 for each in self.knowledge.runs)

    @property
    def more_runs(self) -> int:
        """How many runs the command that goes on is offered for: of a grid that is run, two seeds of it."""
        if self.config.policy.name != "grid" or self.stop_kind == "budget":
            return MORE_RUNS
        seeds = {each.run.seed for each in self.knowledge.runs if each.run.n > 0}
        return ceil(2 * self.runs / max(1, len(seeds)))

    @property
    def a_run(self) -> Cost | None:
        """What a run has cost on average, all that belongs to it counted; None before any."""
        return self.ledger.spent().scaled(1 / self.runs) if self.runs else None

    def of(self, label: Label) -> list[Verdict]:
        """Verdicts of this label, the arm of the lowest error first.

        With a target every arm that meets it will do. Without one, only the best arm of each real task is followed; an
        undecided one always counts.
        """
        said, found = self.knowledge.verdicts, list[Verdict]()
        for task in self.config.finetune.tasks:
            fits = {arm: fit for arm, fit in self.knowledge.fits.items() if Arm.named(arm).finetune_task == task}
            ranked = ranking(fits, self.config.n_target)
            order = [arm for arm in (ranked.order if ranked else fits) if arm in said]
            follows = order if self.config.target.error is not None or label == UNDECIDED else order[:1]
            found += [said[arm] for arm in follows if said[arm].label == label]
        return found


def next_steps(here: Situation) -> list[NextStep]:
    """The steps, the one that follows from the best arm first."""
    if not here.stop_kind:
        left = ", ".join(f"{value:,.3g} {name.replace('_', '-')}" for name, value in here.ledger.left().items())
        budget = f"At most what is left of the budget: {left}." if left else "The budget has no cap."
        return [NextStep("Let the sweep go on: the same command takes it up where it stands.", _run(here), budget)]
    steps = list(_good_enough(here)) or list(_label_more(here)) or list(_render_more(here)) or list(_change(here))
    steps += _undecided(here)
    return steps or [NextStep("Nothing: the sweep has answered its question.")]


def _good_enough(here: Situation) -> Iterator[NextStep]:
    for said in here.of("good enough")[:1]:
        name = f" --arm {shlex.quote(said.arm)}" if len(here.config.renderings) > 1 or _several(here) else ""
        command = "" if here.config.is_simulated else f"sweeper export-model {shlex.quote(str(here.folder))}{name}"
        fine_tunes = here.ledger.by_stage()["finetune"]
        each = fine_tunes["wall_s"] / fine_tunes["units"] if fine_tunes["units"] else None
        cost = "" if each is None or not command else f"One fine-tune, about {minutes(each)}; no further render."
        yield NextStep(f"Stop rendering, and use what {said.arm} gives.", command, cost)


def _render_more(here: Situation) -> Iterator[NextStep]:
    for said in here.of("render more")[:1]:
        fit = here.knowledge.fits[said.arm]
        n = int(fit.n.max())
        wanted = said.n_needed
        target = wanted is not None and n < wanted < 1e9
        size = ceil(float(f"{wanted:.2g}")) if target and wanted is not None else 2 * n
        price = here.ledger.usd_per_image()
        cost = "" if price is None else f"About {money((size - n) * price, '$')} of rendering, at this sweep's price."
        why = "which the law says the target takes" if target else "the next doubling"
        yield NextStep(f"Render more of {said.arm}: {size:,} images, {why}.", _render(here, said.arm, size), cost)


def _label_more(here: Situation) -> Iterator[NextStep]:
    for said in here.of("label more")[:1]:
        counts = sorted(here.config.finetune.counts or ())
        price = here.config.prices.label_usd
        if not counts:
            continue
        more = 2 * counts[-1]
        cost = (
            "" if price is None else f"{money((more - counts[-1]) * price, '$')} of labels, at the price in the file."
        )
        what = f"Label more photographs: for {said.arm} the next dollar brings more there than in renders."
        with_more = f"finetune.counts=[{','.join(map(str, [*counts, more]))}]"
        yield NextStep(f"{what} With {more:,} of them at hand, this goes on.", _run(here, with_more), cost)


def _change(here: Situation) -> Iterator[NextStep]:
    for said in here.of("change the rendering")[:1]:
        cost = _an_arm(here)
        change = said.change
        if change is None:
            yield NextStep(
                f"Change the rendering of {said.arm}, its pre-training task or its model: copy the sweep, change"
                " renderings and name in the copy, and see what it would cost.",
                f"cp {shlex.quote(str(here.folder / 'config.yaml'))} changed.yaml\nsweeper plan changed.yaml",
                cost,
            )
            continue
        what = " and ".join(f"{name} from {a} to {b}" for name, (a, b) in change.factors.items())
        if change.measured:
            yield NextStep(f"Render with {what} in place of {said.arm}: this sweep has measured it.")
            continue
        command = _with_changed(here, said.arm, {name: b for name, (_, b) in change.factors.items()})
        yield NextStep(f"Change the rendering of {said.arm}: {what}, which was never rendered.", command, cost)


def _undecided(here: Situation) -> Iterator[NextStep]:
    open_ = here.of(UNDECIDED)
    if here.stop_kind == "best" or (not open_ and here.knowledge.verdicts):
        return
    names = " and ".join(said.arm for said in open_) or "every arm"
    more, why = _what_was_short(here)
    each = here.a_run
    cost = (
        ""
        if each is None
        else f"Each run took {_amount(each)}; {here.more_runs} more: {_amount(each.scaled(here.more_runs))}."
    )
    yield NextStep(f"Decide {names}: {why}.", _run(here, *more, *_larger_budget(here)), cost)


def _what_was_short(here: Situation) -> tuple[list[str], str]:
    """Overrides that let the sweep go on where it ended, and why it did not decide."""
    config = here.config
    if here.stop_kind == "budget":
        return [], "more runs, with a larger budget"
    if here.stop_kind == "precision":
        return ["objective=verdict", "stop={}"], "its law is as precise as was asked, so ask for the verdict"
    if here.stop_kind == "rounds":
        return [f"target.rounds={config.target.rounds + 2}"], "more purchases than the sweep allowed"
    return [f"policy.max_seeds={config.policy.max_seeds + 2}"], "more runs of a size than the sweep allowed"


def _larger_budget(here: Situation) -> list[str]:
    """Overrides that leave room for these further runs under every cap that is given."""
    caps, left, each = here.config.budget.caps(), here.ledger.left(), here.a_run
    if each is None:
        return [f"budget.{name}={_rounded_up(2 * cap)}" for name, cap in caps.items()]
    extra = each.scaled(here.more_runs).by_cap()
    needed = {name: cap - left[name] + extra[name] for name, cap in caps.items()}
    return [f"budget.{name}={_rounded_up(value)}" for name, value in needed.items() if value > caps[name]]


def _rounded_up(value: float) -> str:
    """To two digits, upwards."""
    step = 10.0 ** (floor(log10(value)) - 1)
    return f"{ceil(value / step - 1e-9) * step:.12g}"


def _several(here: Situation) -> bool:
    config = here.config
    return len(config.pretrain.tasks) * len(config.pretrain.backbones) * len(config.finetune.tasks) > 1


def _amount(cost: Cost) -> str:
    return f"{minutes(cost.wall_s)} and {money(cost.usd, '$')}"


def _an_arm(here: Situation) -> str:
    arms = len({each.run.arm for each in here.knowledge.runs if each.run.n > 0})
    return f"An arm of this sweep took {_amount(here.ledger.spent().scaled(1 / arms))}." if arms else ""


def _run(here: Situation, *overrides: str) -> str:
    return _checked(here, "sweeper run", overrides)


def _render(here: Situation, arm: str, images: int) -> str:
    """The command that renders the images of one arm, whatever other renderings the sweep has."""
    if here.config.is_simulated:
        return ""
    name = Arm.named(arm).rendering
    only = [f"renderings={_one_line({name: _plain(here, name)})}"] if len(here.config.renderings) > 1 else []
    return _checked(here, "sweeper render", only, f" --images {images}")


def _with_changed(here: Situation, arm: str, levels: Mapping[str, str]) -> str:
    """The command that adds the changed rendering to the sweep; "" where no attribute carries a factor."""
    plain = _plain(here, Arm.named(arm).rendering)
    if not set(levels) <= set(type(next(iter(here.config.renderings.values()))).model_fields):
        return ""
    changed = f"renderings.changed={_one_line(plain | {name: yaml.safe_load(level) for name, level in levels.items()})}"
    return _checked(here, "sweeper run", [changed, *_larger_budget(here)])


def _plain(here: Situation, rendering: str) -> dict[str, object]:
    """The attributes of a rendering as a sweep file has them, those of the default left out."""
    return here.config.renderings[rendering].model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def _one_line(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).strip()


def _checked(here: Situation, command: str, overrides: Iterable[str], options: str = "") -> str:
    """The command on the run folder's own sweep file; "" where that file would refuse the overrides."""
    path, given = here.folder / "config.yaml", list(overrides)
    try:
        load_config(path, given)
    except BadInput:
        return ""
    return shlex.join([*command.split(), str(path), *given]) + options
