"""What was decided and what came of it: two files of JSON lines in the run folder, only ever appended to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.policy.goals import Goals
from analysis.policy.objectives import Expected, current_sds
from analysis.policy.proposal import Proposal
from analysis.policy.runs import Run
from sweeper.search.knowledge import Knowledge
from sweeper.storage.json_lines import append_event, read_events
from sweeper.study.studies import Studies

DECISIONS = "decisions.jsonl"
LEARNING = "learning.jsonl"


def decision_events(path: Path, studies: Studies) -> list[dict[str, Any]]:
    """The decisions written down so far for these studies of the arms, in order, as they were written.

    Those made for another recipe, data set or rendering setting are passed over, and so are damaged lines.
    """
    keys = {"step", "arm", "n", "seed", "gain", "cost", "unit", "reason", "study"}
    return [e for e in read_events(path) if keys <= set(e) and studies.has(e["arm"], e["study"])]


def read_decisions(path: Path, studies: Studies, s: int) -> list[Proposal]:
    """The same as proposals, each with the words that were written down; `s`: the sweep's, where it has one."""
    return [
        Proposal(
            Run(e["arm"], e["n"], e["seed"], e.get("s", s), "s" in e),
            e["gain"],
            e["cost"],
            e["unit"],
            why="",
            expected=_expected(e),
            recorded=e["reason"],
        )
        for e in decision_events(path, studies)
    ]


def learning_events(folder: Path, studies: Studies) -> dict[int, tuple[float, float]]:
    """By step, the quantity that its run was for before and after the run was fitted; the latest line counts."""
    keys = {"step", "arm", "about", "before", "after", "study"}
    events = [e for e in read_events(folder / LEARNING) if keys <= set(e) and studies.has(e["arm"], e["study"])]
    return {e["step"]: (e["before"], e["after"]) for e in events}


class DecisionLog:
    """The decisions of one sweep, over all its restarts; each run is decided once."""

    def __init__(self, folder: Path, studies: Studies, unit: str, s: int) -> None:
        self._folder, self._studies, self._unit = folder, studies, unit
        self.earlier = read_decisions(folder / DECISIONS, studies, s)
        self._steps: dict[Run, int] = {}
        self._expected: dict[Run, Expected] = {}
        for proposal in self.earlier:
            self._note(proposal)

    def write(self, proposal: Proposal) -> dict[str, Any]:
        """Write a decision down unless it was before; its record."""
        known = proposal.run in self._steps
        record = {
            "step": self._note(proposal),
            "arm": proposal.run.arm,
            "n": proposal.run.n,
            "seed": proposal.run.seed,
            "gain": proposal.gain,
            "cost": proposal.cost,
            "unit": self._unit,
            "reason": proposal.reason,
            "study": self._studies.current[proposal.run.arm],
        }
        if proposal.run.tells_s:
            record["s"] = proposal.run.s
        if proposal.expected is not None:
            expected = proposal.expected
            record |= {"about": expected.about, "before": expected.before, "after": expected.after}
        if not known:
            append_event(self._folder / DECISIONS, record)
        return record

    def learnt(self, before: Knowledge, after: Knowledge, goals: Goals) -> None:
        """Write down what the runs that are new in `after` did to the quantities they were for.

        Where several runs of an arm are new, the fall is that of all of them.
        """
        new = [each.run for each in after.runs[len(before.runs) :] if each.run in self._expected]
        if not new:
            return
        was, is_now = (_sds(known, goals) for known in (before, after))
        for run in new:
            about = self._expected[run].about
            if about in was.get(run.arm, ()) and about in is_now.get(run.arm, ()):
                event = {
                    "step": self._steps[run],
                    "arm": run.arm,
                    "about": about,
                    "study": self._studies.current[run.arm],
                    "before": was[run.arm][about],
                    "after": is_now[run.arm][about],
                }
                append_event(self._folder / LEARNING, event)

    def _note(self, proposal: Proposal) -> int:
        if proposal.expected is not None:
            self._expected[proposal.run] = proposal.expected
        return self._steps.setdefault(proposal.run, len(self._steps) + 1)


def _sds(known: Knowledge, goals: Goals) -> dict[str, dict[str, float]]:
    """By arm, the sd of what its runs are for; of an exchange that of the log rate."""
    rates = {arm: {"rate": each.sd} for arm, each in known.exchange.items()}
    return rates or current_sds(known.arms, goals)


def _expected(event: Mapping[str, Any]) -> Expected | None:
    if not {"about", "before", "after"} <= set(event):
        return None
    return Expected(event["about"], event["before"], event["after"], "", "")
