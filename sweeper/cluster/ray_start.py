"""Starting or joining Ray, in a file of its own: workers that only compute import nothing else of the cluster."""

import socket
from typing import Any

import ray
from ray.exceptions import AuthenticationError

from sweeper.errors import BadInput, one_line

# How long a cluster's head may take to answer.
REACH_S = 10.0


def start_ray(address: str, **settings: Any) -> None:
    """Start or join Ray. A local node has half a minute to start, which a busy machine may miss: three tries.

    Raises BadInput where a cluster cannot be joined or a token is missing.
    """
    if address != "local":
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
