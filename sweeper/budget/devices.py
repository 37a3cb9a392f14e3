"""The type of device that work runs on, as Ray tells it: costs are priced and learnt for each type apart."""

import sys
from collections.abc import Mapping

from sweeper.budget.costs import CPU, GPU


def device_type(gpus: float) -> str | None:
    """The type of device for work that asks for `gpus`; None for a GPU while no Ray is there to tell."""
    if not gpus:
        return CPU
    # Not imported for this: where nobody has yet, none is running, and `sweeper plan` is to answer at once.
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    return gpu_type(ray.cluster_resources())


def gpu_type(resources: Mapping[str, float]) -> str:
    """The cluster's type of GPU, from Ray's resources (`accelerator_type:T4`).

    Of several types nobody knows beforehand which one a piece of work gets: GPU, as where Ray names none.
    """
    types = [name.removeprefix("accelerator_type:") for name in resources if name.startswith("accelerator_type:")]
    return types[0] if len(types) == 1 else GPU
