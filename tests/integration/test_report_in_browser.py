"""report.html in a real browser: it stands alone, and a reader finds the answer on it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, sync_playwright

from tests.integration.conftest import Sweep
from tests.integration.run_folder import lines, table

pytestmark = pytest.mark.timeout(500)

# Without the last ones the browser itself, not the page, calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """A page that was opened, and what it did."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What a reader sees, runs of white space as one blank."""
        return " ".join(self.page.inner_text("body").split())


@pytest.fixture(scope="module")
def visit(simulated: Sweep) -> Iterator[Visit]:
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        if browser_path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no browser: apt install chromium, or playwright install chromium")
        browser = playwright.chromium.launch(executable_path=browser_path, headless=True, args=ARGUMENTS)
        page = browser.new_page()
        opened = Visit(page, (simulated.folder / "report.html").as_uri())
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("requestfailed", lambda request: opened.complaints.append(f"failed: {request.url[:200]}"))
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.goto(opened.address, wait_until="networkidle")
        yield opened
        browser.close()


def test_the_page_asks_for_nothing_but_itself(visit: Visit) -> None:
    assert visit.requests[0] == visit.address
    assert [url for url in visit.requests[1:] if not url.startswith("data:")] == []
    assert visit.complaints == []


def test_every_image_loads(visit: Visit) -> None:
    widths = visit.page.eval_on_selector_all("img", "images => images.map(i => [i.alt, i.complete, i.naturalWidth])")
    # the arms together, each arm's curve, the path of decisions and the spending
    assert len(widths) >= 5
    assert [image for image in widths if not (image[1] and image[2] > 0)] == []


def test_the_answer_stands_first_in_a_sentence_a_manager_understands(visit: Visit, simulated: Sweep) -> None:
    answers = " ".join(visit.page.inner_text("#answer").split())
    for row in table(simulated.folder, "verdicts"):
        assert row["arm"] in answers
        assert row["verdict"] in answers
        assert " ".join(row["sentence"].split()) in answers
    # and it is visible without scrolling far: above every figure
    answer = visit.page.locator("#answer .answer").first.bounding_box()
    figure = visit.page.locator("img").first.bounding_box()
    assert answer is not None
    assert figure is not None
    assert answer["y"] < figure["y"]
    assert "Simulated: every error on this page was drawn from a known law" in visit.text


def test_alpha_and_c_are_given_with_their_intervals(visit: Visit, simulated: Sweep) -> None:
    law = visit.page.inner_text("#law")
    for fit in table(simulated.folder, "fits"):
        for name in ("alpha", "C"):
            mean, low, high = (float(fit[column]) for column in (name, f"{name}_low95", f"{name}_high95"))
            assert f"{mean:.3f} ({low:.3f} to {high:.3f})" in law


def test_every_decision_is_there_with_its_reason_in_order(visit: Visit, simulated: Sweep) -> None:
    decisions = lines(simulated.folder / "decisions.jsonl")
    shown = visit.page.locator("#decisions tbody tr").all_inner_texts()
    assert len(shown) == len(decisions)
    for decision, row in zip(decisions, shown, strict=True):
        words = " ".join(row.split())
        assert words.startswith(f"{decision['step']} ")
        assert decision["arm"] in words
        assert decision["reason"] in words
        assert f"{decision['n']:,}" in words


def test_config_versions_seeds_money_and_time_are_there(visit: Visit, simulated: Sweep) -> None:
    made = visit.page.inner_text("#made")
    shown = yaml.safe_load(visit.page.inner_text("#made pre"))
    assert shown == yaml.safe_load((simulated.folder / "config.yaml").read_text())
    for package in ("python", "ray", "torch", "bpy", "numpy"):
        assert re.search(rf"\b{package}\s+\d+\.\d+", made), package
    assert "seed" in made.lower()
    ledger = visit.page.inner_text("#ledger")
    assert re.search(r"finetune\s+\d+ fine-tunes\s+\d+\.\d\s+\$\d", ledger)
    assert "total" in ledger


def test_it_fits_a_narrow_window(visit: Visit) -> None:
    # given a telephone's width, then wide tables scroll in themselves and the page does not
    visit.page.set_viewport_size({"width": 390, "height": 800})
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    visit.page.set_viewport_size({"width": 1280, "height": 800})
    assert width <= 390
