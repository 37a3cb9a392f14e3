"""3,781 photographs of clothes in 10 classes (alexeygrigorev/clothing-dataset-small, CC0).

The download is a fixed git commit. A commit's id is a checksum over every file in it, which git verifies as it
fetches, whereas GitHub's archives of a commit may change byte by byte.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tasks.data.readers.whole_folder import made_whole

SOURCE = "https://github.com/alexeygrigorev/clothing-dataset-small"
COMMIT = "11961516512414bf9f6c150a832cfd21b54a6b54"
_FETCH_LIMIT_S = 900


def find(data_root: Path | None, downloads: Path) -> tuple[Path, str]:
    """The folder with {train,test}/CLASS/*.jpg and its description: data_root/clothing, else the public source.

    Raises FileNotFoundError saying where was looked and what to do where neither can be had.
    """
    if data_root is not None and (data_root / "clothing").is_dir():
        return data_root / "clothing", str(data_root / "clothing")
    folder = downloads / f"clothing-{COMMIT[:12]}"
    if not folder.is_dir():
        looked = "no data_root was given" if data_root is None else f"{data_root / 'clothing'} does not exist"
        try:
            fetch_commit(SOURCE, COMMIT, folder)
        except (OSError, subprocess.SubprocessError) as error:
            raise FileNotFoundError(
                f"clothing: {looked}, and fetching {SOURCE} failed ({_reason(error)}); put the photographs of that "
                "address into data_root/clothing/{train,test}/CLASS/"
            ) from error
    return folder, f"{SOURCE} at commit {COMMIT}"


def fetch_commit(source: str, commit: str, folder: Path) -> None:
    """Check out `commit` of the git repository `source` into `folder`, which appears whole or not at all.

    Raises OSError or subprocess.SubprocessError where git is missing, fails, or takes longer than 15 minutes.
    """
    with made_whole(folder) as partial:
        _git(partial, "init", "--quiet")
        _git(partial, "fetch", "--quiet", "--depth", "1", source, commit)
        # by id, not FETCH_HEAD: whatever the other side sent, only content with this checksum is checked out
        _git(partial, "checkout", "--quiet", "--detach", commit)
        shutil.rmtree(partial / ".git")


def _git(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), "-c", "transfer.fsckObjects=true", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_FETCH_LIMIT_S, env=environment)


def _reason(error: Exception) -> str:
    said = str(getattr(error, "stderr", "") or error).strip()
    return said.splitlines()[-1] if said else type(error).__name__
