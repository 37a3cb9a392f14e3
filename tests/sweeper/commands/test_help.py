"""What the command line says of itself: -h, --version, groups, choices, examples, completion; and `plan --json`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.policy.registry import POLICIES
from sweeper import __main__ as commands
from sweeper.cli.tables import POLICY_NAMES
from tests.sweeper.examples import simulated_sweep, written

ROOT = Path(__file__).parents[3]
COMMANDS = sorted(set(commands.__all__) - {"app", "main"})


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints, without the frames of the help."""
    commands.app(list(arguments), prog_name="sweeper", standalone_mode=False)
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().out).split())


def test_the_short_help_groups_all_commands_in_the_order_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "-h")

    groups = ["Run a sweep", "See what it found", "Errors you have already", "Machine and project"]
    assert sorted(groups, key=text.index) == groups
    assert [name for name in COMMANDS if name.replace("_", "-") not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example_of_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = command.replace("_", "-")
    assert f"Example: sweeper {name}" in told(capsys, name, "-h")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"sweeper \d+\.\d+\.\d+", told(capsys, "--version"))


def test_the_help_of_replay_lists_every_policy() -> None:
    assert set(POLICY_NAMES) == set(POLICIES)


def test_the_shell_completes_commands_and_names_of_benches() -> None:
    code = "import sys; sys.argv=['sweeper']; from sweeper.__main__ import main; main()"
    for words, known in (("sweeper comp", "compare"), ("sweeper bench over", "overhead")):
        asked = {"_SWEEPER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=asked, capture_output=True, text=True)
        assert known in done.stdout.split(), done.stderr


def test_plan_tells_machines_its_arms_sizes_and_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # given a simulated sweep with a budget that its opening does not fit in
    content = simulated_sweep(output=str(tmp_path / "run"), store=str(tmp_path / "store"), budget={"minutes": 1e-6})
    config = written(tmp_path, content)

    # when it is planned as JSON
    commands.plan(config, [], json=True)
    plan = json.loads(capsys.readouterr().out)

    # then sizes, costs by stage and the warning are fields
    assert plan["arms"] == ["plain/simulated/small_resnet/simulated"]
    assert plan["ladder"] == sorted(plan["ladder"])
    opening = plan["costs"]["opening"]
    low, high = (opening["total"][bound]["wall_s"] for bound in ("low", "high"))
    assert 0 <= low <= sum(stage["expected"]["wall_s"] for stage in opening["stages"].values()) <= high
    assert plan["budget"] == {"minutes": 1e-6}
    assert "the opening alone is expected to take" in plan["mind"][0]
