"""The pages: links lead somewhere, generated pages are fresh, no diary, every page is in the site's contents."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = ("sweeper", "analysis", "tasks", "render_actors", "tests")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
# Words of a diary, and words that only their authors know.
BANNED = (
    *(r"\b20\d\d-\d\d-\d\d\b", r"\b(was|were|stood) before\b", r"\(before\)", r"\bused to be\b", r"\breviewer\b"),
    *(r"throw-away script", r"the day before", r"[Ee]ndless render", r"the same day\b"),
)
CODE = re.compile(r"```.*?```|`[^`\n]*`|^    .*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def found_in(text: str) -> list[str]:
    """Banned phrases of a page, code left out."""
    plain = CODE.sub(" ", text)
    return [match.group(0) for pattern in BANNED for match in re.finditer(pattern, plain)]


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-") for heading in headings}


def broken(page: str, text: str) -> Iterator[str]:
    """Links of a page to files or headings that are not there."""
    for link in LINK.findall(CODE.sub(" ", text)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = Path(os.path.normpath((ROOT / page).parent / path)) if path else ROOT / page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())):
            yield link


def test_a_diary_is_found() -> None:
    assert found_in("Measured on 2026-11-29 by a reviewer.") == ["2026-11-29", "reviewer"]
    assert found_in("Nothing. `2026-11-29` is code.") == []


def test_a_broken_link_is_found() -> None:
    assert list(broken("README.md", "[a](docs/none.md) [b](docs/README.md#none) [c](docs/README.md#start)")) == [
        "docs/none.md",
        "docs/README.md#none",
    ]


@pytest.mark.parametrize("page", TEXTS)
def test_a_page_is_no_diary_and_its_links_lead_somewhere(page: str) -> None:
    assert found_in(TEXTS[page]) == []
    assert list(broken(page, TEXTS[page])) == []


def test_every_page_that_code_names_is_there() -> None:
    files = [
        *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")),
        *(ROOT / "configs").rglob("*.yaml"),
    ]
    own = Path(__file__)
    named = {name for path in files if path != own for name in re.findall(r"docs/[\w/-]+\.md", path.read_text())}
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_the_contents_of_the_site_and_of_docs_have_every_page() -> None:
    written = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")}
    listed: set[str] = set()
    for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]:
        listed |= {entry} if isinstance(entry, str) else {page for pages in entry.values() for page in pages}
    assert listed == written
    assert set(re.findall(r"\]\(([\w/-]+\.md)\)", TEXTS["docs/README.md"])) == written - {"README.md"}


def test_the_pages_of_keys_and_commands_are_what_the_code_says() -> None:
    """Given the committed pages, the check finds nothing stale; its message names the command that mends it."""
    done = subprocess.run(
        [sys.executable, "docs/dev/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
