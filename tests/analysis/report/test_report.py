from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from analysis import fit_law, fit_laws
from analysis.effects.answers import answers
from analysis.effects.factors import Factors
from analysis.effects.fit import fit_effects, measured_of
from analysis.report.records import (
    ContactSheet,
    Decision,
    Observation,
    Reference,
    ReportData,
    StageSpend,
    StepsTried,
    Tuned,
)
from analysis.report.write import Figures, draw_figures, render_html, write_report
from analysis.verdict.no_pretraining import compare
from analysis.verdict.shuffled_labels import Control
from analysis.verdict.verdict import verdict
from tests.analysis.evidence.truths import observe

# Neither HTML nor a formula of matplotlib: an unclosed brace between two dollars would end the drawing.
NASTY = "<script>alert('a')</script> & $\\frac{$ co"

# Errors without pre-training beside each arm: the first is better, the second worse.
WITHOUT = ((0.30, 0.31, 0.305), (0.15, 0.152, 0.151))


def _png() -> bytes:
    buffer = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data() -> ReportData:
    arms = ["everything random", NASTY]
    truths = [observe(0.5, 0.15, 2.0, 0.01, np.array([200.0, 800, 3200, 3200]), seed) for seed in (1, 2)]
    seen = [
        Observation(arm, int(n), i, (float(e), float(e) * 1.02), 2 * i + side + 1, 1.5, 90.0)
        for side, (arm, truth) in enumerate(zip(arms, truths, strict=True))
        for i, (n, e) in enumerate(zip(truth.n, truth.error, strict=True))
    ]
    runs = {arm: [o for o in seen if o.arm == arm] for arm in arms}
    fits = fit_laws({arm: ([o.n for o in own], [o.error for o in own]) for arm, own in runs.items()})
    return ReportData(
        title=f"Sweep {NASTY}",
        question="Render more, or change the rendering?",
        arms=arms,
        observations=seen,
        fits=fits,
        verdicts={
            arm: verdict(fit, arm=arm, target_error=0.16, reference_errors=without)
            for (arm, fit), without in zip(fits.items(), WITHOUT, strict=True)
        },
        references={arm: Reference(arm, without, 1e-3, 3e-4) for arm, without in zip(arms, WITHOUT, strict=True)},
        decisions=[Decision(o.order, o.arm, o.n, o.seed, None, 1.5, f"because {NASTY}", o.error) for o in seen],
        ledger=[StageSpend("render", 6400, "images", 320.0, 0.25), StageSpend("finetune", 8, "runs", 100.0, 0.05)],
        unit="minutes",
        stop_reason="budget spent",
        config_text=f"name: {NASTY}",
        versions={"torch": "2.13.0"},
        seeds={"sweep": 0},
        sheets=[ContactSheet("everything random", "ten scenes", _png())],
        target_error=0.16,
        controls=[Control(arms[0], 800, (0.3, 0.31), (0.2, 0.21), (0.30, 0.31, 0.305))],
        tuning=[Tuned(arms[0], 3200, f"lr 0.005, {NASTY}", 4, 1, 0.21, 0.24, "kept", 90.0, 0.01)],
        tuned_on="of lr, on 2 folds",
        steps=[
            StepsTried("no pre-training", n, steps, error, (error - 0.01, error + 0.01), steps == 600, 12.0)
            for n in (0, 3200)
            for steps, error in ((300, 0.4), (600, 0.35))
        ],
        steps_reason=f"fine-tunes have 600 steps {NASTY}",
    )


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return render_html(data, draw_figures(data))


def test_the_page_holds_every_section_and_the_verdict_sentence(data: ReportData, page: str) -> None:
    for section in (
        "answer",
        "curves",
        "law",
        "reference",
        "controls",
        "steps",
        "tuning",
        "decisions",
        "images",
        "ledger",
        "made",
    ):
        assert f'<section id="{section}">' in page
    assert data.verdicts["everything random"].sentence in page
    assert "budget spent" in page
    assert "what the labels teach lowers the error" in page
    assert "4 (1 stopped early)" in page
    assert "2.13.0" in page
    assert 'role="img" aria-label="Error on the folds against steps"' in page
    assert "fine-tunes have 600 steps" in page
    assert "34.00%, 36.00%" in page
    assert "$0.30" in page, "the ledger's total"


