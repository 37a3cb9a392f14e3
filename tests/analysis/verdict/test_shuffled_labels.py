"""What a control with shuffled labels is said to show."""

from __future__ import annotations

import re

import pytest

from analysis.verdict.shuffled_labels import Control, what_it_says

NONE = (0.60, 0.61, 0.59)


@pytest.mark.parametrize(
    ("shuffled", "taught", "said"),
    [
        ((0.58, 0.59, 0.57), (0.46, 0.47, 0.45), r"what the labels teach lowers the error \(12\.0 points"),
        ((0.50, 0.46, 0.54), (0.49, 0.53, 0.45), "no difference beyond the noise"),
        ((0.46, 0.47, 0.45), (0.58, 0.59, 0.57), "shuffled labels do better"),
        ((0.58,), (0.46,), "12.0 points less error; one fine-tune each, so the noise is not known"),
        ((0.58, 0.59), (), "the arm itself was not run at n = 4,000"),
    ],
)
def test_a_difference_is_spoken_of_only_beyond_the_noise_of_the_fine_tunes(
    shuffled: tuple[float, ...], taught: tuple[float, ...], said: str
) -> None:
    assert re.search(said, what_it_says(Control("plain", 4000, shuffled, taught, NONE)))
