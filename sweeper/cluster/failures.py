"""Why a piece of work failed, and whether to retry it: a lost node is no fault of the work, NaN stays NaN."""

import re
import time
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

import ray

from render_actors.lost_nodes import MOST_LOSSES, is_lost_node, wrapped
from sweeper.errors import one_line
from sweeper.storage.artifacts import CorruptArtifactError
from tasks.base import TaskError

# How long Ray may take to notice that a node is gone.
NOTICE_S = 30.0

# Not "OOM": Ray says of every worker that died without an error that the OOM killer may have ended it.
_OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|running low on memory|due to memory pressure")
# Another try would end in the same exception. Of a fine-tune's, Ray Tune hands on the traceback's text, which names it.
_HOPELESS = (FloatingPointError, TaskError, CorruptArtifactError)
_NAMES_HOPELESS = re.compile("|".join(rf"\b{kind.__name__}\b" for kind in _HOPELESS))


@dataclass(frozen=True)
class Failure:
    """One failed attempt: its cause in one line, whether its node was lost, whether another try would end the same
    way (`hopeless`), and how many seconds it had run.
    """

    cause: str
    lost_node: bool = False
    hopeless: bool = False
    seconds: float = 0.0


class Retries:
    """The retry policy: how often each piece of work may fail, and may lose its node."""

    def __init__(self, max_failures: int) -> None:
        self._most = max_failures
        self._failures: Counter[Hashable] = Counter()
        self._losses: Counter[Hashable] = Counter()

    def again(self, work: Hashable, failure: Failure) -> bool:
        """Count one more failure of this work; whether to try it again."""
        if failure.hopeless:
            return False
        counted, most = (self._losses, MOST_LOSSES) if failure.lost_node else (self._failures, self._most)
        counted[work] += 1
        return counted[work] <= most


def failure_of(error: BaseException) -> Failure:
    """What an exception of Ray, or the text of one that Ray Tune wrote down, says."""
    text = str(error)
    lost = is_lost_node(error)
    if not lost and _OUT_OF_MEMORY.search(text):
        return Failure("it ran out of memory and was killed: ask for more, or use smaller batches")
    hopeless = is_caused_by(error, *_HOPELESS) or bool(_NAMES_HOPELESS.search(text))
    return Failure(cause_of(error), lost, hopeless and not lost)


def is_caused_by(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether an exception, or one of those that Ray or `raise ... from` wrapped in it, is of one of these kinds."""
    return any(isinstance(each, kinds) for each in wrapped(error))


def nodes_alive() -> set[str]:
    """The ids of the nodes that Ray believes to be alive."""
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def lost_a_node(before: set[str]) -> bool:
    """Whether one of these nodes is gone, or is found to be gone within NOTICE_S seconds.

    Workers that train together fail together: the surviving ones report a closed connection long before Ray notices
    that a node is gone.
    """
    deadline = time.monotonic() + NOTICE_S
    while not (gone := before - nodes_alive()) and len(before) > 1 and time.monotonic() < deadline:
        time.sleep(1.0)
    return bool(gone)


def cause_of(failure: BaseException) -> str:
    """One line of an exception: the last that names an error, since Ray's messages contain the worker's traceback."""
    named = [line.strip() for line in str(failure).splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b", line)]
    return named[-1] if named else f"{type(failure).__name__}: {one_line(failure)}"