def test_names_and_reasons_are_escaped_everywhere(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert(" in page


def test_the_page_asks_nothing_of_the_network(page: str) -> None:
    assert not re.findall(r"https?://", page)
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)


def test_simulated_errors_are_said_on_the_page_and_in_every_table(data: ReportData, page: str, tmp_path: Path) -> None:
    assert "Simulated:" not in page
    simulated = write_report(tmp_path, replace(data, simulated=True)).read_text(encoding="utf-8")
    assert "Simulated: every error on this page was drawn from a known law" in simulated
    for table in (tmp_path / "tables").iterdir():
        rows = list(csv.DictReader(table.open(encoding="utf-8")))
        assert {row["simulated"] for row in rows} == {"True"}


def test_figures_are_pictures_and_tables_hold_the_numbers(data: ReportData, tmp_path: Path) -> None:
    write_report(tmp_path, data)
    figures = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert sorted(re.sub(r"-\d-", "-", name) for name in figures) == [
        "comparison.png",
        "curve-everything-random.png",
        "curve-script-alert-a-script-frac-co.png",
        "decisions.png",
        "steps.png",
    ]
    for name in figures:
        assert imread(tmp_path / "figures" / name).std() > 0.01, f"{name} is blank"
    rows = list(csv.DictReader((tmp_path / "tables" / "observations.csv").open(encoding="utf-8")))
    assert [row["n"] for row in rows].count("0") == 2, "the two references"
    assert float(rows[0]["error"]) == pytest.approx(data.observations[0].error)
    fitted = list(csv.DictReader((tmp_path / "tables" / "fits.csv").open(encoding="utf-8")))
    assert float(fitted[0]["C"]) == pytest.approx(data.fits["everything random"].C.median)
    assert float(fitted[0]["C_mean"]) == pytest.approx(data.fits["everything random"].C.mean)


def test_a_sweep_that_has_not_begun_still_has_a_page(data: ReportData, tmp_path: Path) -> None:
    empty = replace(
        data, observations=[], fits={}, verdicts={}, references={}, decisions=[], ledger=[], sheets=[], steps=[]
    )
    page = write_report(tmp_path, replace(empty, stop_reason="")).read_text(encoding="utf-8")
    assert "No verdict yet: no arm has runs at three sizes" in page
    assert not list((tmp_path / "figures").iterdir())


def test_one_comparison_with_no_pre_training_wherever_it_is_said(data: ReportData, page: str) -> None:
    """Given a verdict with its comparison, the answer says it in words, and the table of n = 0 has the same numbers."""
    said = data.verdicts["everything random"].without
    assert said is not None
    assert page.count(said.sentence) == 1, "in the answer's box alone"
    low, high = said.interval
    assert f"{100 * said.saved:.1f} (95%: {100 * low:.1f} to {100 * high:.1f})" in page
    assert f"{100 * said.saved:.1f} points lower (95% interval {100 * low:.1f} to {100 * high:.1f})" in page
    assert "30.5% (3 fine-tunes)" in page
    other = replace(data, references={arm: replace(r, errors=(0.5,)) for arm, r in data.references.items()})
    assert "50.0%" not in render_html(other, Figures({}, {})), "a comparison of its own"


def test_an_arm_that_is_worse_than_none_is_marked_so(data: ReportData, page: str, tmp_path: Path) -> None:
    """Given one arm that is better than no pre-training and one that is worse, page and table tell them apart."""
    assert re.findall(r'class="chip worse">([^<]*)<', page) == ["worse than none"]
    assert re.findall(r"<td[^>]*>((?:better|worse) than none)</td>", page) == ["better than none", "worse than none"]
    assert "<p>Worse than no pre-training: with 3,200 images" in page
    write_report(tmp_path, data)
    rows = csv.DictReader((tmp_path / "tables" / "verdicts.csv").open(encoding="utf-8"))
    assert [row["against_none"] for row in rows] == ["better", "worse"]


def test_an_arm_whose_reference_is_not_finished_is_not_compared(data: ReportData) -> None:
    """Given errors without pre-training that no verdict has yet, the table says so and shows what was measured."""
    open_ = replace(data, verdicts={arm: replace(said, without=None) for arm, said in data.verdicts.items()})
    page = render_html(open_, Figures({}, {}))
    assert "n = 0 is not finished" in page
    assert "not compared" in page


def test_medians_are_told_and_said_to_be_once(data: ReportData, page: str) -> None:
    fit, said = data.fits["everything random"], data.verdicts["everything random"]
    low, high = fit.alpha.interval(0.95)
    assert f"{fit.alpha.median:.3f} ({low:.3f} to {high:.3f})" in page
    low, high = said.error_now_interval
    assert f"{said.error_now:.1%} ({100 * low:.1f} to {high:.1%})" in page
    holds = r"told on this page as its median, with an interval that holds\s+(\d+)%\."
    assert re.findall(holds, page) == ["95"]
    asked = {arm: replace(verdict, level=0.9) for arm, verdict in data.verdicts.items()}
    assert re.findall(holds, render_html(replace(data, verdicts=asked), Figures({}, {}))) == ["90"]


def test_a_slope_that_the_prior_gave_is_said_under_its_figures(data: ReportData, page: str) -> None:
    """Given an arm of errors that fall a little, the page says that its slope is the prior's, of no other arm."""
    line = "The slope drawn is mostly the prior&#39;s: the runs do not determine alpha."
    assert line not in page
    arm, other = data.arms
    flat = fit_law([200, 400, 800], [0.26, 0.25, 0.245], log_variance=[1e-4] * 3)
    unsure = replace(data, fits={arm: flat, other: data.fits[other]})

    told = render_html(unsure, draw_figures(unsure))

    assert told.count(line) == 2, "under the arm's figure and under that of all arms"
    assert f"Dashed ({arm}): {line}" in told


def test_pre_training_is_compared_with_none(data: ReportData) -> None:
    fit = data.fits["everything random"]
    better = compare(fit, 3200, (0.30, 0.31, 0.305))
    assert better.probability > 0.99
    assert re.match(
        r"Yes: with 3,200 images the error is, by the law, 1\d\.\d points lower \(95% inter", better.sentence
    )
    worse = compare(fit, 200, (0.20, 0.21, 0.205))
    assert re.match(
        r"No: with 200 images the error is, by the law, [\d.]+ points higher \(95% interval \d", worse.sentence
    )
    level = float(fit.median_curve(3200))
    assert compare(fit, 3200, (level,)).sentence.startswith("Not shown")
    with pytest.raises(ValueError, match="n = 0 reference has no errors"):
        compare(fit, 3200, ())


def test_effects_of_attributes_have_a_section_a_figure_and_two_tables(
    data: ReportData, page: str, tmp_path: Path
) -> None:
    assert '<section id="effects">' not in page
    factors = Factors({"material": ("own", "random"), "light": ("fix", "random")})
    said = answers(fit_effects(factors, measured_of([0, 1, 2], [-1.0, -1.0, -0.8])), n=4096)

    shown = write_report(tmp_path, replace(data, effects={"sinclass on net": said})).read_text(encoding="utf-8")

    assert '<section id="effects">' in shown
    assert (tmp_path / "figures" / "effects.png").exists()
    rows = list(csv.DictReader((tmp_path / "tables" / "effects.csv").open(encoding="utf-8")))
    assert (rows[0]["factor"], rows[0]["level"], rows[0]["n"]) == ("material", "own", "4096")
    settings = list(csv.DictReader((tmp_path / "tables" / "settings.csv").open(encoding="utf-8")))
    assert settings[-1]["which"] == "to run next"
    assert settings[-1]["setting"] == "material random, light random"

    # and where no arm has a law, as in an adaptive design, the effects are the answer
    lawless = replace(data, fits={}, verdicts={}, effects={"sinclass on net": said})
    shown = write_report(tmp_path, lawless).read_text(encoding="utf-8")
    answer = shown.partition('<section id="answer">')[2].partition("</section>")[0]
    assert "Material: own instead of random" in answer
    assert "No verdict yet" not in answer
    reference = shown.partition('<section id="reference">')[2].partition("</section>")[0]
    assert "too few sizes for an interval" in reference
