"""Pictures of a report at three widths: python docs/dev/report_pictures.py RUN/report.html; 420 px is in dark mode."""

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[1] / "pictures"
# Width, height of what is shown, colours, medium.
SHOTS = {
    "420": (420, 2900, "dark", "screen"),
    "1280": (1280, 2300, "light", "screen"),
    "print": (703, 1900, "light", "print"),
}


def main(page: Path) -> None:
    """Write report-NAME.png of every shot to docs/pictures."""
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (width, height, colours, medium) in SHOTS.items():
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.emulate_media(media=medium, color_scheme=colours)
            tab.goto(page.absolute().as_uri())
            picture = Image.open(BytesIO(tab.screenshot())).convert("RGB").quantize(96)
            picture.save(FOLDER / f"report-{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
