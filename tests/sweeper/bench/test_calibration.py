"""`bench calibration`: its table goes on where it ended, and its figures are those of the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sweeper.bench.calibration import figures_of, measure
from sweeper.errors import BadInput

DOCS = Path(__file__).parents[3] / "docs" / "measured"


def test_a_table_that_was_cut_short_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Given a table without one of its lines, when measured again, it is whole, sorted and the same."""
    out = tmp_path / "truths.csv"
    figures = measure(truths=3, out=out)
    head, *lines = out.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["0", "1", "2"]
    out.write_text("\n".join([head, lines[2], lines[0]]) + "\n")
    assert measure(truths=3, out=out) == figures
    assert out.read_text().splitlines() == [head, *lines]
    with pytest.raises(BadInput, match="other sizes, simulations or truths than were asked for"):
        measure(sizes=[4], simulations=1, out=out)


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
