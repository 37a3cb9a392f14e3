"""What a lost node looks like in Ray's exceptions, for all who try again what went with its node.

This is the one list: the render pool reads it, and so does `sweeper.cluster.failures`. It lives here because
`render_actors` imports nothing of `sweeper`.
"""

import re
from collections.abc import Iterator

from ray.exceptions import NodeDiedError, RayActorError

# Nodes may be lost again and again where they are cheap; a cluster that loses every one of them is no cluster.
MOST_LOSSES = 100

# Ray puts the death of a node into words only, also where Ray Train has wrapped them. Who loses the connection to an
# actor hears that it is unavailable before anybody knows that its node is dead.
_SIGNS = re.compile(
    r"node has died|node it was running on is dead|node (was|were) preempted|by node preemption"
    r"|actor is temporarily unavailable"
)

# Where Ray's exceptions keep the ones they wrap, besides `args`: those of tasks and actors, and those of Ray Train.
_WRAPPED = ("__cause__", "cause", "controller_failure", "health_check_failure")


def is_lost_node(error: BaseException) -> bool:
    """Whether an exception of Ray says that a node is gone, and the work with it: that is not the work's fault."""
    return any(_tells_of_it(each) for each in wrapped(error)) or bool(_SIGNS.search(str(error)))


def wrapped(error: BaseException) -> Iterator[BaseException]:
    """An exception and all those that it wraps, the outermost first; Ray Train keeps one for each failed worker."""
    seen: set[int] = set()
    left = [error]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [getattr(each, name, None) for name in _WRAPPED]
        inner += [*each.args, *getattr(each, "worker_failures", {}).values()]
        left += [one for one in inner if isinstance(one, BaseException)]


def _tells_of_it(error: BaseException) -> bool:
    return isinstance(error, NodeDiedError) or (isinstance(error, RayActorError) and bool(error.preempted))
