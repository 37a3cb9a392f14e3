"""A hook of mkdocs.yml: links that leave docs/, as to code and sweep files, which a site of pages alone cannot follow.

With `repo_url` in mkdocs.yml they lead to the repository; without it they are plain text. A link to a file that is not
there ends the build.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\((\.\./[^)\s#]*)(#[^)\s]*)?\)")
FENCE = re.compile(r"(```.*?```)", re.DOTALL)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The text of a page with its links out of docs/ followed; called by mkdocs for each page."""
    here, repository = (DOCS / page.file.src_uri).parent, (config.get("repo_url") or "").rstrip("/")

    def followed(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(here / found[2]))
        if target.is_relative_to(DOCS) and target.is_file():
            return found[0]
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri}: {found[2]} is not there; mend the link")
        place = target.relative_to(DOCS.parent).as_posix()
        return f"[{found[1]}]({repository}/blob/HEAD/{place})" if repository else found[1]

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(followed, part) for part in parts)
