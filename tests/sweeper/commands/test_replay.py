from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.laws import law_error
from sweeper.commands import replay as replaying
from sweeper.commands.replay import Wanted, as_json, as_text, replay_policies
from sweeper.errors import BadInput

LAW = "0.45,0.3,8,0.003"
WANTED = Wanted(("adaptive", "grid"), seeds=2, target=0.25, alpha_sd=0.1, c_sd=0.02, budget=12.0)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray: the same function, one job after another."""

    def one_by_one(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], what: str) -> list[Any]:
        return [function(*job) for job in jobs]

    monkeypatch.setattr(replaying, "in_parallel", one_by_one)


def _table(folder: Path, sizes: int) -> Path:
    rng = np.random.default_rng(0)
    lines = ["arm,n,seed,error"]
    for arm, C in (("plain", 0.3), ("rich", 0.2)):
        for n in 1000 * 2 ** np.arange(sizes):
            error = float(law_error(n, 0.45, C, 8.0)) * float(np.exp(0.002 * rng.standard_normal()))
            lines.append(f"{arm},{n},0,{error}")
    path = folder / "runs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.usefixtures("in_this_process")
def test_a_known_law_is_replayed_to_precision_and_verdict() -> None:
    outcome = replay_policies(None, LAW, WANTED)
    said = as_text(outcome, WANTED)
    assert "right at n = 64,000: simulated: change the rendering" in said
    assert "cost until sd of alpha <= 0.1 and of C <= 0.02 in every arm, to stay" in said
    assert [score.policy for score in outcome.scores] == ["adaptive", "grid"]
    assert all(score.C_sd[-1].median < score.C_sd[1].median for score in outcome.scores)


@pytest.mark.usefixtures("in_this_process")
def test_json_is_one_object_with_null_for_what_was_not_reached(tmp_path: Path) -> None:
    wanted = Wanted(("grid",), seeds=1, target=0.1, alpha_sd=0.1, c_sd=1e-6, budget=None)
    text = as_json(replay_policies(_table(tmp_path, 5), None, wanted), wanted)
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["question"]["right"] == {"plain": "change the rendering", "rich": "change the rendering"}
    assert found["policies"]["grid"]["precision_cost"]["median"] is None
    assert found["policies"]["grid"]["reached"] == 0
    # without a budget all of the table may be run: two arms of five sizes with images of their own
    assert found["budget"] == pytest.approx(2 * (5 * 1.15 + 16_000 / 64_000))


def _wanted(**changes: Any) -> Wanted:
    given: dict[str, Any] = {
        "policies": ("grid",),
        "seeds": 1,
        "target": None,
        "alpha_sd": 0.05,
        "c_sd": 0.01,
        "budget": None,
    }
    return Wanted(**(given | changes))


@pytest.mark.parametrize(
    ("law", "wanted", "line"),
    [
        ("0.4,0.2,5", _wanted(), "give four numbers alpha,C,D,sigma"),
        ("inf,0.2,5,0.005", _wanted(), "alpha and D must be above 0 and finite"),
        ("0.4,0.2,5,0", _wanted(), r"sigma \(of log error\) in \(0, 1\)"),
        ("0.4,0.9,50,0.01", _wanted(), "its error at n = 1,000 is 4.05, above 1; lower D or C"),
        (LAW, _wanted(policies=("gird",)), "there is no policy gird; choose from adaptive, grid"),
        (LAW, _wanted(policies=()), "there is no policy"),
        (LAW, _wanted(policies=("grid", "grid")), "names one twice"),
        (LAW, _wanted(target=1.5), "--target is 1.5; give an error in"),
        (LAW, _wanted(c_sd=0.0), "--c-sd is 0; it must be above 0"),
        (LAW, _wanted(budget=-1.0), "--budget is -1"),
        (LAW, _wanted(budget=float("inf")), "--budget is inf; a law's runs never end"),
        (None, _wanted(), "give either a TABLE of recorded runs or --law"),
    ],
)
def test_bad_requests_are_one_line(law: str | None, wanted: Wanted, line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        replay_policies(None, law, wanted)
    assert "\n" not in str(caught.value)


def test_tables_that_leave_nothing_to_choose_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="arm 'plain' has 2 sizes; a replay needs 3 or more to choose from"):
        replay_policies(_table(tmp_path, 2), None, _wanted())
    with pytest.raises(BadInput, match="give either a TABLE"):
        replay_policies(_table(tmp_path, 4), LAW, _wanted())
    with pytest.raises(BadInput, match="is not there"):
        replay_policies(tmp_path / "none.csv", None, _wanted())
    halves = tmp_path / "halves.csv"
    halves.write_text("n,error\n1000.5,0.5\n2000,0.4\n4000,0.3\n")
    with pytest.raises(BadInput, match=r"line 2: n is 1000\.5; give whole numbers of images"):
        replay_policies(halves, None, _wanted())
    endless = tmp_path / "endless.csv"
    endless.write_text("n,error\n1e300,0.5\n2000,0.4\n4000,0.3\n")
    with pytest.raises(BadInput, match=r"line 2: n is 1e\+300; give the number of images"):
        replay_policies(endless, None, _wanted())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ray_gives_the_same_scores_as_one_process(request: pytest.FixtureRequest) -> None:
    through_ray = replay_policies(None, LAW, WANTED)
    request.getfixturevalue("in_this_process")
    assert as_json(through_ray, WANTED) == as_json(replay_policies(None, LAW, WANTED), WANTED)
