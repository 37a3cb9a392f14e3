"""`sweeper bench`: every measurement is listed, answers in one form, and refuses what it cannot use in one line."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path

import pytest
import typer

from sweeper.__main__ import app
from sweeper.bench.figures import Figure, as_json, as_text
from sweeper.bench.registry import BENCHES, HELP, run_bench
from sweeper.errors import BadInput


def test_figures_are_printed_as_the_design_says() -> None:
    figures = {"curves_per_s": Figure(50.0, 200.0, "a second"), "none": Figure(1.0, 0.0, "of none")}
    found = json.loads(as_json("fit", figures))
    assert found["bench"] == "fit"
    assert found["figures"]["curves_per_s"] == {"value": 50.0, "reference": 200.0, "ratio": 0.25, "unit": "a second"}
    assert found["figures"]["none"]["ratio"] is None
    lines = as_text("fit", figures).splitlines()
    assert lines[2].split() == ["curves_per_s", "50", "200", "0.250", "a", "second"]
    assert lines[3].split()[:4] == ["none", "1", "0", "-"]


def test_the_help_lists_every_bench_with_its_reference_on_a_line_of_its_own() -> None:
    lines = HELP.splitlines()
    for name, bench in BENCHES.items():
        (line,) = (line for line in lines if line.startswith(f"{name}: "))
        assert bench.measures in line
        assert bench.reference in line
        # what a terminal of 80 columns has room for
        assert len(line) <= 78


@pytest.mark.parametrize("name", BENCHES)
def test_the_options_of_a_bench_are_parameters_of_its_function(name: str) -> None:
    module, function = BENCHES[name].function.split(":")
    measure = getattr(import_module(f"sweeper.bench.{module}"), function)
    assert set(BENCHES[name].options) <= set(inspect.signature(measure).parameters)


def test_without_a_name_the_command_says_which_there_are() -> None:
    with pytest.raises(BadInput, match="bench needs a name; choose one of fit, pretrain, render, "):
        app(["bench"], standalone_mode=False)
    with pytest.raises(typer.TyperException, match="greater than or equal to 1"):
        app(["bench", "overhead", "--runs", "0"], standalone_mode=False)


def test_what_a_bench_cannot_use_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEPER_DATA_ROOT", raising=False)
    with pytest.raises(BadInput, match="there is no bench 'fat'; choose one of fit"):
        run_bench("fat", {})
    with pytest.raises(BadInput, match="--runs is no option of bench fit, but of overhead"):
        run_bench("fit", {"runs": 5})
    with pytest.raises(BadInput, match="--data-root is no option of bench render, but of fit and policy and "):
        run_bench("render", {"data_root": tmp_path})
    for name in ("fit", "policy", "policy-renderings", "selection"):
        with pytest.raises(BadInput, match="needs the recorded curves; name their folder with --data-root"):
            run_bench(name, {})
        with pytest.raises(BadInput, match="cannot be read"):
            run_bench(name, {"data_root": tmp_path})
