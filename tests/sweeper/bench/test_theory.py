"""`sweeper bench theory`, small: every part answers, and its CSV file holds what was measured."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.theory.activations import RELU
from sweeper.bench import theory_parts as parts
from sweeper.bench.theory import measure
from sweeper.bench.theory_figures import HEAD, Part, line, rng_of
from sweeper.bench.theory_sizes import CASES, FULL, SMALL

Rows = list[dict[str, str]]
# A ladder of T1 that reaches where the penalty rules and, at the largest T0, where it does not.
REACHING = replace(SMALL, before=(2, 10, 2), after=(6, 22, 2))


def rows(part: Part) -> Rows:
    return list(csv.DictReader([HEAD, *part.all_lines]))


def number(row: dict[str, str], name: str) -> float:
    return float(row[name])


def test_every_case_is_admitted_and_has_its_jobs() -> None:
    for sizes in (SMALL, FULL):
        names = [name for name, _ in parts.jobs(sizes)]
        assert len(set(names)) == len(names)
        cases = [case for case in CASES if case.xi in sizes.xis]
        assert {f"fine-tuning {case.name} xi {case.xi:g}" for case in cases} <= set(names)
        assert {f"forms xi {xi:g} gap {gap}" for xi in sizes.xis for gap in ("1", "0.01")} <= set(names)
    for case in CASES:
        case.check()
    assert {case.name for case in CASES} == {"I-A", "I-B", "II-A", "II-B"}
    assert {case.xi for case in CASES} == set(FULL.xis) == {2.0, 4.0}


def test_every_setting_has_its_own_draws() -> None:
    one, same, other = (rng_of(name).uniform(size=3) for name in ("I-A_xi2", "I-A_xi2", "I-B_xi2"))
    assert list(one) == list(same)
    assert not set(one) & set(other)


def test_a_line_has_the_mean_of_its_seeds_and_students_interval() -> None:
    [row] = csv.DictReader([HEAD, line("width", "a", (4.0, None, None, None), [1.0, 2.0, 3.0], 0.5)])
    assert (row["T0"], row["T1"], row["value"], row["reference"]) == ("4", "", "2", "0.5")
    assert number(row, "high") - 2 == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    assert number(row, "high") - 2 == pytest.approx(2 - number(row, "low"), rel=1e-4)


def test_an_exponent_stands_beside_its_bound_with_its_range_and_interval() -> None:
    part = parts.pretraining_part(RELU, 0.5, SMALL)
    name = "exponent_pretraining_r0.5_xi2"
    expected, networks = (part.measured[key].figure for key in (name, f"{name}_networks"))
    assert expected.reference == networks.reference == pytest.approx(2 / 3)
    assert expected.unit == "exponent, expected, T0 256 to 2048 (4 cells); reference: bound"
    assert "3 networks of width 32, T0 32 to 128 (3 cells), 95 % " in networks.unit
    [row] = [row for row in rows(part) if row["setting"] == f"{name}_networks"]
    assert number(row, "value") == pytest.approx(networks.value, rel=1e-5)
    assert number(row, "low") < number(row, "value") < number(row, "high")


def test_the_exponents_of_fine_tuning_are_those_of_the_cells_where_the_penalty_rules() -> None:
    part = parts.finetuning_part(CASES[0], REACHING)
    cells = [row for row in rows(part) if row["part"] == "fine-tuning"]
    ruled = [row for row in cells if number(row, "T1") >= 2**14 and number(row, "pull") >= 4]
    assert 6 <= len(ruled) < len([row for row in cells if number(row, "T1") >= 2**14])
    sizes = np.log([[number(row, name) for name in ("T1", "R0")] for row in ruled])
    error = np.log([number(row, "value") for row in ruled])
    _, of_T1, of_R0 = np.linalg.lstsq(np.column_stack([np.ones(len(ruled)), sizes]), error, rcond=None)[0]
    assert part.measured["exponent_I-A_xi2_T1"].value == pytest.approx(-of_T1, abs=1e-3)
    assert part.measured["exponent_I-A_xi2_R0"].value == pytest.approx(of_R0, abs=1e-3)
    # The bound's are 0.5 and 1/3.
    assert 0.47 < -of_T1 < 0.6
    assert 0.27 < of_R0 < 0.36
    largest = max(number(row, "value") / number(row, "reference") for row in cells)
    assert part.measured["over_bound_I-A_xi2"].value == pytest.approx(largest, rel=1e-4)


def test_the_form_named_best_has_the_least_error_on_hidden_cells() -> None:
    part = parts.forms_part(2.0, 1.0, SMALL)
    scores = [row for row in rows(part) if row["part"] == "forms" and " prescribed " in row["setting"]]
    for form in ("law (2)", "additive", "label equivalents"):
        own = {row["setting"].split()[0]: number(row, "value") for row in scores if row["setting"].endswith(form)}
        best = sum(
            own[case] <= min(number(row, "value") for row in scores if row["setting"].split()[0] == case)
            for case in own
        )
        key = f"forms_xi2_gap1_prescribed_{form}".replace(" ", "_").replace("(", "").replace(")", "")
        assert len(own) == 4
        assert part.measured[key].value == pytest.approx(np.mean(list(own.values())), rel=1e-4)
        assert f"mean of 4 cases, best in {best}" in part.measured[key].unit


def test_narrow_networks_stand_beside_what_is_expected() -> None:
    sizes = replace(SMALL, small_width_seeds=12, small_widths_before=(3, 9, 1))
    narrow, wide = (parts.small_width_part(width, sizes).measured for width in (4, 256))
    over = [each[f"failure_width_{width}_over_expected_T0_512"] for width, each in ((4, narrow), (256, wide))]
    assert over[0].low > 1
    assert over[1].low < 1.1
    assert over[1].high > 0.9
    assert over[0].value > over[1].value


@pytest.mark.slow
def test_the_whole_small_bench(tmp_path: Path) -> None:
    figures = measure(small=True, out=tmp_path / "theory.csv")
    for case in ("I-A", "I-B", "II-A", "II-B"):
        assert {f"exponent_{case}_xi2_networks_T1", f"exponent_{case}_xi2_networks_R0"} <= set(figures)
    assert {"failure_no_penalty_T0", "forms_xi2_gap1_none_additive", "exponent_width_relu_finetuned"} <= set(figures)
    with (tmp_path / "theory.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {row["part"] for row in table} >= {"pretraining", "fine-tuning networks", "failure", "width", "forms"}
    for row in table:
        if row["low"]:
            assert number(row, "low") < number(row, "value") < number(row, "high")
    kept = {row["setting"]: number(row, "value") for row in table if row["part"] == "figure"}
    assert kept == pytest.approx({name: figure.value for name, figure in figures.items()}, rel=1e-5)
    assert kept["xi_relu"] == pytest.approx(2, abs=0.1)
    # Wide networks follow the recursion.
    assert kept["width_128_relu_finetuned"] < kept["width_32_relu_finetuned"]
