"""The keys of a sweep file that say what is rendered, as RenderSetting declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from render_actors.setting.setting import RenderSetting
from sweeper.errors import BadInput
from sweeper.stages.image_sets import setting_of
from tests.sweeper.examples import real_sweep, sweep_of


def test_a_sweep_file_that_says_nothing_renders_the_default_setting(tmp_path: Path) -> None:
    assert setting_of(sweep_of(tmp_path, real_sweep()), "plain") == RenderSetting()


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("render.resolution", "96", 96),
        ("render.min_objects", "2", 2),
        ("render.size_jitter", "false", False),
        ("render.light_strength", "[0.5, 2]", (0.5, 2.0)),
        ("render.min_visible_px", "20", 20),
        ("render.labels", "[classes, boxes, depth]", ("classes", "boxes", "depth")),
        ("render.device", "cuda", "cuda"),
        ("renderings.plain.light", "fix", "fix"),
        ("renderings.plain.material", "random", "random"),
        ("renderings.plain.framing", "object", "object"),
        ("renderings.plain.look", "hue", "hue"),
        ("renderings.plain.gloss", "random", "random"),
        ("renderings.plain.denoise", "true", True),
        ("renderings.plain.samples", "9", 9),
    ],
)
def test_a_key_reaches_the_setting(tmp_path: Path, key: str, given: str, value: Any) -> None:
    setting = setting_of(sweep_of(tmp_path, real_sweep(), f"{key}={given}"), "plain")
    assert getattr(setting, key.rpartition(".")[2]) == value


def test_folders_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pool").mkdir()
    monkeypatch.chdir(tmp_path)
    assert setting_of(sweep_of(tmp_path, real_sweep(), "render.textures=pool"), "plain").textures == str(
        tmp_path / "pool"
    )


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("render.resolution=8", "render.resolution: Input should be greater than or equal to 16"),
        ("render.samples=true", "render.samples: Input should be a valid integer"),
        ("render.classes=1", "render.classes: there must be two classes"),
        ("render.min_visible_px=0", "render.min_visible_px: Input should be greater than or equal to 1"),
        ("render.device=tpu", "render.device: Input should be 'auto', 'cpu', 'gpu', 'cuda' or 'optix'"),
        ("render.light_strength=[0, 1]", "render.light_strength.0: Input should be greater than 0"),
        ("render.clases=3", "unknown key render.clases; did you mean classes?"),
        ("renderings.plain.samples=0", "renderings.plain.samples: Input should be greater than or equal to 1"),
        ("renderings.plain.denoise=2", "renderings.plain.denoise: Input should be a valid boolean"),
        ("renderings.plain.fill=[0.1, 1]", "renderings.plain.fill.0: Input should be greater than or equal to 0.2"),
        ("renderings.plain.roll=[10, 400]", "renderings.plain.roll.1: Input should be less than or equal to 180"),
        ("renderings.plain.fill=0.7", "renderings.plain.fill: Input should be a valid tuple"),
        (
            "renderings.plain.fill=[0.7, 1]",
            "fill is of cameras that aim at one object; set framing to object",
        ),
        ("renderings.plain.light=dim", "renderings.plain.light: Input should be 'fix' or 'random'"),
        ("renderings.plain.ligth=fix", "unknown key renderings.plain.ligth; did you mean light?"),
        ("render.min_objects=6", "min_objects = 6 is above max_objects = 5"),
        ("render.objects=nowhere", "nowhere' is not a folder"),
        ("render.labels=[flow]", "unknown label 'flow'"),
    ],
)
def test_what_cannot_be_rendered_is_refused_by_its_key(tmp_path: Path, override: str, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        setting_of(sweep_of(tmp_path, real_sweep(), override), "plain")
    assert told in str(refused.value)
