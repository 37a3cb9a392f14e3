"""Run folders of commit d91138a: their rows, decisions and ends are read under the names that they were given then.

The digests below were computed by d91138a itself. The sweeps are spelled out here and have the paper's recipes, so that
a change of `configs/` or of a quick recipe does not touch them. Whoever changes a paper recipe makes other studies of
those rows, and records these digests anew.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeper.commands.report import STOPPED
from sweeper.commands.run import already_stopped, write_config
from sweeper.config.schema import SweepConfig
from sweeper.search.decision_log import DECISIONS, decision_events
from sweeper.stages import digests_d91138a as old
from sweeper.stages import identity
from sweeper.stages.identity import studies
from sweeper.storage.json_lines import append_event
from sweeper.study import results
from tests.sweeper.examples import row, simulated_sweep

PLAIN, SHUFFLED = "plain/mulclass/small_resnet/sinclass", "plain/mulclass-shuffled/small_resnet/sinclass"
REFERENCE = "none/none/small_resnet/sinclass"
PAPER, SHA = {"base": "paper"}, "a" * 64
CODE = "def scene(setting, seed, index):\n    return []\n"


def sweep(**changes: Any) -> dict[str, Any]:
    content = {
        "name": "tiny",
        "renderings": {"plain": {}},
        "pretrain": {"recipe": PAPER},
        "finetune": {"recipe": PAPER, "dataset_sha256": SHA},
    }
    return content | changes


# A sweep file, its arms' studies and its own digest, as d91138a had them.
RECORDED: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "plain": (sweep(), {REFERENCE: "d6201e6a6aa2b13d", PLAIN: "11314379fd985406"}, "8f0db7efc3db4693"),
    "workers": (
        sweep(seed=5, pretrain={"recipe": PAPER, "workers": 4, "validation_images": 100}),
        {REFERENCE: "ea0e6eff66b18396", PLAIN: "4f2ec6474038853d"},
        "ffa91d6bf1e0b741",
    ),
    "rendering": (
        sweep(
            renderings={"plain": {"material": "random", "placement": "physics"}},
            render={"light_strength": [0.5, 0.9], "min_visible_share": 0.01, "min_objects": 2, "size_jitter": False},
        ),
        {REFERENCE: "d6201e6a6aa2b13d", PLAIN: "e4d97b8a00fd13ad"},
        "e76554d2ede898e7",
    ),
    "control": (
        sweep(controls={"shuffled_labels": 400, "seeds": 2}, ladder={"sizes": [100, 200, 400]}),
        {REFERENCE: "d6201e6a6aa2b13d", PLAIN: "11314379fd985406", SHUFFLED: "11314379fd985406"},
        "06cbe2d5a3623df8",
    ),
    "fine-tuning": (
        sweep(
            finetune={"recipe": PAPER, "dataset_sha256": SHA, "resolution": 48, "balanced": False, "count": 300},
            tune={"space": {"lr": [1e-4, 1e-2], "weight_decay": {"choices": [0.0, 0.1]}}, "when": "each_n"},
        ),
        {REFERENCE: "cfc3c1c5479c01bc", PLAIN: "b7817a1a0afba6e2"},
        "dddd5ace76def462",
    ),
    "own renderer": (
        sweep(renderings={"plain": {"source": {"kind": "function", "path": "mine.py:scene", "class_names": ["cat"]}}}),
        {REFERENCE: "d6201e6a6aa2b13d", PLAIN: "49fc29970deb99c9"},
        "00069509c6739649",
    ),
    "simulated": (
        simulated_sweep(),
        {
            "none/none/small_resnet/simulated": "fabe2c7da9018168",
            "plain/simulated/small_resnet/simulated": "4d62a66b53859e74",
        },
        "1f9e6ff71541e3ad",
    ),
}


@pytest.fixture(autouse=True)
def packages_of_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions of what draws are part of a study; which they are is not looked at here."""
    monkeypatch.setattr(old, "render_version", lambda blender: "2 blender" if blender else "2")


@pytest.fixture
def config(tmp_path: Path) -> SweepConfig:
    """The plain sweep, with a run folder of its own."""
    return SweepConfig.model_validate(sweep(output=str(tmp_path / "run")))


