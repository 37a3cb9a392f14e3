"""How Ray Tune's questions reach the loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis.policy.runs import Run
from sweeper.cluster.failures import Failure
from sweeper.search.experiment import looked_up_every
from sweeper.search.searcher import PolicySearcher
from sweeper.stages.identity import Trial

TRIALS = [Trial(Run("plain/mulclass/small_resnet/sinclass", 100, 0), repeat, {}, "test", None) for repeat in range(9)]


@dataclass
class Queue:
    """A loop that always has another fine-tune, and notes what it is told."""

    begun: list[Trial] = field(default_factory=list)
    failed: list[tuple[Trial, Failure | None]] = field(default_factory=list)
    asked: int = 0
    given: int = 0
    finished: bool = False

    def next_trial(self, room: bool) -> Trial | None:
        self.asked += 1
        self.given += room
        return TRIALS[self.given - 1] if room else None

    def started(self, trial: Trial) -> None:
        self.begun.append(trial)

    def observed(self, trial: Trial, result: dict[str, Any] | None, failure: Failure | None = None) -> None:
        self.failed.append((trial, failure))


def test_as_many_fine_tunes_wait_as_the_nodes_hold() -> None:
    # given nodes that hold two fine-tunes
    queue = Queue()
    searcher = PolicySearcher(queue, 60.0, lambda: 2.0)  # type: ignore[arg-type]  # a loop as far as it is asked

    # when Tune asks for more than that
    given = [searcher.suggest(name) for name in "abc"]

    # then the third waits its turn, and the loop, which also begins runs when it is asked, was asked all the same
    assert given == [{"trial": TRIALS[0].text}, {"trial": TRIALS[1].text}, None]
    assert queue.asked == 3

    # when one begins and another fails before it began
    searcher.on_trial_begun("a")
    searcher.on_trial_error("b", RuntimeError("ValueError: no"), 0.0)
    searcher.on_trial_complete("b", error=True)

    # then two more may come
    assert [searcher.suggest(name) is not None for name in "def"] == [True, True, False]
    assert queue.begun == [TRIALS[0]]
    assert queue.failed == [(TRIALS[1], Failure("ValueError: no", seconds=0.0))]


def test_an_answer_is_kept_for_a_while() -> None:
    answers = iter([1.0, 2.0])
    for_long, for_no_time = (looked_up_every(seconds, lambda: next(answers)) for seconds in (60.0, -1.0))

    assert [for_long(), for_long()] == [1.0, 1.0]
    assert for_no_time() == 2.0
