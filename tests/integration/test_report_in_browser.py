"""report.html in a real browser: it stands alone, and a reader finds the answer on it."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml
from playwright.sync_api import Page, sync_playwright

from tests.integration import sweeps
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


def test_every_figure_is_drawn_and_every_image_loads(visit: Visit) -> None:
    widths = visit.page.eval_on_selector_all("img", "images => images.map(i => [i.alt, i.complete, i.naturalWidth])")
    assert [image for image in widths if not (image[1] and image[2] > 0)] == []
    # the arms together and each arm's curve, drawn in the page itself
    drawn = visit.page.locator("#curves svg:visible")
    assert drawn.count() == 3
    for i in range(drawn.count()):
        box = drawn.nth(i).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 200


def test_the_answer_stands_first_in_a_sentence_a_manager_understands(visit: Visit, simulated: Sweep) -> None:
    answers = " ".join(visit.page.inner_text("#answer").split())
    for row in table(simulated.folder, "verdicts"):
        assert row["arm"].partition("/")[0] in answers
        assert row["verdict"] in answers
        assert " ".join(row["sentence"].split()) in answers
    # and it is visible without scrolling far: above every figure
    answer = visit.page.locator("#answer .answer").first.bounding_box()
    figure = visit.page.locator("figure").first.bounding_box()
    assert answer is not None
    assert figure is not None
    assert answer["y"] < figure["y"]
    assert "Simulated: every error on this page was drawn from a known law" in visit.text


def test_alpha_and_c_are_given_with_their_intervals(visit: Visit, simulated: Sweep) -> None:
    law = visit.page.inner_text("#law")
    for fit in table(simulated.folder, "fits"):
        middle, low, high = (float(fit[column]) for column in ("alpha", "alpha_low95", "alpha_high95"))
        assert f"{middle:.3f} ({low:.3f} to {high:.3f})" in law
        middle, low, high = (float(fit[column]) for column in ("C", "C_low95", "C_high95"))
        assert f"{middle:.1%} ({100 * low:.1f} to {high:.1%})" in law


def test_every_decision_is_there_with_its_reason_in_order(visit: Visit, simulated: Sweep) -> None:
    decisions = lines(simulated.folder / "decisions.jsonl")
    visit.page.locator("#decisions summary").click()
    shown = visit.page.locator("#decisions tbody tr").all_inner_texts()
    assert len(shown) == len(decisions)
    for decision, row in zip(decisions, shown, strict=True):
        words = " ".join(row.split())
        assert words.startswith(f"{decision['step']} ")
        # by what differs between arms
        names = {f"{name}/simulated/simulated/simulated": name for name in sweeps.LAWS}
        assert names.get(decision["arm"], "no pre-training") in words
        for full, short in names.items():
            decision["reason"] = decision["reason"].replace(full, short)
        assert decision["reason"].replace("none/none/simulated/simulated", "no pre-training") in words
        assert f"{decision['n']:,}" in words


def test_config_versions_seeds_money_and_time_are_there(visit: Visit, simulated: Sweep) -> None:
    visit.page.locator("#made summary").click()
    made = visit.page.inner_text("#made")
    shown = yaml.safe_load(visit.page.inner_text("#made pre"))
    assert shown == yaml.safe_load((simulated.folder / "config.yaml").read_text())
    for package in ("python", "ray", "torch", "bpy", "numpy"):
        assert re.search(rf"\b{package}\s+\d+\.\d+", made), package
    assert "seed" in made.lower()
    ledger = visit.page.inner_text("#ledger")
    assert re.search(r"finetune\s+\d+ fine-tunes\s+\d+\.\d\s+\$\d", ledger)
    assert "total" in ledger


@pytest.mark.parametrize(("width", "scheme"), [(420, "light"), (420, "dark"), (1280, "light"), (1280, "dark")])
def test_nothing_is_wider_than_the_page(visit: Visit, width: int, scheme: Literal["light", "dark"]) -> None:
    # given a telephone's width or a desk's, with all that is folded opened
    visit.page.emulate_media(color_scheme=scheme)
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")

    # then neither the page nor any table, text or figure in it is wider, and nothing has to be scrolled sideways
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    assert visit.page.eval_on_selector_all("table, pre, .card, figure", wide) == []
    visit.page.set_viewport_size({"width": 1280, "height": 800})
    visit.page.emulate_media(color_scheme="light")


def test_it_is_dark_where_the_reader_wants_it_dark_and_light_on_paper(visit: Visit) -> None:
    colours = "[document.body, document.querySelector('figure svg text')].map(e => getComputedStyle(e))"
    read = f"(() => {{ const [b, t] = {colours}; return [b.backgroundColor, t.fill]; }})()"

    def brightness(colour: str) -> float:
        return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3

    for media, scheme, page_is_light in (("screen", "light", True), ("screen", "dark", False), ("print", "dark", True)):
        visit.page.emulate_media(media=media, color_scheme=scheme)
        page, letters = (brightness(colour) for colour in visit.page.evaluate(read))
        assert (page > 200) == page_is_light, (media, scheme)
        # and what is written in the figures stands out
        assert abs(page - letters) > 120, (media, scheme)
    visit.page.emulate_media(media="screen", color_scheme="light")


def test_the_next_step_has_a_command_that_the_program_takes(visit: Visit, simulated: Sweep) -> None:
    # given the steps under the answer, when a command is copied, then it plans or says what to do, and is no mistake
    for command in visit.page.locator("#next code").all_inner_texts():
        name, _, rest = command.splitlines()[-1].removeprefix("sweeper ").partition(" ")
        if name == "run":
            assert simulated.place.run("plan", *shlex.split(rest)).code == 0, command
