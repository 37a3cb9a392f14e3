"""Waiting for nodes: what Ray has, what an autoscaler is asked for, and how long too few nodes are borne."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import ray
from ray.autoscaler.sdk import request_resources

from sweeper.cluster.resources import Need, needs, nodes_in_words, shortage
from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput

# How often the nodes are counted while a sweep runs.
LOOK_S = 5.0

# How long a node of a cloud takes to come: some minutes.
NODE_START_S = 240.0


def nodes_now() -> list[dict[str, float]]:
    """The resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def ask_for(needed: Sequence[Need]) -> None:
    """Ask an autoscaler, where there is one, to keep nodes for this; nothing takes an earlier asking back."""
    request_resources(bundles=[{n.kind: n.each} for n in needed if n.each > 0 for _ in range(n.count)])


def await_capacity(config: SweepConfig, wait_s: float, say: Callable[[str], None]) -> None:
    """Wait until the nodes could run every stage, asking an autoscaler for them; raises BadInput after `wait_s`."""
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
            # What was asked for, also by a driver that was killed, would be kept alive for ever; from here on the
            # stages' own requests speak.
            ask_for([])
    if short is not None and wait_s > 0:
        short += f" or add nodes; waited {wait_s:g} s, the cluster has {nodes_in_words(nodes_now())}"
    if short is not None:
        raise BadInput(short)


class CapacityWatch:
    """While a sweep runs: says that a stage under way has too few nodes, and ends the sweep after a set time; asks for
    nodes a little before they are needed.
    """

    def __init__(self, config: SweepConfig, wait_s: float, say: Callable[[str], None]) -> None:
        self._needs, self._wait_s, self._say = needs(config), wait_s, say
        self._looked = self._short_since = 0.0
        self._asked = False

    def look(self, under_way: Collection[str]) -> None:
        """Count the nodes, now and then; raises RuntimeError where they have been too few for `wait_s`.

        `under_way`: the stages that want nodes now; those of others an autoscaler may have taken away.
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
        """A stage begins in so many seconds: its nodes are asked for when that is how long they take to come."""
        if self._wait_s > 0 and not self._asked and seconds < NODE_START_S:
            self._asked = True
            ask_for([need for need in self._needs if need.stage == stage])

    def began(self) -> None:
        """What was asked for is used by its stage from now on, and need not be kept after it."""
        if self._asked:
            self._asked = False
            ask_for([])
