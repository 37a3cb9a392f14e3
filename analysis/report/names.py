"""Arms by what differs between them: `hue`, where the full name is `hue/sinclass/resnet18/sinclass`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from analysis.report.records import ReportData

_PARTS = 4
_REFERENCE, _SHUFFLED = "none/none/", "-shuffled/"

Value = TypeVar("Value")


def short_names(arms: Sequence[str]) -> dict[str, str]:
    """Of each arm (RENDERING/TASK/BACKBONE/TASK) the parts in which the arms differ, of a single arm its rendering.

    Names of another form stay, since nothing says what their parts are.
    """
    parts = {arm: arm.split("/") for arm in arms}
    if any(len(own) != _PARTS for own in parts.values()):
        return {arm: arm for arm in arms}
    differ = [at for at in range(_PARTS) if len({own[at] for own in parts.values()}) > 1] or [0]
    short = {arm: " / ".join(own[at] for at in differ) for arm, own in parts.items()}
    return short if len(set(short.values())) == len(arms) else {arm: arm for arm in arms}


def _reference_names(used: Iterable[str]) -> dict[str, str]:
    """What the references without pre-training among `used` are called: with the parts in which they differ."""
    references = [arm for arm in dict.fromkeys(used) if arm.startswith(_REFERENCE)]
    if len(references) < 2:
        return dict.fromkeys(references, "no pre-training")
    return {arm: f"no pre-training ({own})" for arm, own in short_names(references).items()}


def _shortened(text: str, names: Mapping[str, str]) -> str:
    """A text with the full names of arms replaced by their short ones."""
    if not names:
        return text
    # The longest first: one name may be the beginning of another.
    found = "|".join(re.escape(arm) for arm in sorted(names, key=len, reverse=True))
    return re.sub(found, lambda match: names[match[0]], text)


def names_of(data: ReportData) -> dict[str, str]:
    """What the page calls every arm, reference and control that the report knows of."""
    used = [*(each.arm for each in data.decisions), *(each.arm for each in data.steps)]
    used += [each.arm for each in data.tuning]
    short = short_names(data.arms)
    controls = {arm: arm.replace(_SHUFFLED, "/") for arm in used if _SHUFFLED in arm}
    shuffled = {arm: f"{short[of]}, labels shuffled" for arm, of in controls.items() if of in short}
    return short | _reference_names(used) | shuffled


def renamed(data: ReportData) -> ReportData:
    """The same with short names, for the page; files keep the full ones."""
    names = names_of(data)

    def own(records: Sequence[Value]) -> list[Value]:
        return [replace(each, arm=names.get(each.arm, each.arm)) for each in records]  # type: ignore[attr-defined,type-var]

    def by_name(found: Mapping[str, Value]) -> dict[str, Value]:
        return {names.get(arm, arm): each for arm, each in found.items()}

    def told(text: str) -> str:
        return _shortened(text, names)

    return replace(
        data,
        arms=[names[arm] for arm in data.arms],
        observations=own(data.observations),
        fits=by_name(data.fits),
        verdicts={names[arm]: replace(said, arm=names[arm]) for arm, said in data.verdicts.items()},
        references={names[arm]: replace(each, arm=names[arm]) for arm, each in data.references.items()},
        decisions=[replace(each, reason=told(each.reason)) for each in own(data.decisions)],
        complexity=by_name(data.complexity),
        controls=own(data.controls),
        tuning=own(data.tuning),
        steps=own(data.steps),
        steps_reason=told(data.steps_reason),
        stop_reason=told(data.stop_reason),
        notes=[told(note) for note in data.notes],
        next_steps=[replace(step, what=told(step.what)) for step in data.next_steps],
        levels=by_name(data.levels),
        tasks=by_name(data.tasks),
        exchange=by_name(data.exchange),
    )
