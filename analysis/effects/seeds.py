"""How far a run is off, and a difference between two settings of one seed, which share scenes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats

FEWEST_SETTINGS = 3


@dataclass(frozen=True)
class SeedNoise:
    """Noise in log error, of settings that were each run under the same seeds.

    `level`: sd of a run about its setting. `shared`: sd of the part that all settings of a seed have in common, `own`:
    of the rest. A difference of two settings is off by own sqrt(2) within a seed, by level sqrt(2) across seeds.
    """

    settings: int
    seeds: int
    level: float
    shared: float
    own: float


def seed_noise(settings: Sequence[int], seeds: Sequence[Hashable], log_errors: Floats) -> SeedNoise | None:
    """Analysis of variance of settings by seeds; None where fewer than FEWEST_SETTINGS were run under two seeds.

    Only settings with a run under every seed count; a seed under which fewer than half of the settings were run is left
    out. Variances are those of the expected mean squares, at least 0.
    """
    cells: dict[Hashable, dict[int, list[float]]] = {}
    for place, seed, value in zip(settings, seeds, log_errors.tolist(), strict=True):
        cells.setdefault(seed, {}).setdefault(place, []).append(value)
    every = {*settings}
    kept = {seed: own for seed, own in cells.items() if len(own) * 2 >= len(every)}
    common = sorted(every.intersection(*kept.values())) if kept else []
    if len(kept) < 2 or len(common) < FEWEST_SETTINGS:
        return None
    table = np.array([[np.mean(own[place]) for place in common] for own in kept.values()])
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    own_variance = float((rest**2).sum() / ((len(kept) - 1) * (len(common) - 1)))
    of_means = float(table.mean(axis=1).var(ddof=1))
    shared = max(of_means - own_variance / len(common), 0.0)
    return SeedNoise(
        len(common),
        len(kept),
        float(np.sqrt(shared + own_variance)),
        float(np.sqrt(shared)),
        float(np.sqrt(own_variance)),
    )


def without_shared(settings: Sequence[int], seeds: Sequence[Hashable], log_errors: Floats) -> tuple[Floats, float]:
    """The log errors less what the settings of a seed have in common, and the degrees of freedom that this takes.

    Each seed's mean, shrunken by shared^2 / (shared^2 + own^2 / settings). Errors are left as they are where nothing
    is shared, or where a seed lacks a setting: what it has in common with the others cannot be told from the setting's.
    """
    noise = seed_noise(settings, seeds, log_errors)
    every = {*settings}
    of_seed: dict[Hashable, list[int]] = {}
    for place, seed in zip(settings, seeds, strict=True):
        of_seed.setdefault(seed, []).append(place)
    if noise is None or noise.shared == 0 or any({*own} != every for own in of_seed.values()):
        return log_errors, 0.0
    means = {seed: log_errors[[each == seed for each in seeds]].mean() for seed in of_seed}
    middle = np.mean(list(means.values()))
    kept = noise.shared**2 / (noise.shared**2 + noise.own**2 / noise.settings)
    parts = np.array([kept * (means[seed] - middle) for seed in seeds])
    return log_errors - parts, kept * (len(means) - 1)


def in_words(noise: SeedNoise) -> str:
    """What a run and a difference are off by, in a sentence."""
    return (
        f"{noise.settings} settings were run under {noise.seeds} seeds: a run is off by {noise.level:.1%} of the error"
        f" (sd), {noise.shared:.1%} of it common to the settings of a seed; a difference between two settings is off by"
        f" {noise.own * np.sqrt(2):.1%} within a seed, {noise.level * np.sqrt(2):.1%} across seeds"
    )
