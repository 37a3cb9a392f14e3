"""What the stages ask of Ray, and whether its nodes have it: now, or within a set time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import ray
from ray.autoscaler.sdk import request_resources

from sweeper.config.schema import SweepConfig
from sweeper.errors import BadInput

# How often the nodes are counted while a sweep runs.
LOOK_S = 5.0

# How long a node of a cloud takes to come: some minutes.
NODE_START_S = 240.0


@dataclass(frozen=True)
class Need:
    """`count` workers at the same time, each with these resources on one node; `key` sets the amount of `kind`."""

    key: str
    kind: str
    each: float
    count: int = 1

    @property
    def stage(self) -> str:
        """The stage that has it."""
        return self.key.partition(".")[0]


def needs(config: SweepConfig) -> list[Need]:
    """The least that every stage must have at a time to go on at all."""
    pretrain, finetune = config.pretrain, config.finetune
    least = [Need("finetune.cpus", "CPU", finetune.cpus), Need("finetune.gpus", "GPU", finetune.gpus)]
    if config.is_simulated:
        return least
    workers = pretrain.min_workers or pretrain.workers
    return [
        Need("pretrain.workers", "CPU", pretrain.cpus_per_worker, workers),
        Need("pretrain.gpu", "GPU", float(pretrain.gpu), workers),
        Need("render.actors", "CPU", config.render.cpus_per_actor, config.render.actors),
        Need("render.gpus_per_actor", "GPU", config.render.gpus_per_actor if config.render.gpus else 0.0),
        *least,
    ]


def shortage(needed: Sequence[Need], nodes: Sequence[Mapping[str, float]]) -> str | None:
    """In words, the first need that these nodes could not meet even if they were idle; None where they meet all."""
    for need in needed:
        if need.each <= 0:
            continue
        amounts = [node.get(need.kind, 0.0) for node in nodes]
        room = sum(int(min(need.count, amount / need.each + 1e-9)) for amount in amounts)
        if room < need.count:
            asked, have = need.each * need.count, sum(amounts)
            on = "" if asked > have else f" ({max(amounts):g} on its largest node)"
            return f"{need.key} asks for {asked:g} {need.kind}s, but Ray has {have:g}{on}: lower {need.key}"
    return None


def held_side_by_side(needed: Sequence[Need], nodes: Sequence[Mapping[str, float]]) -> bool:
    """Whether these nodes, were they idle, could hold all of this at the same time, each worker on one node."""
    for kind in {need.kind for need in needed}:
        left = [node.get(kind, 0.0) for node in nodes]
        each = [need.each for need in needed if need.kind == kind and need.each > 0 for _ in range(need.count)]
        for amount in sorted(each, reverse=True):
            place = next((i for i, room in enumerate(left) if room >= amount - 1e-9), None)
            if place is None:
                return False
            left[place] -= amount
    return True


def finetunes_at_a_time(config: SweepConfig, nodes: Sequence[Mapping[str, float]]) -> float:
    """How many fine-tunes these nodes hold side by side, one at least: GPUs may be fewer than the cores allow.

    What a fine-tune takes of the sweep's minutes is its own time over this number.
    """
    asked = [("CPU", config.finetune.cpus), ("GPU", config.finetune.gpus)]
    held = (min(int(node.get(kind, 0.0) / each + 1e-9) for kind, each in asked if each > 0) for node in nodes)
    return float(max(1, sum(held)))


def nodes_now() -> list[dict[str, float]]:
    """The resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def described(nodes: Sequence[Mapping[str, float]]) -> str:
    """The nodes in words: how many, with how many CPUs and GPUs in all."""
    cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    return f"{len(nodes)} node{'s' * (len(nodes) != 1)} with {cpus:g} CPUs and {gpus:g} GPUs"


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
        short += f" or add nodes; waited {wait_s:g} s, the cluster has {described(nodes_now())}"
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
            self._say(f"waiting up to {self._wait_s:g} s for nodes: {short}; the cluster has {described(nodes)}")
        elif now - self._short_since > self._wait_s:
            raise RuntimeError(
                f"{short} or add nodes; waited {self._wait_s:g} s, the cluster has {described(nodes)}; "
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
