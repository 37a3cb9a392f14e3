"""What a lost node looks like in Ray's exceptions; work that was lost with its node is retried and has not failed.

This is the one list: the render pool reads it, and so does `sweeper.cluster.failures`. It lives here because
`render_actors` imports nothing of `sweeper`.
"""

import re
from collections.abc import Iterator

from ray.exceptions import NodeDiedError, RayActorError

# Cheap nodes may be lost often. More losses than this count as failures: the cluster is unusable.
MOST_LOSSES = 100

# Ray tells of most deaths of nodes in its messages alone, which Ray Train copies into its own. A lost connection to an
# actor is first reported as "unavailable", before Ray knows that the node is dead.
_SIGNS = re.compile(
    r"node has died|node it was running on is dead|node (was|were) preempted|by node preemption"
    r"|actor is temporarily unavailable"
)

# Where Ray's exceptions keep the ones they wrap, besides `args`: those of tasks and actors, and those of Ray Train.
_WRAPPED = ("__cause__", "cause", "controller_failure", "health_check_failure")


def is_lost_node(error: BaseException) -> bool:
    """Whether an exception of Ray says that the work was lost with its node."""
    return bool(_SIGNS.search(str(error))) or any(
        isinstance(each, NodeDiedError) or (isinstance(each, RayActorError) and bool(each.preempted))
        for each in wrapped(error)
    )


def wrapped(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it wraps, the outermost first; Ray Train's wrap one for each failed worker."""
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
