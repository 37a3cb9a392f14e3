"""A real Ray head of its own with authentication on, and nodes that come and go; sweeps run on it as a user's would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.command_line import Place

RAY = str(Path(sys.executable).with_name("ray"))

# A busy machine is slow to start a node.
START_S = 400


@dataclass
class Head:
    """A head node: its addresses, the file with its token, and the nodes added to it."""

    place: Place
    address: str
    dashboard: str
    token: Path
    metrics: str
    process: subprocess.Popen[str] | None = None
    nodes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this cluster must have in its environment."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token), "RAY_ADDRESS": self.address}

    def add_node(self, cpus: int, **settings: str) -> subprocess.Popen[str]:
        """Start a worker node; `settings`: environment variables of Ray for this node."""
        environment = self.environment | settings
        node = _start(self.place, environment, ["--address", self.address, "--num-cpus", str(cpus)])
        self.nodes.append(node)
        return node

    def lose_all(self) -> None:
        """End the head and every node, without notice."""
        for node in [*self.nodes, self.process]:
            if node is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(node.pid, signal.SIGKILL)
                node.wait()
        self.nodes, self.process = [], None

    def lose(self, node: subprocess.Popen[str]) -> None:
        """End a node and all that runs on it, without notice."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self.nodes.remove(node)


@contextmanager
def head(place: Place, cpus: int, dashboard: bool = False, most_nodes: int = 0) -> Iterator[Head]:
    """A head node with so many CPUs, ended with all its nodes.

    `most_nodes`: how many nodes of one CPU its autoscaler may start, and ends when they were idle for some seconds.
    """
    token = place.temporary / "token"
    token.write_text(secrets.token_hex(32))
    port, board, metrics = _free_port(), _free_port(), _free_port()
    made = Head(place, f"127.0.0.1:{port}", f"http://127.0.0.1:{board}", token, f"http://127.0.0.1:{metrics}")
    options = ["--head", "--port", str(port), "--num-cpus", str(cpus), "--dashboard-port", str(board)]
    options += ["--metrics-export-port", str(metrics)]
    options += ["--temp-dir", str(place.temporary / "ray")]
    options += ["--include-dashboard", str(dashboard).lower(), "--disable-usage-stats"]
    autoscaling = {}
    if most_nodes:
        config = place.temporary / "autoscaling.json"
        config.write_text(json.dumps(_autoscaled(made.address, cpus, most_nodes)))
        options += ["--autoscaling-config", str(config)]
        autoscaling = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    made.process = _start(place, made.environment | autoscaling, options)
    try:
        yield made
    finally:
        # In no hurry it takes half a minute to end itself; its place sees to what is left.
        made.lose_all()


def _autoscaled(address: str, cpus: int, most_nodes: int) -> dict[str, Any]:
    """A cluster file for Ray's own provider of pretended nodes: processes of this machine."""
    module = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
    return {
        "cluster_name": "pretended",
        "max_workers": most_nodes,
        "idle_timeout_minutes": 0.1,
        "upscaling_speed": 10,
        "provider": {
            "type": "external",
            "module": module,
            "gcs_address": address,
            # They all have this machine's address.
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
        },
        "auth": {},
        "docker": {},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": cpus}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": most_nodes},
        },
        **{key: [] for key in ("initialization_commands", "setup_commands", "head_setup_commands")},
        **{key: [] for key in ("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")},
        **{"file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False},
        **{"rsync_exclude": [], "rsync_filter": []},
    }


def _start(place: Place, environment: dict[str, str], options: list[str]) -> subprocess.Popen[str]:
    """`ray start --block`, ready; Ray itself gives up soon on a busy machine: three tries."""
    for _ in range(2):
        with contextlib.suppress(StartError):
            return _start_once(place, environment, options)
    return _start_once(place, environment, options)


class StartError(AssertionError):
    """A node ended before it was ready."""


def _start_once(place: Place, environment: dict[str, str], options: list[str]) -> subprocess.Popen[str]:
    log = place.temporary / f"node-{secrets.token_hex(4)}.txt"
    plain = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    env = plain | {k: v for k, v in environment.items() if k != "RAY_ADDRESS"} | place.environment
    # A job's entrypoint is run with the head's PATH.
    env["RAY_raylet_start_wait_time_s"] = str(START_S)
    env["RAY_agent_register_timeout_ms"] = str(1000 * START_S)
    env["PATH"] = f"{Path(RAY).parent}:{env['PATH']}"
    # Every node of this machine is at the same address; any other may be out of reach of itself.
    command = [RAY, "start", "--block", "--node-ip-address", "127.0.0.1", *options]
    # Ray's agent, which takes jobs, has a fixed port: where another Ray of this machine has it, no job is ever taken.
    command += ["--dashboard-agent-listen-port", str(_free_port())]
    with log.open("w") as out:
        node = subprocess.Popen(command, env=env, stdout=out, stderr=out, text=True, start_new_session=True)
    deadline = time.monotonic() + START_S
    while not re.search(r"Ray runtime started", log.read_text()):
        if node.poll() is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            raise StartError(log.read_text()[-2000:])
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.2)
    return node


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
