"""Each form predicts hidden cells of a grid that it made itself."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.laws import Floats
from analysis.theory.finetuning import Grid
from analysis.theory.forms import hidden_rmse

T0 = np.array([0.0, *np.exp2(np.arange(4.0, 18.0, 2.0))])
T1 = np.exp2(np.arange(6.0, 14.0))
N, S = np.meshgrid(T0, T1, indexing="ij")


def grid(error: Floats) -> Grid:
    return Grid(T0, T1, np.ones(T0.size), np.ones(error.shape), error)


def test_each_form_knows_its_own() -> None:
    with np.errstate(divide="ignore"):
        law = np.where(N == 0, 3 * S**-0.4, 0.8 * (0.05 + N**-0.5) * S**-0.4)
        added = np.where(N == 0, 1.0, 0.7 * N**-0.6) + 0.9 * S**-0.5
        worth = 2 * (S + 800 * N / (300 + N)) ** -0.5
    for error, own in ((law, "law (2)"), (added, "additive"), (worth, "label equivalents")):
        found = hidden_rmse(grid(error))
        assert found[own] < 0.01
        assert min(rmse for name, rmse in found.items() if name != own) > 5 * found[own]


def test_label_equivalents_need_runs_without_pretraining() -> None:
    with pytest.raises(ValueError, match="the first T0 must be 0"):
        hidden_rmse(Grid(T0[1:], T1, np.ones(7), np.ones((7, 8)), np.ones((7, 8))))
