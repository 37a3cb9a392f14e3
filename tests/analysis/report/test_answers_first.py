"""What a reader of the report finds first, and that it is told once."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis import fit_laws
from analysis.report.records import ContactSheet, Decision, NextStep, Observation, Reference, ReportData
from analysis.report.write import for_page, write_report
from analysis.verdict.verdict import verdict
from tests.analysis.evidence.truths import observe

TASK = "sinclass/small_resnet/sinclass"
ARMS = {f"plain/{TASK}": 0.30, f"hue/{TASK}": 0.20}
NONE = (0.45, 0.46, 0.455)
COMMAND = "sweeper run runs/x/config.yaml budget.minutes=90"


@pytest.fixture(scope="module")
def data() -> ReportData:
    """Two renderings, the second of them ten points better, tested on 2,000 photographs."""
    sizes = np.array([500.0, 1000, 2000, 4000, 8000, 8000])
    seen = [
        Observation(arm, int(n), i, (float(e),), i + 1, 1.0, 1.0)
        for seed, (arm, C) in enumerate(ARMS.items())
        for i, (n, e) in enumerate(zip(sizes, observe(0.5, C, 3.0, 0.004, sizes, seed).error, strict=True))
    ]
    runs = {arm: [each for each in seen if each.arm == arm] for arm in ARMS}
    fits = fit_laws({arm: ([o.n for o in own], [o.error for o in own]) for arm, own in runs.items()})
    fits = {arm: replace(fit, test_size=np.full(fit.n.size, 2000.0)) for arm, fit in fits.items()}
    return ReportData(
        title="evidence",
        question="Render more, or change the rendering?",
        arms=list(ARMS),
        observations=seen,
        fits=fits,
        verdicts={a: verdict(fit, arm=a, target_error=0.25, reference_errors=NONE) for a, fit in fits.items()},
        references={arm: Reference(arm, NONE, 1e-3, None) for arm in ARMS},
        decisions=[Decision(1, f"hue/{TASK}", 500, 0, None, 1.0, f"pilot: a first look at hue/{TASK}", 0.33)],
        ledger=(),
        unit="minutes",
        stop_reason=f"the best arm is certain: hue/{TASK}",
        config_text="name: evidence",
        versions={},
        seeds={},
        next_steps=[NextStep(f"Decide plain/{TASK}", COMMAND, "Each run took 6 minutes and $0.01")],
        levels={f"plain/{TASK}": {"look": "plain"}, f"hue/{TASK}": {"look": "hue"}},
        facts=[("The real task", "sinclass on clothing, from 300 labelled photographs")],
        photographs=ContactSheet("Real photographs (clothing)", "24 of the 300", b"\xff\xd8photographs"),
        sheets=[ContactSheet("hue", "24 of its first 125 renders", b"\xff\xd8renders", b"\xff\xd8labels")],
    )


@pytest.fixture(scope="module")
def page(data: ReportData, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(tmp_path_factory.mktemp("report"), data).read_text(encoding="utf-8")


def test_the_best_arm_comes_first_then_what_to_do_then_the_curves(page: str) -> None:
    """Given a sweep that tells two renderings apart, the order is: who is best by how much, each arm, the command for
    the next step with its cost, what was measured on, the curves, the renders beside photographs."""
    order = [
        "hue is best: with 8,000 images its error is ",
        '<span class="dot" style="background:var(--arm-0)"></span>hue</span>',
        '<span class="dot" style="background:var(--arm-1)"></span>plain</span>',
        f"<code>{COMMAND}</code>",
        "Each run took 6 minutes",
        "sinclass on clothing, from 300 labelled photographs",
        "2,000 test images tell two arms apart from 2.",
        'aria-label="Error against n, all arms"',
        'alt="Real photographs (clothing)"',
        'alt="hue" src="data:image/jpeg;base64,',
        '<section id="decisions">',
    ]
    places = [page.find(each) for each in order]
    assert -1 not in places, dict(zip(order, places, strict=True))
    assert places == sorted(places)


def test_arms_are_called_by_what_differs_on_the_page_and_in_full_in_the_files(data: ReportData, tmp_path: Path) -> None:
    page = write_report(tmp_path, data).read_text(encoding="utf-8")
    # each full name once, where names are explained
    assert page.count(f"hue/{TASK}") == 1
    assert "pilot: a first look at hue<" in page
    assert "the best arm is certain: hue." in page
    rows = list(csv.DictReader((tmp_path / "tables" / "observations.csv").open(encoding="utf-8")))
    assert {row["arm"] for row in rows} == set(ARMS)


def test_what_endless_rendering_leaves_is_one_number_wherever_it_is_told(data: ReportData, page: str) -> None:
    """Given an arm, the table of answers, that of the law, and its figure tell the same median and interval."""
    for arm in ARMS:
        said = data.verdicts[arm]
        low, high = said.C_interval
        told = f"{float(np.median(data.fits[arm].gap())):.1%} ({100 * low:.1f} to {high:.1%})"
        assert page.count(told) == 3, told
    # and so does the error at the images at hand: its sentence and the one table
    good = data.verdicts[f"hue/{TASK}"]
    low, high = good.error_now_interval
    assert page.count(f"{good.error_now:.1%} ({100 * low:.1f} to {high:.1%})") == 1
    assert good.sentence.split(" Better than")[0] in page


def test_figures_have_the_pages_colours_and_ids_of_their_own(page: str) -> None:
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    # all arms, wide and narrow; each arm; the decisions, wide and narrow
    assert len(drawn) == 2 + 2 + 2
    assert all("var(--ink)" in each for each in drawn)
    ids = re.findall(r'\bid="([^"]+)"', "".join(drawn))
    own = [set(re.findall(r'\bid="([^"]+)"', each)) for each in drawn]
    assert sum(map(len, own)) == len(set(ids))
    # and the letters are letters
    assert all("no pre-training (n = 0)" in each for each in drawn[:4])


def test_a_page_of_a_running_sweep_says_so_and_reads_itself_anew(data: ReportData, page: str, tmp_path: Path) -> None:
    running = write_report(tmp_path, replace(data, stop_reason="", refresh_s=30)).read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="30">' in running
    assert "Not finished" in running
    assert "http-equiv" not in page
    assert "Not finished" not in page


def test_arms_of_different_real_tasks_are_not_compared(data: ReportData) -> None:
    """Given two arms of which one is fine-tuned for another task, neither is said to be best."""
    other = replace(data, tasks={f"plain/{TASK}": "sinclass", f"hue/{TASK}": "objdet"})
    assert for_page(other).arms == ["plain", "hue"]
    assert for_page(data).arms == ["hue", "plain"], "the best first"
