from __future__ import annotations

from pathlib import Path

import pytest

from analysis.evidence.verdict_reliability import HEAD, QUESTIONS, Look
from sweeper.bench.verdicts import figures_of, measure


def test_verdicts_are_counted_by_question_and_label_beside_what_they_said() -> None:
    figures = figures_of(
        [
            Look(QUESTIONS[0], "render more", 3, 0.72, False, False),
            Look(QUESTIONS[0], "render more", 4, 0.97, True, True),
            Look(QUESTIONS[2], "change the rendering", 3, 0.99, True, False),
        ]
    )
    everything = figures["verdicts_right_all"]
    assert (everything.value, everything.reference) == pytest.approx((0.5, 0.98))
    assert everything.unit.startswith("share of 2 verdicts given, after 3.5 runs")
    assert figures["verdicts_right_target_any_n"].value == 1
    assert figures["verdicts_right_change_the_rendering"].value == 0
    assert "verdicts_right_target_n_limited" not in figures
    assert (figures["looks_right_from_0.7_to_0.8"].value, figures["looks_right_from_0.7_to_0.8"].reference) == (0, 0.72)


def test_the_whole_table_is_written(tmp_path: Path) -> None:
    out = tmp_path / "verdicts.csv"
    figures = measure(truths=3, seed=1, out=out)
    lines = out.read_text().splitlines()
    assert lines[0] == HEAD
    assert lines[-1].startswith('"all: given",0.95,1,')
    assert figures["verdicts_right_all"].value <= 1
