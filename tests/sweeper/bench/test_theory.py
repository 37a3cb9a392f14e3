"""`sweeper bench theory`, small: every part answers, and its CSV file holds what was measured."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from analysis.theory.activations import RELU
from sweeper.bench import theory_parts as parts
from sweeper.bench.theory import measure
from sweeper.bench.theory_sizes import CASES, FULL, SMALL


def test_every_case_is_admitted_and_has_its_job() -> None:
    for sizes, xis in ((SMALL, 1), (FULL, 2)):
        names = [name for name, _ in parts.jobs(sizes)]
        assert all(names.count(f"fine-tuning {case.name}") == xis for case in CASES)
    for case in CASES:
        case.check()
    assert {case.name for case in CASES} == {"I-A", "I-B", "II-A", "II-B"}


def test_an_exponent_stands_beside_its_bound_with_its_range_and_interval() -> None:
    figures = parts.pretraining_part(RELU, 0.5, SMALL).figures
    expected, networks = figures["exponent_pretraining_r0.5_xi2"], figures["exponent_pretraining_r0.5_xi2_networks"]
    assert expected.reference == networks.reference == pytest.approx(2 / 3)
    assert expected.unit == "exponent, expected, T0 256 to 2048 (4 cells); reference: bound"
    assert "3 networks of width 32, T0 32 to 128 (3 cells), 95 % " in networks.unit


@pytest.mark.slow
def test_the_whole_small_bench(tmp_path: Path) -> None:
    figures = measure(small=True, out=tmp_path / "theory.csv")
    for case in ("I-A", "I-B", "II-A", "II-B"):
        assert {f"exponent_{case}_xi2_networks_T1", f"exponent_{case}_xi2_networks_R0"} <= set(figures)
    assert {"failure_no_penalty_T0", "forms_gap1_none_additive", "exponent_width_finetuned"} <= set(figures)
    with (tmp_path / "theory.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} >= {"pretraining", "fine-tuning networks", "failure", "width"}
    assert all(float(row["error"]) > 0 for row in rows)
