"""What people type and what YAML, the shell and addresses make of it: read as meant, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeper.config.load import load_config
from sweeper.errors import BadInput
from sweeper.storage.uris import redacted
from tests.sweeper.examples import real_sweep, sweep_of


def refusal(folder: Path, *overrides: str, **changes: Any) -> str:
    with pytest.raises(BadInput) as refused:
        sweep_of(folder, real_sweep(**changes), *overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("key", ["budget.usd", "budget.minutes", "store", "finetune.count", "budget"])
@pytest.mark.parametrize("space", ["", " "])
def test_an_override_from_an_unset_variable_is_refused(tmp_path: Path, key: str, space: str) -> None:
    said = refusal(tmp_path, f"{key}={space}", budget={"usd": 3, "minutes": 9})
    assert f"there is no value (an unset variable?); {key}=null takes a value away" in said


def test_null_takes_a_cap_away(tmp_path: Path) -> None:
    assert sweep_of(tmp_path, real_sweep(budget={"usd": 3}), "budget.usd=null").budget.caps() == {}


def test_a_key_without_a_value_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("name: a\nrenderings: {plain: {}}\nbudget:\n  usd:\n")
    with pytest.raises(BadInput, match="the key usd has no value; write null where it is to have none"):
        load_config(tmp_path / "sweep.yaml")


@pytest.mark.parametrize("written", ["1e-3", "1E-3", "0.1e-2", "1.e-3", "+1e-03", "0.001"])
def test_numbers_with_an_exponent_are_numbers(tmp_path: Path, written: str) -> None:
    """Given a choice in any spelling of a number, it is the number, in files and in overrides."""
    by_override = sweep_of(tmp_path, real_sweep(), f"tune.space.lr.choices=[{written}, 1e-2]")
    (tmp_path / "own.yaml").write_text(
        f"name: a\nrenderings: {{plain: {{}}}}\ntune: {{space: {{lr: {{choices: [{written}, 1e-2]}}}}}}\n"
    )

    for config in (by_override, load_config(tmp_path / "own.yaml")):
        assert config.tune.space["lr"].choices == (0.001, 0.01)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("render.resolution=0100", "0100 has a leading zero; write 100, or quote it where it is text"),
        ("ladder.sizes=[0100, 0200, 0400]", "0100 has a leading zero; write 100"),
        ("budget.minutes=1:30", "1:30 would be a number of base 60; quote it"),
        ("name=no", "name: a text is needed, and YAML reads this as true or false: quote it (got False)"),
        ("name=on", "reads this as true or false: quote it"),
        ("name=12", "reads this as a number: quote it"),
        ("name=2026-01-02", "reads this as a date: quote it"),
        ("finetune.tasks=[yes]", "finetune.tasks.0: a text is needed, and YAML reads this as true or false"),
        ("renderings={no: {}}", "reads this as true or false: quote it"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_was_meant_is_refused(tmp_path: Path, override: str, said: str) -> None:
    assert said in refusal(tmp_path, override)


def test_quoted_text_stays_text(tmp_path: Path) -> None:
    assert sweep_of(tmp_path, real_sweep(), "name='0100'").name == "0100"


@pytest.mark.parametrize("key", ["store", "output", "data_root"])
@pytest.mark.parametrize("place", ["~/here", "$PLACE/here", "${PLACE}/here"])
def test_home_and_variables_are_expanded_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path))
    assert getattr(sweep_of(tmp_path, real_sweep(), f"{key}={place}"), key) == f"{tmp_path}/here"


def test_the_file_of_prices_and_sources_are_expanded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path))
    (tmp_path / "p.yaml").write_text("cpu_core_hour: 0.5\n")
    source = {"source": {"kind": "function", "path": "$PLACE/mine.py:render", "class_names": ["a", "b"]}}

    config = sweep_of(
        tmp_path,
        real_sweep(renderings={"own": source}, prices={"file": "~/p.yaml"}),
        "finetune.dataset=coco:$PLACE/real",
    )

    assert config.prices.cpu_core_hour == 0.5
    assert config.renderings["own"].source is not None
    assert config.renderings["own"].source.path == f"{tmp_path}/mine.py:render"
    assert config.finetune.dataset == f"coco:{tmp_path}/real"


@pytest.mark.parametrize("key", ["store", "output", "data_root", "prices.file"])
def test_a_variable_that_is_not_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    assert f"{key}: $NO_SUCH is not set" in refusal(tmp_path, f"{key}=$NO_SUCH/a")


SECRETS = ["ab/cd", "ab+cd=", "a@b", "ab%2Fcd"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("key", ["store", "output"])
def test_keys_in_an_address_are_refused_and_never_shown(tmp_path: Path, key: str, secret: str) -> None:
    """Given a secret of any characters before the @ or among the options, the line holds a hint and no part of it."""
    for uri in (f"s3://KEYID:{secret}@bucket/x", f"s3://bucket/x?access_key=KEYID&secret_key={secret}"):
        said = refusal(tmp_path, f"{key}={uri}")
        assert "holds keys" in said
        assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said
        assert "KEYID" not in said
        assert secret not in said


@pytest.mark.parametrize("secret", SECRETS)
def test_no_part_of_a_key_is_logged(secret: str) -> None:
    assert redacted(f"s3://KEYID:{secret}@bucket/runs/x?scheme=http") == "s3://bucket/runs/x"
    assert redacted("s3://bucket/runs/a@b") == "s3://bucket/runs/a@b"
