"""The nodes that Ray has: waiting for enough of them, asking an autoscaler, ending a sweep that has too few."""

import time
from collections.abc import Callable, Collection, Sequence

import ray
from ray.autoscaler.sdk import request_resources

from sweeper.cluster.resources import Need, needs, nodes_in_words, shortage
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput

# How often the nodes are counted while a sweep runs.
LOOK_S = 5.0

# How long a cloud takes to start a node.
NODE_START_S = 240.0


def nodes_now() -> list[dict[str, float]]:
    """The resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def ask_for(needed: Sequence[Need]) -> None:
    """Ask an autoscaler, where there is one, to keep nodes for this, in place of what was asked before."""
    request_resources(bundles=[{n.kind: n.each} for n in needed if n.each > 0 for _ in range(n.count)])


def await_capacity(config: SweepConfig, wait_s: float, say: Callable[[str], None]) -> None:
    """Wait until the nodes hold every stage, asking an autoscaler for them; raises BadInput after `wait_s` seconds."""
    needed = needs(config)
    short = shortage(needed, nodes_now())
    if short is not None and wait_s > 0:
        say(f"waiting up to {wait_s:g} s for nodes: {short}")
        ask_for(needed)
    deadline = time.monotonic() + wait_s
    try:
        while short is not None and time.monotonic() < deadline:
            time.sleep(min(1.0, wait_s))
            short = shortage(needed, nodes_now())
    finally:
        if wait_s > 0:
            # A request stands until it is replaced, also that of a killed driver, and would keep the nodes alive for
            # ever. From here on the stages' own requests count.
            ask_for([])
    if short is not None and wait_s > 0:
        short += f" or add nodes; waited {wait_s:g} s, the cluster has {nodes_in_words(nodes_now())}"
    if short is not None:
        raise BadInput(short)


class CapacityWatch:
    """Watches the nodes while a sweep runs: says when a running stage has too few, and ends the sweep after `wait_s`
    seconds of it; asks an autoscaler for the nodes of the next stage before it begins.
    """

    def __init__(self, config: SweepConfig, wait_s: float, say: Callable[[str], None]) -> None:
        self._needs, self._wait_s, self._say = needs(config), wait_s, say
        self._looked = self._short_since = 0.0
        self._asked = False

    def look(self, under_way: Collection[str]) -> None:
        """Count the nodes, every LOOK_S seconds at most; raises RuntimeError where they were too few for `wait_s`.

        `under_way`: the stages that run now. An autoscaler may have removed the nodes that only others need.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        nodes = nodes_now()
        short = shortage([need for need in self._needs if need.stage in under_way], nodes)
        if short is None:
            self._short_since = 0.0
        elif not self._short_since:
            self._short_since = now
            self._say(f"waiting up to {self._wait_s:g} s for nodes: {short}; the cluster has {nodes_in_words(nodes)}")
        elif now - self._short_since > self._wait_s:
            raise RuntimeError(
                f"{short} or add nodes; waited {self._wait_s:g} s, the cluster has {nodes_in_words(nodes)}; "
                "run the same command again to go on"
            )

    def soon(self, stage: str, seconds: float) -> None:
        """A stage begins in so many seconds: ask for its nodes once that is less than a node takes to start."""
        if self._wait_s > 0 and not self._asked and seconds < NODE_START_S:
            self._asked = True
            ask_for([need for need in self._needs if need.stage == stage])

    def began(self) -> None:
        """The stage has begun: its own requests keep the nodes from now on, so ours is taken back."""
        if self._asked:
            self._asked = False
            ask_for([])
