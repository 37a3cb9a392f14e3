"""What runs over renders and labels say of each arm: the law of (n, s) and what renders are worth in labels. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

from analysis.exchange.answer import OPEN, ExchangeAnswer, answer
from analysis.exchange.fit import ExchangeFit, fit_exchange
from analysis.exchange.worth import Prices
from analysis.policy.exchange import log_rate, rate_factor
from analysis.verdict.no_curve import doubt_of_labels
from analysis.verdict.verdict import Label, Verdict
from sweeper.config.schema import SweepConfig
from sweeper.study.arms import Plan
from sweeper.study.results import MeasuredRun


@dataclass(frozen=True, eq=False)
class ArmExchange:
    """An arm's runs over both sizes, its reference's among them. `n`, `s`: where the rate is asked for.

    `fit`, `said`: None where the runs do not say it, which `refused` tells in one line.
    """

    n: int
    s: int
    runs: tuple[MeasuredRun, ...]
    fit: ExchangeFit | None = None
    said: ExchangeAnswer | None = None
    refused: str = ""

    @cached_property
    def factor(self) -> float:
        """Upper limit of the rate's 95 % interval over its lower one; inf where nothing is known."""
        return float("inf") if self.fit is None else rate_factor(self.fit, self.n, self.s)

    @cached_property
    def sd(self) -> float:
        """Of the log rate; inf where nothing is known."""
        return float("inf") if self.fit is None else float(log_rate(self.fit, self.n, self.s).std())

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said, in lines."""
        return (*(self.said.sentences if self.said is not None else ()), *((self.refused,) if self.refused else ()))

    def sentences_beside(self, verdict: Verdict | None) -> tuple[str, ...]:
        """What is said that the arm's verdict does not say already."""
        told = "" if verdict is None else verdict.sentence.lower()
        return tuple(sentence for sentence in self.sentences if sentence.lower() not in told)

    def why_settled(self, wanted: float | None) -> str:
        """Why no further run is asked for, in words; empty while there is reason to go on. `wanted`: the factor."""
        if self.said is not None and self.said.verdict not in (None, OPEN):
            chance = max(self.said.renders_win or 0.0, 1 - (self.said.renders_win or 0.0))
            return f"the next dollar is certain: {self.said.verdict} (probability {chance:.2f})"
        if wanted is not None and self.factor <= wanted:
            return f"the rate's 95 % interval is within a factor {self.factor:.3g}, and {wanted:g} was asked for"
        return ""


def asked_at(config: SweepConfig, plan: Plan) -> tuple[int, int]:
    """The n and s at which the rate is asked for: `n_target` or the ladder's top, and the largest s."""
    return config.n_target or plan.ladder[-1], plan.s


def exchange_of(
    config: SweepConfig, plan: Plan, runs: Sequence[MeasuredRun], usd_per_image: float | None
) -> dict[str, ArmExchange]:
    """By arm, of those that have a pre-trained run; empty where the sweep has one s.

    `usd_per_image`: what this sweep's renders cost, None where it made none.
    """
    if not plan.counts:
        return {}
    found = {}
    for arm in plan.arms:
        own = tuple(each for each in runs if each.run.arm in (arm.name, plan.reference(arm).name))
        if any(each.run.n > 0 for each in own):
            found[arm.name] = _of_arm(config, plan, own, usd_per_image)
    return found


def _of_arm(config: SweepConfig, plan: Plan, runs: tuple[MeasuredRun, ...], usd_per_image: float | None) -> ArmExchange:
    n, s = asked_at(config, plan)
    label_usd, render_usd = config.prices.label_usd, config.prices.render_usd or usd_per_image
    known = ArmExchange(n, s, runs)
    try:
        fit = fit_exchange(
            [each.run.n for each in runs],
            [each.run.s for each in runs],
            [each.error for each in runs],
            seed=[each.run.seed for each in runs],
            random=config.seed,
        )
    except ValueError as error:
        return replace(known, refused=str(error))
    prices = None if label_usd is None or not render_usd else Prices(label_usd, render_usd)
    refused = "what a render costs is not known: this sweep made none; give prices.render_usd"
    refused = refused if label_usd is not None and prices is None else ""
    doubt = doubt_of_labels(fit.runs.n, fit.runs.s, fit.runs.error)
    try:
        said = answer(
            fit, n=n, s=s, prices=prices, target_error=config.target.error, level=config.target.level, doubt=doubt
        )
    except ValueError as error:
        return replace(known, fit=fit, refused=str(error))
    return replace(known, fit=fit, said=said, refused=refused)


def with_exchange(verdicts: Mapping[str, Verdict], found: Mapping[str, ArmExchange]) -> dict[str, Verdict]:
    """The verdicts with what the next dollar should buy in place of the laws'; what is good enough stays."""
    said = {arm: each.said for arm, each in found.items()}
    return {arm: _with_next_dollar(verdict, said.get(arm)) for arm, verdict in verdicts.items()}


def _with_next_dollar(verdict: Verdict, said: ExchangeAnswer | None) -> Verdict:
    if said is None or said.doubt or verdict.label == "good enough":
        return verdict
    worth = _sentence(said.sentences[0])
    if said.verdict is None or said.renders_win is None:
        return replace(verdict, sentence=f"{worth} {verdict.sentence}")
    likelier: Label = "render more" if said.renders_win > 0.5 else "label more"
    return replace(
        verdict,
        label=cast(Label, said.verdict),
        leaning=likelier if said.verdict == OPEN else None,
        probability=max(said.renders_win, 1 - said.renders_win),
        sentence=" ".join((worth, *map(_sentence, said.to_buy))),
    )


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."
