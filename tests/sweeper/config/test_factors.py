"""Rendering settings given as factors, and what the factors of a sweep are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.config.load import load_config
from sweeper.errors import BadInput
from sweeper.study.arms import make_plan
from sweeper.study.attributes import attributes_of, rendering_levels
from tests.sweeper.examples import real_sweep, sweep_of

FACTORS = {"light": ["fix", "random"], "material": ["own", "random"], "denoise": [False, True]}


def factored(folder: Path, **renderings: Any) -> Any:
    return sweep_of(folder, real_sweep(renderings={"factors": FACTORS} | renderings))


def test_a_full_design_has_every_combination_beside_the_named_settings(tmp_path: Path) -> None:
    config = factored(tmp_path, common={"background": "fix"}, plain={})
    assert len(config.renderings) == 9
    one = config.renderings["denoise-on.light-fix.material-random"]
    assert (one.light, one.material, one.denoise, one.background) == ("fix", "random", True, "fix")
    assert len(make_plan(config).arms) == 9


def test_the_resolved_file_is_the_same_sweep(tmp_path: Path) -> None:
    config = factored(tmp_path, design="fraction", start=4)
    (tmp_path / "resolved.yaml").write_text(config.to_yaml())
    assert len(config.renderings) == 4
    assert load_config(tmp_path / "resolved.yaml") == config


def test_attributes_in_which_settings_differ_are_the_factors(tmp_path: Path) -> None:
    config = sweep_of(tmp_path, real_sweep())
    found = attributes_of(config, make_plan(config).arms)
    assert found.factors is not None
    assert dict(found.factors.levels) == {"light": ("fix", "random")}


def test_folders_of_ones_own_carry_factors(tmp_path: Path) -> None:
    (tmp_path / "dry" / "car").mkdir(parents=True)
    source = {"kind": "imagefolder", "path": str(tmp_path / "dry")}
    renderings = {
        "dry": {"source": source, "factors": {"weather": "dry", "night": False}},
        "wet": {"source": source, "factors": {"weather": "wet", "night": True}},
    }
    config = sweep_of(tmp_path, real_sweep(renderings=renderings))
    assert rendering_levels(config)["wet"] == {"weather": "wet", "night": "on"}


@pytest.mark.parametrize(
    ("renderings", "says"),
    [
        ({"factors": {"light": ["fix"]}}, "factor light has the levels fix; give two or more"),
        ({"factors": {"light": "fix"}}, "renderings.factors: factor light is 'fix'; give a list of its levels"),
        (
            {"factors": {"lights": ["a", "b"]}},
            "renderings.factors: lights is no attribute of a rendering; did you mean light",
        ),
        ({"factors": {}}, "give each factor the list of its levels"),
        ({"factors": FACTORS, "start": 4}, "renderings.start is of design: fraction or adaptive"),
        ({"factors": FACTORS, "design": "half"}, "renderings.design"),
        ({"factors": FACTORS, "design": "fraction", "start": 400}, "renderings.start is 400, and there are"),
        ({"a": {}, "design": "adaptive"}, "renderings.design is of factors, and there are none"),
        ({"factors": FACTORS, "common": {"light": "fix"}}, "light is a factor; leave it out"),
        ({"factors": FACTORS, "design": "adaptive"}, "set objective: best, and n_target"),
        ({"a": {"factors": {"x": 1}}, "b": {}}, "must have the same names in every setting"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, renderings: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        sweep_of(tmp_path, real_sweep(renderings=renderings))


def test_an_adaptive_design_has_no_other_policy(tmp_path: Path) -> None:
    sweep = real_sweep(
        renderings={"factors": FACTORS, "design": "adaptive"}, objective="best", n_target=4000, policy={"name": "grid"}
    )
    with pytest.raises(BadInput, match="grid chooses sizes; with design: adaptive leave it out"):
        sweep_of(tmp_path, sweep)
