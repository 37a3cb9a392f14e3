"""A real Ray head of its own with authentication on, and nodes that come and go; sweeps run on it as a user's would."""

from __future__ import annotations

import contextlib
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

from tests.integration.command_line import Place

RAY = str(Path(sys.executable).with_name("ray"))

# A busy machine is slow to start a node.
START_S = 150


@dataclass
class Head:
    """A head node: its addresses, the file with its token, and the nodes added to it."""

    place: Place
    address: str
    dashboard: str
    token: Path
    nodes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this cluster must have in its environment."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token), "RAY_ADDRESS": self.address}

    def add_node(self, cpus: int) -> subprocess.Popen[str]:
        """Start a worker node."""
        node = _start(self.place, self.environment, ["--address", self.address, "--num-cpus", str(cpus)])
        self.nodes.append(node)
        return node

    def lose(self, node: subprocess.Popen[str]) -> None:
        """End a node and all that runs on it, without notice."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self.nodes.remove(node)


@contextmanager
def head(place: Place, cpus: int, dashboard: bool = False) -> Iterator[Head]:
    """A head node with so many CPUs, ended with all its nodes."""
    token = place.temporary / "token"
    token.write_text(secrets.token_hex(32))
    port, board = _free_port(), _free_port()
    made = Head(place, f"127.0.0.1:{port}", f"http://127.0.0.1:{board}", token)
    options = ["--head", "--port", str(port), "--num-cpus", str(cpus), "--dashboard-port", str(board)]
    options += ["--temp-dir", str(place.temporary / "ray")]
    options += ["--include-dashboard", str(dashboard).lower(), "--disable-usage-stats"]
    process = _start(place, made.environment, options)
    try:
        yield made
    finally:
        for node in [*made.nodes, process]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGTERM)
        for node in [*made.nodes, process]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(20)


def _start(place: Place, environment: dict[str, str], options: list[str]) -> subprocess.Popen[str]:
    """`ray start --block`, ready."""
    log = place.temporary / f"node-{secrets.token_hex(4)}.txt"
    plain = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    env = plain | {k: v for k, v in environment.items() if k != "RAY_ADDRESS"} | place.environment
    # A job's entrypoint is run with the head's PATH.
    env["RAY_raylet_start_wait_time_s"] = str(START_S)
    env["PATH"] = f"{Path(RAY).parent}:{env['PATH']}"
    # Every node of this machine is at the same address; any other may be out of reach of itself.
    command = [RAY, "start", "--block", "--node-ip-address", "127.0.0.1", *options]
    with log.open("w") as out:
        node = subprocess.Popen(command, env=env, stdout=out, stderr=out, text=True, start_new_session=True)
    deadline = time.monotonic() + START_S
    while not re.search(r"Ray runtime started", log.read_text()):
        assert node.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.2)
    return node


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
