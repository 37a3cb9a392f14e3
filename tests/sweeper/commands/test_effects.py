"""`sweeper effects TABLE`: effects of anybody's measurements, and one line for what cannot be used."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from sweeper.commands.effects import as_json, as_text, effects_of_table
from sweeper.errors import BadInput


def written(folder: Path, text: str) -> Path:
    path = folder / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def table(tasks: dict[str, int]) -> str:
    """Rows of 16 settings at two seeds, so many of each task; material lowers the error by 6 points, light does not."""
    lines = ["task,material,light,sensor,blur,seed,error"]
    for t, (task, rows) in enumerate(tasks.items()):
        settings = list(product(("own", "random"), ("fix", "random"), ("no", "yes"), ("no", "yes")))
        rng = np.random.default_rng(t)
        for setting, seed in list(product(settings, (0, 1)))[:rows]:
            error = 0.40 - 0.06 * (setting[0] == "own") + 0.001 * rng.standard_normal()
            lines.append(",".join([task, *setting, str(seed), f"{error:.5f}"]))
    return "\n".join(lines) + "\n"


def test_each_task_has_its_effects_in_words_and_as_json(tmp_path: Path) -> None:
    found = effects_of_table(written(tmp_path, table({"birds": 32, "cars": 32})))

    said = as_text(found)
    assert "birds: 16 of 16 settings measured" in said
    assert "material: own instead of random lowers the error by 6.0 points" in said
    assert "light does not matter" in said
    groups = json.loads(as_json(found))["groups"]
    assert set(groups) == {"birds", "cars"}
    assert groups["birds"]["effects"][0]["factor"] == "material"


def test_a_task_with_few_settings_is_taught_by_those_that_have_all(tmp_path: Path) -> None:
    found = effects_of_table(written(tmp_path, table({"birds": 32, "cars": 32, "new": 4})))
    assert found["new"].taught_by == ("birds", "cars")
    assert found["new"].said.measured == 2
    assert "material own" in as_text({"new": found["new"]}).split("most likely")[1]


def test_settings_of_one_seed_share_part_of_the_noise_and_it_is_said_how_much(tmp_path: Path) -> None:
    """Given a seed that moves all settings alike by 5 %, differences within a seed are said to be far less noisy."""
    rng = np.random.default_rng(3)
    lines = ["material,light,seed,error"]
    for seed, (material, light) in product(range(6), product(("own", "random"), ("fix", "random"))):
        off = 0.05 * (seed % 2 * 2 - 1) + 0.004 * rng.standard_normal()
        lines.append(f"{material},{light},{seed},{0.4 * np.exp(off - 0.1 * (material == 'own')):.6f}")
    (found,) = effects_of_table(written(tmp_path, "\n".join(lines))).values()
    assert found.noise is not None
    assert (found.noise.settings, found.noise.seeds) == (4, 6)
    assert found.noise.shared == pytest.approx(0.055, abs=0.01)
    assert found.noise.own == pytest.approx(0.004, abs=0.002)
    assert "within a seed" in as_text({"": found})
    assert json.loads(as_json({"all": found}))["groups"]["all"]["noise"]["seeds"] == 6


def test_laws_say_what_an_attribute_does_to_the_share_of_the_gap(tmp_path: Path) -> None:
    """Given settings whose gap is decided by material, that is said of the share of the gap, and nothing of light."""
    rng, lines = np.random.default_rng(0), ["material,light,n,error"]
    for material, light, n in product(("own", "random"), ("fix", "random"), (250, 1000, 4000, 16000, 64000)):
        gap = 0.1 if material == "own" else 0.3
        lines.append(f"{material},{light},{n},{(gap + 4 * n**-0.5) * np.exp(0.003 * rng.standard_normal()):.6f}")
    (found,) = effects_of_table(written(tmp_path, "\n".join(lines)), at=16000).values()
    shown = [each for each in found.said.curves if each.shown]
    assert [(each.quantity, each.factor, each.level) for each in shown] == [("share of gap", "material", "random")]
    assert shown[0].change == pytest.approx(0.14, abs=0.06)
    assert "material: random instead of own changes the share of the gap in the error" in as_text({"": found})


def test_runs_at_several_sizes_are_compared_at_one(tmp_path: Path) -> None:
    lines = ["material,n,error"]
    for material, n in product(("own", "random"), (1000, 4000, 16000)):
        lines.append(f"{material},{n},{0.3 + (material == 'random') * 0.1 + 2 * n**-0.5:.5f}")
    (found,) = effects_of_table(written(tmp_path, "\n".join(lines)), at=16000).values()
    assert found.said.n == 16000
    assert found.said.effects[0].change == pytest.approx(-0.1, abs=0.03)


@pytest.mark.parametrize(
    ("text", "names", "says"),
    [
        ("material,n\nown,1\n", (), "no column error"),
        ("error,n\n0.5,1\n", (), "no column of a factor"),
        ("material,error\nown,0.5\nown,0.4\n", (), "there is no factor"),
        ("material,error\nown,0.5\n,0.4\n", (), "line 3: material is empty"),
        ("material,error\nown,1.5\nrandom,0.4\n", (), "line 2: error is 1.5"),
        ("material,error\nown,high\nrandom,0.4\n", (), "line 2: error is 'high'; give a number"),
        ("material,error\nown,0.5\nrandom,0.4\n", ("light",), "no column 'light'"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, text: str, names: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        effects_of_table(written(tmp_path, text), names)
    assert "\n" not in str(error.value)
