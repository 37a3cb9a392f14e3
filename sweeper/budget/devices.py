"""The type of device that work runs on, as Ray tells it: costs are priced and learnt for each type apart."""

from __future__ import annotations

from collections.abc import Mapping

import ray

from sweeper.budget.costs import GPU, cpu_or_unknown


def device_type(gpus: float) -> str | None:
    """The type of device for work that asks for `gpus`; None for a GPU while no Ray is there to tell."""
    return gpu_type(ray.cluster_resources()) if gpus and ray.is_initialized() else cpu_or_unknown(gpus)


def gpu_type(resources: Mapping[str, float]) -> str:
    """The cluster's type of GPU, from Ray's resources (`accelerator_type:T4`).

    Of several types nobody knows beforehand which one a piece of work gets: GPU, as where Ray names none.
    """
    types = [name.removeprefix("accelerator_type:") for name in resources if name.startswith("accelerator_type:")]
    return types[0] if len(types) == 1 else GPU
