"""`bench calibration-cells`: its table is the committed one, and its figures are those of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.evidence.calibration import HEAD
from sweeper.bench import calibration_cells
from sweeper.bench.calibration_cells import figures_of, measure
from sweeper.errors import BadInput

DOCS = Path(__file__).parents[3] / "docs" / "measured"


def one_by_one(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], what: str) -> list[Any]:
    return [function(*job) for job in jobs]


def test_a_table_has_a_line_for_every_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_cells, "in_parallel", one_by_one)
    out = tmp_path / "truths.csv"
    figures = measure(truths=3, out=out)
    head, *lines = out.read_text().splitlines()
    assert head == HEAD
    assert [line.split(",")[0] for line in lines] == ["0", "1", "2"]
    assert lines == (DOCS / "calibration-truths.csv").read_text().splitlines()[1:4]
    assert figures["coverage_all_alpha"].reference == 0.95


def test_cells_and_truths_are_not_asked_for_together() -> None:
    with pytest.raises(BadInput, match="give it without --sizes and --simulations"):
        measure(truths=3, sizes=[4])


def test_figures_of_the_committed_table_are_by_stratum_beside_what_intervals_say() -> None:
    lines = (DOCS / "calibration.csv").read_text().splitlines()[1:]
    figures = figures_of(np.array([[float(cell) for cell in line.split(",")[1:]] for line in lines]))
    assert figures["coverage_identified_alpha"].reference == 0.95
    assert 0.92 <= figures["coverage_identified_alpha"].value <= 0.98
    assert figures["least_coverage_all_alpha"].value < 0.1 < 0.8 < figures["least_coverage_identified_alpha"].value
    assert figures["width_all_C"].value < 1
    assert figures["narrower_all_C"].value > 0.5
