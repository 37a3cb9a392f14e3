"""Starting or joining Ray, apart from all that runs on it: workers that only compute import nothing else."""

from __future__ import annotations

from typing import Any

import ray


def start_ray(address: str, **settings: Any) -> None:
    """Start or join Ray. Its own nodes have half a minute, which a busy machine may miss: three tries."""
    tries = 3 if address == "local" else 1
    for left in reversed(range(tries)):
        try:
            ray.init(address=address, **settings)
            return
        # Ray raises a bare Exception where a node did not start in time.
        except Exception as error:
            ray.shutdown()
            if not left:
                reason = " ".join(str(error).split())
                raise RuntimeError(f"Ray did not start: {reason} Run the same command again to go on") from None
