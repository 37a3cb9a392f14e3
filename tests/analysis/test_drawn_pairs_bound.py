from __future__ import annotations

import numpy as np

from analysis.drawn_cases import chances_at_best


def test_more_sizes_know_more_of_the_gap_and_all_seven_know_what_the_grid_knows() -> None:
    """Given a draw of pairs, the chance to be within the grid's standard error rises with the sizes, to certainty."""
    three, four, seven = (chances_at_best(0, sizes) for sizes in (3, 4, 7))
    assert three.shape == (12,)
    assert (three < four).all()
    assert np.allclose(seven, 1.0)
