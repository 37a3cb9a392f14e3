"""docs/start/your-folders.md, run: from two folders to a verdict and a model that plain torch loads."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeper.commands.own_folders import class_folders

PAGE = (Path(__file__).parents[2] / "docs" / "start" / "your-folders.md").read_text()
# The page's own commands; a run is made short.
SHORT = [
    "pretrain.recipe={iterations: 30, eval_every: 15, batch_size: 16, warmup_images: 64}",
    "finetune.recipe={base: finetune-sinclass-small-photographs, iterations: 30, warmup_images: 64}",
    "finetune.repeats=1",
    "tune.trials=0",
    "policy.max_seeds=1",
    "policy.reference_seeds=1",
    "budget.minutes=8",
]


def ran(arguments: list[str], folder: Path) -> str:
    env = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


# Put before code that is to run where nobody has this project.
NO_PROJECT = """
import importlib.util
assert not [name for name in ("tasks", "sweeper", "analysis", "render_actors") if importlib.util.find_spec(name)]
"""


def without_the_project(code: str, run: Path, photo: Path, folder: Path) -> str:
    """What the page's code prints, in a folder with an exported model's files and a picture alone."""
    folder.mkdir()
    for file in ("model.pt", "model.json"):
        shutil.copy(run / file, folder)
    shutil.copy(photo, folder / "photo.png")
    # the libraries as they are installed, and nothing of what a .pth file adds, as an editable install of this project
    libraries = [each for each in sys.path if each.endswith("site-packages")]
    start = f"import sys; sys.path += {libraries!r}"
    command = [sys.executable, "-I", "-S", "-c", f"{start}{NO_PROJECT}{code}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_the_new_users_path_ends_with_a_verdict_and_a_model(tmp_path: Path) -> None:
    """Given folders as the page has them, its commands in their order end with a verdict; its code loads the model."""
    class_folders(tmp_path / "renders", ["."], 30)
    class_folders(tmp_path / "photos", ["train", "test"], 12)
    commands = re.findall(r"^    sweeper (.*)$", PAGE, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["init", "plan", "run", "export-model"]

    said = {}
    for command in commands:
        words = shlex.split(command)
        said[words[0]] = ran(["-m", "sweeper", *words, *(SHORT if words[0] in ("plan", "run") else [])], tmp_path)

    assert "mine.yaml is written" in said["init"]
    assert "devices: render 2 actors" in said["plan"]
    assert "renders/mulclass/small_resnet/sinclass" in said["run"]
    assert "as was recorded" in said["export-model"]
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    photo = tmp_path / "photos" / "test" / "a" / "0.png"
    assert without_the_project(code, tmp_path / "runs" / "mine", photo, tmp_path / "elsewhere") in ("a", "b")
