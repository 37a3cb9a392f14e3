"""`sweeper effects TABLE`: effects of anybody's measurements, and one line for what cannot be used."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
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


def test_a_collected_table_tells_its_attributes_and_a_seed_is_that_of_its_sweep(tmp_path: Path) -> None:
    """Given rows as `sweeper collect` writes them, from two sweeps of the same settings, one of which repeats a run."""
    rng = np.random.default_rng(0)
    rows = []
    for sweep_seed, look, light, repeat in product((0, 1), ("class", "hue"), ("fix", "random"), (0, 1, 2)):
        attributes = json.dumps({"look": look, "light": light, "distractors": 0})
        error = 0.4 - 0.05 * (look == "hue") + 0.001 * rng.standard_normal()
        told = {
            "sweep": "which",
            "sweep_seed": sweep_seed,
            "seed": sweep_seed,
            "repeat": repeat,
            "n": 2000,
            "steps": 600,
        }
        rows.append(told | {"rendering": f"{look}-{light}", "attributes": attributes, "error": error, "lr": 0.01})
    rows.append(rows[0] | {"seed": 1})
    rows.insert(0, rows[0] | {"n": 0, "rendering": "none", "attributes": "{}", "error": 0.5})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "kept.parquet")

    found = effects_of_table(tmp_path / "kept.parquet")

    (answer,) = found.values()
    assert [each.factor for each in answer.said.effects] == ["look", "light"]
    assert answer.said.effects[0].change == pytest.approx(-0.05, abs=0.01)
    assert answer.noise is not None
    assert (answer.noise.settings, answer.noise.seeds) == (4, 2)
    (of_look,) = effects_of_table(tmp_path / "kept.parquet", ("look",)).values()
    assert [each.factor for each in of_look.said.effects] == ["look"]


def test_a_collected_table_of_one_rendering_says_that_nothing_can_be_told(tmp_path: Path) -> None:
    rows = [
        {"rendering": "plain", "attributes": '{"look": "hue"}', "n": n, "lr": 0.1, "error": 0.3} for n in (250, 500)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "kept.parquet")
    with pytest.raises(BadInput, match="of one setting no effect can be told"):
        effects_of_table(tmp_path / "kept.parquet")


def test_where_all_that_can_be_best_was_run_the_next_run_is_a_repeat(tmp_path: Path) -> None:
    """Given seven settings of eight, of which those of one material are lowest by far, one of these is run again."""
    lines = ["material,light,blur,error"]
    for at, (material, light, blur) in enumerate(product(("own", "random"), ("fix", "random"), ("no", "yes"))):
        lines.append(f"{material},{light},{blur},{0.3 + 0.1 * (material == 'random') + 0.002 * (at % 3)}")
    lines = lines[:-1]
    (found,) = effects_of_table(written(tmp_path, "\n".join(lines))).values()
    assert found.said.next.levels["material"] == "own"
    assert found.said.next.runs == 1
    assert " again, would teach most" in as_text({"": found})


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


def seeded(shared: float, effect: float) -> str:
    """Eight settings of three attributes under four seeds; a seed moves all its runs by `shared` of the error."""
    rng = np.random.default_rng(4)
    lines = ["material,light,blur,seed,error"]
    for seed in range(4):
        off = shared * rng.standard_normal()
        for material, light, blur in product(("own", "random"), ("fix", "random"), ("no", "yes")):
            error = 0.3 * np.exp(off + 0.005 * rng.standard_normal() - effect * (light == "random"))
            lines.append(f"{material},{light},{blur},{seed},{error:.6f}")
    return "\n".join(lines)


def test_what_a_seed_does_to_all_its_settings_does_not_hide_an_effect(tmp_path: Path) -> None:
    """Given seeds that move all errors by 8 %, an effect of 4 % is told as it is with seeds that move none."""
    found = {shared: effects_of_table(written(tmp_path, seeded(shared, 0.04)))[""] for shared in (0.0, 0.08)}
    told = {shared: next(each for each in f.said.effects if each.factor == "light") for shared, f in found.items()}
    assert {each.finding for each in told.values()} == {"lowers"}
    width = {shared: each.interval[1] - each.interval[0] for shared, each in told.items()}
    assert width[0.08] < 1.5 * width[0.0]


def test_a_pair_is_told_only_where_it_is_shown(tmp_path: Path) -> None:
    text = as_text(effects_of_table(written(tmp_path, seeded(0.0, 0.04))))
    assert "together beyond" not in text
    lines = ["material,light,seed,error"]
    for material, light, seed in product(("own", "random"), ("fix", "random"), (0, 1, 2)):
        both = material == "own" and light == "fix"
        lines.append(f"{material},{light},{seed},{0.4 - 0.1 * both + 0.001 * seed}")
    assert "together beyond" in as_text(effects_of_table(written(tmp_path, "\n".join(lines))))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "light,seed,a,error\nfix,0,x,0.3\nfix,0,y,0.31\nrandom,1,x,0.2\nrandom,1,y,0.21\n",
            "no seed was run with two levels of light",
        ),
        ("light,error\nfix,0.3\nfix,0.3\nrandom,0.2\n", "count as runs of their own: 1"),
        ("light,error\nFix,0.3\nfix,0.31\nrandom,0.2\n", "differ in case alone are levels of their own: Fix, fix"),
        (
            "light,lux,error\n" + "".join(f"fix,{i},0.{i + 10}\n" for i in range(9)) + "random,1,0.3\n",
            "lux has 9 different numbers",
        ),
    ],
)
def test_what_makes_a_table_doubtful_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    effects_of_table(written(tmp_path, text))
    assert says in capsys.readouterr().err


def test_a_column_is_named_as_the_file_has_it_and_a_level_is_one_however_it_is_written(tmp_path: Path) -> None:
    text = "Licht-Größe,on,error\n1,True,0.3\n1.0,TRUE,0.31\n2,true,0.2\n"
    (found,) = effects_of_table(written(tmp_path, text), ("Licht-Größe",)).values()
    assert found.said.settings == 2
    with pytest.raises(BadInput, match="--at is -5"):
        effects_of_table(written(tmp_path, text), at=-5)


def test_where_nothing_was_run_twice_it_is_said_that_noise_is_assumed(tmp_path: Path) -> None:
    once = as_text(effects_of_table(written(tmp_path, "light,error\nfix,0.3\nrandom,0.2\n")))
    assert "no setting was run twice: how far a run is off is taken to be about 1 % of the error" in once
    assert "run twice" not in as_text(effects_of_table(written(tmp_path, seeded(0.0, 0.04))))
