from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from analysis.evidence.backtest import score, tasks
from analysis.paper.recorded import read_paper
from sweeper.bench.registry import Figure, as_json, as_text, run_bench
from sweeper.errors import BadInput


def test_figures_are_printed_as_the_design_says() -> None:
    found = json.loads(as_json("fit", {"curves_per_s": Figure(50.0, 200.0, "a second")}))
    assert found["bench"] == "fit"
    assert found["figures"]["curves_per_s"] == {"value": 50.0, "reference": 200.0, "ratio": 0.25, "unit": "a second"}
    assert "curves_per_s" in as_text("fit", {"curves_per_s": Figure(50.0, 200.0, "a second")})


def test_an_unknown_bench_and_a_missing_data_root_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWEEPER_DATA_ROOT", raising=False)
    with pytest.raises(BadInput, match="there is no bench 'fat'; choose one of fit"):
        run_bench("fat", None)
    with pytest.raises(BadInput, match="name their folder with --data-root"):
        run_bench("fit", None)
    with pytest.raises(BadInput, match="cannot be read"):
        run_bench("fit", tmp_path)


@pytest.mark.data
def test_posterior_beats_the_papers_estimator_on_its_own_curves() -> None:
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set: the recorded curves are not at hand")
    paper = read_paper(Path(root) / "curves" / "cg_transfer_finetune.csv")
    small = next(task for task in tasks(paper, {}) if task.name == "64k")
    scores = {each.method: each for each in score(small)}
    assert scores["posterior"].curves == 45
    assert scores["posterior"].rmse < 0.9 * scores["nls_D_0.48"].rmse
    covered = scores["posterior"].coverage
    assert covered is not None
    assert covered >= 0.85
