"""A sweep file is read whole or refused in one line that says what, where and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.config.load import load_config
from sweeper.config.schema import Ladder
from sweeper.errors import BadInput
from tests.sweeper.examples import real_sweep, simulated_sweep, sweep_of

CONFIGS = Path(__file__).parents[3] / "configs"
# Prices are not a sweep; everything else in configs/ is.
# Files of clusters and prices are no sweeps.
OTHERS = {CONFIGS / "prices.yaml", *(CONFIGS / "cluster").glob("*.yaml")}
SHIPPED = sorted({p for p in CONFIGS.rglob("*.yaml") if p not in OTHERS})


def refusal(folder: Path, content: dict[str, Any], *overrides: str) -> str:
    with pytest.raises(BadInput) as refused:
        sweep_of(folder, content, *overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ladders": {"start": 100}}, "unknown key ladders; did you mean ladder?"),
        ({"render": {"resolutoin": 32}}, "unknown key render.resolutoin; did you mean resolution?"),
        ({"renderings": {"plain": {"ligth": "fix"}}}, "unknown key renderings.plain.ligth; did you mean light?"),
        ({"budget": {"euros": 5}}, "unknown key budget.euros; known keys: minutes, device_hours, usd"),
    ],
)
def test_an_unknown_key_is_named_with_the_key_that_was_meant(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in refusal(tmp_path, real_sweep(**changes))


@pytest.mark.parametrize(
    ("changes", "where", "why"),
    [
        ({"render": {"resolution": "large"}}, "render.resolution", "valid integer"),
        ({"render": {"samples": 4.5}}, "render.samples", "valid integer"),
        ({"render": 64}, "render", "valid dictionary"),
        ({"renderings": {"plain": {"light": "dim"}}}, "renderings.plain.light", "'fix' or 'random'"),
        ({"pretrain": {"tasks": "mulclass"}}, "pretrain.tasks", "valid tuple"),
        ({"policy": {"name": "greedy"}}, "policy.name", "'adaptive', 'grid', 'random', 'cheapest'"),
        ({"ladder": {"sizes": []}}, "ladder.sizes", "the ladder is empty"),
        ({"ladder": {"sizes": [200, 100, 400]}}, "ladder.sizes", "sizes must increase"),
        ({"ladder": {"sizes": [0, 100, 400]}}, "ladder.sizes.0", "greater than 0"),
        ({"budget": {"usd": -1}}, "budget.usd", "greater than 0"),
        ({"budget": {"minutes": float("nan")}}, "budget.minutes", "finite number"),
        ({"finetune": {"fraction": 0.1, "count": 100}}, "finetune", "either fraction or count"),
        ({"tune": {"lr": [0.1, 0.01]}}, "tune.space.lr", "first value of a range must be below the second"),
        ({"tune": {"lr": [0.1, 0.2], "space": {"lr": [0.1, 0.2]}}}, "tune", "lr stands here and under space"),
        ({"tune": {"lr": [0.1, 0.2], "space": None}}, "tune", "space, beside lr, is a mapping of recipe keys"),
        ({"tune": {"space": {"lr": [0.1, 0.2, 0.3]}}}, "tune.space.lr", "write {choices: [...]}"),
        ({"tune": {"space": {"lr": {"low": 0.1}}}}, "tune.space.lr", "give low and high, or choices"),
        ({"tune": {"space": {"lr": {"low": 0, "high": 1, "log": True}}}}, "tune.space.lr", "must be positive"),
        ({"tune": {"when": "each_n", "n": 1000}}, "tune.n", "each_n tunes at every size"),
        ({"tune": {"n": 1001}}, "tune.n", "no size of the ladder"),
        ({"controls": {"shuffled_labels": 7}}, "controls.shuffled_labels", "no size of the ladder"),
        ({"name": "../elsewhere"}, "name", "should match pattern"),
        ({"store": "s3:/bucket/store"}, "store", "s3:/bucket/store names no bucket; write s3://BUCKET/FOLDER"),
        ({"output": "gs://"}, "output", "names no bucket"),
    ],
)
def test_an_impossible_value_is_refused_with_its_key_and_the_reason(
    tmp_path: Path, changes: dict[str, Any], where: str, why: str
) -> None:
    line = refusal(tmp_path, real_sweep(**changes))

    assert f"sweep.yaml: {where}: " in line
    assert why in line


def test_a_ladder_of_two_sizes_is_too_short_for_a_law_of_three_unknowns(tmp_path: Path) -> None:
    assert "the ladder has 2 sizes; the law needs three at least" in refusal(
        tmp_path, real_sweep(ladder={"sizes": [100, 200]})
    )
    assert "the ladder has 2 sizes" in refusal(tmp_path, real_sweep(ladder={"rungs": 2}))


def test_sizes_that_round_to_the_same_number_are_one_size(tmp_path: Path) -> None:
    assert Ladder(start=1, factor=1.5, rungs=5).values() == (1, 2, 3, 5)
    assert "the ladder has 1 sizes" in refusal(tmp_path, real_sweep(ladder={"start": 1, "factor": 1.1, "rungs": 4}))


def test_a_sweep_without_renderings_says_what_is_missing(tmp_path: Path) -> None:
    assert "renderings is missing; add it" in refusal(tmp_path, {"name": "tiny"})


def test_a_simulated_sweep_needs_a_law_for_each_rendering(tmp_path: Path) -> None:
    line = refusal(tmp_path, simulated_sweep(renderings={"plain": {}, "second": {}}))
    assert "simulated: second has no law; a simulated sweep needs one for each of its renderings" in line


def test_a_law_in_a_sweep_that_trains_is_refused(tmp_path: Path) -> None:
    laws = {"plain": {"alpha": 0.5, "C": 0.1, "D": 2.0}}
    assert "need pretrain.tasks: [simulated]" in refusal(tmp_path, real_sweep(simulated=laws))


def test_the_name_of_the_reference_is_no_name_for_a_rendering(tmp_path: Path) -> None:
    assert "none" in refusal(tmp_path, real_sweep(renderings={"none": {}}))


def test_overrides_replace_add_and_are_read_as_yaml(tmp_path: Path) -> None:
    config = sweep_of(
        tmp_path,
        real_sweep(budget={"minutes": 5}),
        "budget.minutes=30",
        "budget.usd=1.5",
        "finetune.tasks=[sinclass, mulclass]",
        "renderings.fixed.light=random",
        "seed=3",
    )

    assert (config.budget.minutes, config.budget.usd, config.seed) == (30, 1.5, 3)
    assert config.finetune.tasks == ("sinclass", "mulclass")
    assert config.renderings["fixed"].light == "random"


def test_an_override_of_null_leaves_a_rendering_of_the_file_out(tmp_path: Path) -> None:
    content = real_sweep(renderings={"fixed": {"light": "fix"}, "random": {"light": "random"}})

    assert list(sweep_of(tmp_path, content, "renderings.fixed=null").renderings) == ["random"]
    assert "there is no such rendering; there are fixed, random" in refusal(tmp_path, content, "renderings.fixd=null")


@pytest.mark.parametrize(("policy", "times"), [("adaptive", 5), ("grid", 1)])
def test_a_fixed_grid_runs_each_size_once_where_nothing_is_said(tmp_path: Path, policy: str, times: int) -> None:
    content = real_sweep(policy={"name": policy})

    assert sweep_of(tmp_path, content).policy.max_seeds == times
    assert sweep_of(tmp_path, content, "policy.max_seeds=3").policy.max_seeds == 3


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("budget.minutes", "write key=value"),
        ("=3", "write key=value"),
        ("budget.minutes=[1", "the value is not valid YAML"),
        ("name.first=x", "name is a value, not a section"),
        ("budget.minuts=3", "unknown key budget.minuts; did you mean minutes?"),
        ("budget.minutes=soon", "budget.minutes: Input should be a valid number"),
    ],
)
def test_a_bad_override_is_refused(tmp_path: Path, override: str, said: str) -> None:
    assert said in refusal(tmp_path, real_sweep(), override)


def test_a_missing_file_says_where_to_find_sweeps(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.yaml: no such config file; configs/ lists those shipped"):
        load_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [tiny\nrenderings: {", "not valid YAML"),
        ("- a\n- list\n", "a sweep file is a mapping of keys"),
        ("", "a sweep file is a mapping of keys"),
        (b"\xff\xfe\x00binary", "cannot be read"),
        ("name: a\nbudget: {usd: 3}\nbudget: {minutes: 9}\n", "the key budget stands twice; leave one out .*line 3"),
        ("renderings: {a: {}, b: {light: fix, light: random}}\n", "the key light stands twice"),
    ],
)
def test_a_file_that_is_no_sweep_is_refused_in_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)

    with pytest.raises(BadInput, match=said) as refused:
        load_config(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [real_sweep(ladder={"sizes": [100, 200, 400]}), simulated_sweep()])
def test_the_resolved_config_reads_back_as_itself(tmp_path: Path, content: dict[str, Any]) -> None:
    config = sweep_of(tmp_path, content, "budget.usd=2.5", "finetune.recipe={lr: 0.001, augment: [flip]}")
    (tmp_path / "config.yaml").write_text(config.to_yaml())

    again = load_config(tmp_path / "config.yaml")

    assert again == config


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_shipped_sweep_loads_and_begins_by_saying_what_it_is_for(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not shipped yet")

    config = load_config(path)

    assert path.read_text().startswith("# ")
    assert config.budget.model_dump(exclude_none=True), "a shipped sweep has a cap"


def test_prices_come_from_a_file_under_what_the_sweep_says_itself(tmp_path: Path) -> None:
    listed = tmp_path / "prices.yaml"
    listed.write_text("cpu_core_hour: 0.03\ngpu_hour: 9\ngpus: {T4: 0.5}\n")

    config = sweep_of(tmp_path, real_sweep(prices={"file": str(listed), "gpu_hour": 2}))

    assert (config.prices.cpu_core_hour, config.prices.gpu_hour, config.prices.gpus) == (0.03, 2, {"T4": 0.5})
    # and the resolved config holds the figures, so that a report does not change with the file
    assert config.prices.file is None
    assert "T4: 0.5" in config.to_yaml()


def test_the_prices_that_are_shipped_can_be_read(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "configs" / "prices.yaml"
    prices = sweep_of(tmp_path, real_sweep(prices={"file": str(shipped)})).prices
    assert prices.gpus["T4"] > 0
    assert prices.speed["cpu"]["resnet50"] > 0


def test_a_file_of_prices_that_is_not_there_or_has_other_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"prices.file: nowhere.yaml cannot be read .*; see configs/prices.yaml"):
        sweep_of(tmp_path, real_sweep(prices={"file": "nowhere.yaml"}))
    listed = tmp_path / "prices.yaml"
    listed.write_text("gpu_hours: 9\n")
    with pytest.raises(BadInput, match=r"unknown key prices\.gpu_hours"):
        sweep_of(tmp_path, real_sweep(prices={"file": str(listed)}))