@pytest.mark.parametrize("name", RECORDED)
def test_a_sweep_has_the_digests_that_it_had(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    content, recorded, digest = RECORDED[name]

    these = studies(SweepConfig.model_validate(content))

    assert {arm: these.readable[arm] - {these.current[arm]} for arm in recorded} == {
        arm: {study} for arm, study in recorded.items()
    }
    assert these.sweeps == {these.sweep, digest}


def test_rows_and_decisions_of_then_are_read_and_a_fine_tune_that_is_there_twice_counts_once(
    config: SweepConfig,
) -> None:
    # given rows of then, one of them measured again under the name of now, and a row of another sweep
    these, before = studies(config), RECORDED["plain"][1]
    then = [row(arm=PLAIN, repeat=i, study=before[PLAIN], error=0.2) for i in range(2)]
    again = replace(then[1], study=these.current[PLAIN], error=0.3)
    reference = row(arm=REFERENCE, n=0, study=before[REFERENCE])
    for each in (*then, again, reference, row(arm=PLAIN, seed=9, study="another")):
        results.write(config.run_folder / "results", each)

    # then each fine-tune is there once, as it was measured last
    assert results.read(config.run_folder / "results", these) == [reference, then[0], again]

    # and decisions are read under both names, but none of another sweep
    event = {"step": 1, "arm": PLAIN, "n": 200, "seed": 0, "gain": None, "cost": 1.0, "unit": "$", "reason": "pilot"}
    for study in (before[PLAIN], "another", these.current[PLAIN]):
        append_event(config.run_folder / DECISIONS, event | {"study": study})
    read = decision_events(config.run_folder / DECISIONS, these)
    assert [each["study"] for each in read] == [before[PLAIN], these.current[PLAIN]]


def test_a_sweep_that_was_run_to_its_end_then_is_at_its_end(config: SweepConfig) -> None:
    # given a run folder that was left with two rows
    study = RECORDED["plain"][1][PLAIN]
    rows = [row(arm=PLAIN, repeat=i, study=study) for i in range(2)]
    for each in rows:
        results.write(config.run_folder / "results", each)
    write_config(config, config.run_folder)
    digest = old.sweep(config, RECORDED["plain"][1])
    append_event(config.run_folder / STOPPED, {"sweep": "another", "kind": "verdicts", "reason": "", "rows": 2})
    assert not already_stopped(config, config.run_folder)

    # when it ended under the digest of then, then there is nothing to do
    append_event(config.run_folder / STOPPED, {"sweep": digest, "kind": "verdicts", "reason": "", "rows": 2})
    assert already_stopped(config, config.run_folder)

    # unless a row is gone
    (config.run_folder / "results" / rows[0].file_name).unlink()
    assert not already_stopped(config, config.run_folder)


def readable(config: SweepConfig) -> dict[str, set[str]]:
    """What rows are read under besides the name of now."""
    these = studies(config)
    return {arm: {*these.readable[arm]} - {these.current[arm]} for arm in these.current}


def test_rows_of_then_are_not_read_where_the_sweep_file_says_what_it_could_not_say_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a key that came later
    keys = tuple(key for key in old.KEYS["render"] if key != "light_strength")
    monkeypatch.setattr(old, "KEYS", {**old.KEYS, "render": keys})
    silent = SweepConfig.model_validate(sweep())
    saying = SweepConfig.model_validate(sweep(render={"light_strength": [0.5, 0.9]}))

    # then rows of then belong to the sweep that does not use it, and to no other
    assert readable(silent)[PLAIN] == {RECORDED["plain"][1][PLAIN]}
    assert readable(saying)[PLAIN] == set()
    assert len(studies(saying).sweeps) == 1


@pytest.mark.parametrize("version", ["PRETRAIN_VERSION", "FINETUNE_VERSION"])
def test_rows_of_then_are_not_read_once_a_stage_gives_other_results(
    version: str, config: SweepConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readable(config)[PLAIN] == {RECORDED["plain"][1][PLAIN]}

    monkeypatch.setattr(identity, version, getattr(identity, version) + 1)

    assert readable(config)[PLAIN] == set()
