"""The seeds of trainings and of draws. Each is a hash of what it is for, so runs share none: repeats are independent.

A seed that several sizes or arms share moves all of their errors together, and looks like a slope or a difference.
"""

import hashlib
import json
from typing import Any

# How something is trained. Recipe values are compared on equal draws, and the number of workers is no part of a draw.
_HOW = ("recipe", "workers")


def seed_of(*key: Any) -> int:
    """A seed in [0, 2**32) for a key of JSON-ready values: the same key always has the same."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def training_seed(identity: dict[str, Any]) -> int:
    """The seed of a pre-training or a fine-tune: a hash of its identity, less the recipe and the number of workers.

    First weights, order of images, augmentation and shuffled labels come from it. Trials of one tuning differ in their
    recipe alone, so they share it.
    """
    return seed_of("training", {name: value for name, value in identity.items() if name not in _HOW})
