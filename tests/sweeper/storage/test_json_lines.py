"""What is written as JSON: every reader accepts it, and a line cut short costs that line alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.events.reporter import Reporter
from sweeper.storage.json_lines import append_event, read_events
from sweeper.storage.strict_json import dumps


def strictly(text: str) -> Any:
    """Read as a strict reader does, to whom NaN and Infinity are no JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_is_not_finite_is_null_however_deep_it_lies() -> None:
    value = {"gain": math.nan, "sizes": [1, (math.inf, {"low": np.float64("-inf")})], "name": "NaN", "error": 0.25}
    assert strictly(dumps(value)) == {
        "gain": None, "sizes": [1, [None, {"low": None}]], "name": "NaN", "error": 0.25
    }  # fmt: skip


def test_events_in_files_and_on_stdout_are_strict_json(tmp_path: Path, capsys: Any) -> None:
    append_event(tmp_path / "events.jsonl", {"cost": math.inf})
    Reporter("json").event("decided", "a run", cost=math.inf)

    assert strictly((tmp_path / "events.jsonl").read_text()) == {"cost": None}
    assert strictly(capsys.readouterr().out)["cost"] is None


def test_a_line_cut_short_by_a_kill_is_passed_over_and_ended_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append_event(path, {"step": 1})
    path.write_bytes(path.read_bytes() + b'{"step": 2, "ar')

    append_event(path, {"step": 3})

    assert list(read_events(path)) == [{"step": 1}, {"step": 3}]
