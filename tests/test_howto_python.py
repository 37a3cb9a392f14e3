"""The how-to of the Python API runs as it stands, and answers what it says it does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "python.md"


def test_the_python_page_runs_from_fit_to_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given the page's blocks as one script, in a folder of their own
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)

    # when it is run
    found: dict[str, Any] = {}
    exec(compile("\n".join(blocks), str(PAGE), "exec"), found)

    # then the law lies within what was measured
    low, high = found["fit"].C.interval(0.95)
    assert 0 <= low < high < 0.39
    # and a new run is less sure than the curve
    assert all(found["new_low"] <= found["low"])
    assert all(found["low"] < found["median"])
    assert all(found["median"] < found["high"])
    assert all(found["high"] <= found["new_high"])
    # and there are a picture, a next run with its reason, and a replay within its budget
    assert (tmp_path / "curve.png").stat().st_size > 1000
    [proposal] = found["proposals"]
    assert proposal.run.arm == "plain"
    assert 0 < found["steps"][-1].spent <= 8.0
    told = capsys.readouterr().out
    assert proposal.reason in told
    assert "adaptive runs:" in told
