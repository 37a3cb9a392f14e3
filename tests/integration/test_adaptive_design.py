"""An adaptive design of renderings through the command line: eight settings of known laws, one size each."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.integration import sweeps
from tests.integration.command_line import place
from tests.integration.run_folder import errors, lines

pytestmark = pytest.mark.timeout(500)

LEVELS = {"light": ("fix", "random"), "look": ("class", "hue"), "distractors": (0, 8)}


def gap(setting: dict[str, Any]) -> float:
    """The look does most; light a little; distractors nothing."""
    return 0.3 - 0.08 * (setting["look"] == "hue") - 0.02 * (setting["light"] == "random")


SETTINGS = [dict(zip(LEVELS, levels, strict=True)) for levels in product(*LEVELS.values())]


def name(setting: dict[str, Any]) -> str:
    """As the sweep names it."""
    return ".".join(f"{key}-{setting[key]}" for key in LEVELS)


SWEEP: dict[str, Any] = {
    "name": "which-setting",
    "renderings": {
        "factors": {key: list(levels) for key, levels in LEVELS.items()},
        "design": "adaptive",
        "start": 4,
    },
    "pretrain": {"tasks": ["simulated"], "backbones": ["simulated"]},
    "finetune": {"tasks": ["simulated"]},
    "tune": {"trials": 0},
    "ladder": {"sizes": [500, 1000, 2000]},
    "policy": {"reference_seeds": 1},
    "simulated": {name(each): {"alpha": 0.5, "C": gap(each), "D": 2.0, "sigma": 0.005} for each in SETTINGS},
    "objective": "best",
    "n_target": 2000,
    "stop": {"best_within": 0.005},
    "budget": {"minutes": 10},
}


def test_it_finds_the_best_setting_says_what_it_foretold_and_names_the_attribute(tmp_path: Path) -> None:
    # given eight settings of which four are run first
    with place(tmp_path) as here:
        config = sweeps.write(SWEEP, tmp_path)
        # when the sweep is run to its end, and its status asked
        finished = here.run("run", str(config), "--json", timeout_s=400)
        told = here.run("status", str(tmp_path / "runs" / "which-setting"))
    assert finished.code == 0, finished.err[-3000:]
    run = tmp_path / "runs" / "which-setting"

    # then one of the two that are truly best is recommended, as certain
    stop = next(event for event in finished.events if event["event"] == "stop")
    assert stop["kind"] == "best", json.dumps(stop)
    said = next(line for line in finished.err.splitlines() if line.startswith("stopped: "))
    assert "light random" in said
    assert "look hue" in said

    # and each chosen run was foretold, at its one size, and none is run twice
    decided = lines(run / "decisions.jsonl")
    chosen = [each for each in decided if each["gain"] is not None]
    assert chosen
    assert len({(each["arm"], each["seed"]) for each in decided}) == len(decided)
    assert all("its error is foretold as" in each["reason"] for each in chosen)
    assert {n for _, n, _, _ in errors(run)} == {0, 2000}
    assert "look: hue instead of class lowers the error at 2,000 images by" in told.out
