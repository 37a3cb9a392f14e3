"""`sweeper compare`: sweeps side by side: what differs in their config, their verdicts, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.estimator.law_fit import LawFit
from analysis.verdict.verdict import Verdict
from sweeper.commands.report import Record, read_record
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput
from sweeper.stages.identity import as_plain
from sweeper.storage.strict_json import dumps
from sweeper.study.recipes import resolve_recipe

# Where a sweep writes, which says nothing of what it measured.
_WHERE = ("name", "output", "store")


@dataclass(frozen=True)
class Answer:
    """What a sweep says of one arm; None where it has too few runs for a law."""

    arm: str
    runs: int
    verdict: Verdict | None
    fit: LawFit | None


@dataclass(frozen=True)
class Sweep:
    """One of the sweeps: its answers by arm, how it ended and what it spent."""

    answers: dict[str, Answer]
    simulated: bool
    stop_reason: str
    minutes: float
    device_hours: float
    usd: float


@dataclass(frozen=True)
class Comparison:
    """Sweeps by the run folder they were asked by; `differing`: a config key, with its value in each sweep."""

    sweeps: dict[str, Sweep]
    differing: dict[str, dict[str, Any]]


def compared(folders: Mapping[str, Path]) -> Comparison:
    """Read run folders, named as the user named them; raises BadInput for fewer than two or for what is none."""
    if len(folders) < 2:
        raise BadInput("compare needs two run folders that differ, such as `sweeper compare runs/a runs/b`")
    records = {name: read_record(folder) for name, folder in folders.items()}
    flat = {name: _flat(_as_used(record.config)) for name, record in records.items()}
    keys = dict.fromkeys(key for each in flat.values() for key in each if key not in _WHERE)
    beside = {key: {name: each.get(key) for name, each in flat.items()} for key in keys}
    differing = {key: values for key, values in beside.items() if len({dumps(v) for v in values.values()}) > 1}
    return Comparison({name: _sweep(record) for name, record in records.items()}, differing)


def as_text(found: Comparison) -> str:
    """Config, then each arm in every sweep, then costs; a line a sweep, since a column each would be too wide."""
    return "\n".join([*_config(found), *_arms(found), *_costs(found)])


def as_json(found: Comparison) -> str:
    """One object: `config` by key and sweep, and each sweep's arms and costs."""
    sweeps = {
        name: {
            "simulated": sweep.simulated,
            "stopped": sweep.stop_reason,
            "minutes": sweep.minutes,
            "device_hours": sweep.device_hours,
            "usd": sweep.usd,
            "arms": {arm: _plain(answer) for arm, answer in sweep.answers.items()},
        }
        for name, sweep in found.sweeps.items()
    }
    return dumps({"config": found.differing, "sweeps": sweeps})


def _sweep(record: Record) -> Sweep:
    known, spent = record.knowledge, record.ledger.spent()
    counts = {arm.name: sum(run.run.arm == arm.name for run in known.runs) for arm in record.plan.arms}
    answers = {arm: Answer(arm, runs, known.verdicts.get(arm), known.fits.get(arm)) for arm, runs in counts.items()}
    reason = record.stop_reason or "not finished; run it again to go on"
    return Sweep(answers, record.config.is_simulated, reason, spent.wall_s / 60, spent.device_s / 3600, spent.usd)


def _as_used(config: SweepConfig) -> dict[str, Any]:
    """The config with every value that its recipes have, whether the file or the base gives it."""
    plain: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    if config.is_simulated:
        return plain
    stages = (("pretrain", config.pretrain), ("finetune", config.finetune))
    for stage, section in stages:
        on = {task: resolve_recipe(stage, task, section.recipe, config.pretrain.backbones[0]) for task in section.tasks}
        plain[stage]["recipe"] = {task: as_plain(recipe) for task, recipe in on.items()}
    return plain


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """A config's values by dotted key, as one sets them on the command line."""
    if not isinstance(value, dict) or not value:
        return {key: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= _flat(inner, f"{key}.{name}" if key else name)
    return found


def _config(found: Comparison) -> Iterator[str]:
    yield "config: the same" if not found.differing else "config: what differs"
    for key, values in found.differing.items():
        yield f"  {key}"
        yield from _beside({name: _value(value) for name, value in values.items()})


def _arms(found: Comparison) -> Iterator[str]:
    for arm in dict.fromkeys(arm for sweep in found.sweeps.values() for arm in sweep.answers):
        yield arm
        yield from _beside({name: _answer(sweep.answers.get(arm)) for name, sweep in found.sweeps.items()})


def _costs(found: Comparison) -> Iterator[str]:
    yield "spent"
    yield from _beside(
        {
            name: f"{sweep.minutes:.1f} min alive, {sweep.device_hours:.3f} device-hours, ${sweep.usd:.3f}"
            + (" (simulated)" if sweep.simulated else "")
            + f"; {sweep.stop_reason}"
            for name, sweep in found.sweeps.items()
        }
    )


def _beside(texts: Mapping[str, str]) -> Iterator[str]:
    width = max(len(name) for name in texts)
    return (f"    {name:{width}}  {text}" for name, text in texts.items())


def _value(value: Any) -> str:
    return "not set" if value is None else value if isinstance(value, str) else dumps(value)


def _answer(answer: Answer | None) -> str:
    if answer is None:
        return "no such arm"
    runs = f"{answer.runs} run{'s' * (answer.runs != 1)}"
    if answer.verdict is None or answer.fit is None:
        return f"no verdict yet; {runs}"
    verdict, fit = answer.verdict, answer.fit
    chance = "" if math.isnan(verdict.probability) else f" (probability {verdict.probability:.2f})"
    low, high = fit.alpha.interval(verdict.level)
    return (
        f"{verdict.label}{chance}; {runs};"
        f" error now {verdict.error_now:.2%} ({_percents(verdict.error_now_interval)}),"
        f" C {fit.C.median:.2%} ({_percents(verdict.C_interval)}),"
        f" alpha {fit.alpha.median:.2f} ({low:.2f} to {high:.2f}), {verdict.level:.0%} intervals"
    )


def _percents(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{100 * low:.2f} to {high:.2%}"


def _plain(answer: Answer) -> dict[str, Any]:
    verdict, fit = answer.verdict, answer.fit
    if verdict is None or fit is None:
        return {"runs": answer.runs, "verdict": None}
    alpha = {"median": fit.alpha.median, "interval": fit.alpha.interval(verdict.level)}
    return {
        "runs": answer.runs,
        "verdict": verdict.label,
        "probability": verdict.probability,
        "level": verdict.level,
        "identified": fit.identified,
        "error_now": {"median": verdict.error_now, "interval": verdict.error_now_interval},
        "C": {"median": fit.C.median, "interval": verdict.C_interval},
        "alpha": alpha,
    }
