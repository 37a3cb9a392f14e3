"""Starting or joining Ray, in a file of its own: workers that only compute import nothing else of the cluster."""

import os
import socket
from typing import Any

import ray
from ray.exceptions import AuthenticationError

from sweeper.errors import BadInput, one_line

# How long a cluster's head may take to answer.
REACH_S = 10.0


# A Unix socket's path holds so many bytes, and Ray puts this much behind the temporary folder.
_SOCKET_BYTES = 107
_RAY_ADDS = len("/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store")


def temporary_folder() -> tuple[str, int]:
    """The folder that a Ray of this machine puts its sockets under, and by how many bytes its name is too long."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    return folder, len(os.fsencode(folder.rstrip("/"))) + _RAY_ADDS - _SOCKET_BYTES


def check_temporary_folder() -> None:
    """Raise BadInput where Ray could make no socket: it would try three times and say nothing of it."""
    folder, excess = temporary_folder()
    if excess > 0:
        raise BadInput(
            f"TMPDIR: {folder} is {excess} characters too long for Ray's sockets; set RAY_TMPDIR to a short folder that"
            " you may write to, such as RAY_TMPDIR=/tmp"
        )


def start_ray(address: str, **settings: Any) -> None:
    """Start or join Ray. A local node has half a minute to start, which a busy machine may miss: three tries.

    Raises BadInput where a cluster cannot be joined or a token is missing.
    """
    if address == "local":
        check_temporary_folder()
    else:
        _check_answers(address)
    tries = 3 if address == "local" else 1
    for left in reversed(range(tries)):
        try:
            ray.init(address=address, **settings)
            return
        # Ray raises a bare Exception where a node did not start in time.
        except Exception as error:
            ray.shutdown()
            if isinstance(error, AuthenticationError):
                raise BadInput(f"Ray wants a token: {one_line(error)}") from None
            if not left and address != "local":
                raise BadInput(
                    f"RAY_ADDRESS {address}: the cluster cannot be joined: {one_line(error)}; check the address, and "
                    "that the token is the cluster's (RAY_AUTH_MODE=token with RAY_AUTH_TOKEN_PATH)"
                ) from None
            if not left:
                raise RuntimeError(
                    f"Ray did not start: {one_line(error)} Run the same command again to go on"
                ) from None


def _check_answers(address: str) -> None:
    """Raise BadInput where no head answers: Ray would try for minutes. What is no HOST:PORT is left to Ray."""
    host, _, port = address.rpartition(":")
    if "/" in address or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"RAY_ADDRESS: no cluster answers at {address} ({error}); correct it, or unset it to run on this machine"
        ) from None
