"""`sweeper render`: images without a sweep, and a sheet to judge them by; more images render only the difference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration import sweeps
from tests.integration.command_line import Finished, Place, place
from tests.integration.run_folder import artifacts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWEEP = sweeps.REAL | {"name": "look"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as somewhere:
        yield somewhere


def rendered_now(finished: Finished) -> dict[str, tuple[int, int]]:
    """For each rendering, the images asked for and those of them that were made by this command."""
    assert finished.code == 0, finished.err[-3000:]
    said = re.findall(r"^([\w-]+): (\d+) images, (\d+) of them rendered now", finished.out + finished.err, re.MULTILINE)
    return {name: (int(asked), int(made)) for name, asked, made in said}


def test_it_writes_a_contact_sheet_and_renders_only_what_is_missing(here: Place) -> None:
    # given an empty store, when twenty images are asked for, then they are there, and a sheet to look at
    config = str(sweeps.write(SWEEP, here.folder))
    twenty = here.run("render", config, "render.scenes_per_shard=1", "--images", "20", "--preview")
    assert rendered_now(twenty) == {"all-random": (20, 20)}
    [sheet] = re.findall(r"^all-random: contact sheet (\S+\.png)$", twenty.out, re.MULTILINE)
    pixels = np.asarray(Image.open(here.folder / sheet).convert("RGB"))
    # twenty images, each enlarged until a person can judge it, and more than a flat colour
    assert pixels.shape[0] * pixels.shape[1] > 20 * 100 * 100
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
    first = artifacts(here.folder / "runs" / "artifacts", "render")
    # two shards of ten images, and the same with normals for the sheet
    assert len(first) == 4

    # when forty are asked for, then the other twenty are made, and the first stay as they were
    forty = here.run("render", config, "render.scenes_per_shard=1", "--images", "40")
    assert rendered_now(forty) == {"all-random": (40, 20)}
    second = artifacts(here.folder / "runs" / "artifacts", "render")
    assert len(second) == 6
    assert {key: second[key] for key in first} == first

    # and when they are asked for again, then nothing is rendered; with --json, the words for people are not on stdout
    again = here.run("render", config, "render.scenes_per_shard=1", "--images", "40", "--json")
    assert [event for event in again.events if event["event"] == "progress"] == []
    assert rendered_now(again) == {"all-random": (40, 0)}
    assert here.wait_until_empty(30) == []
