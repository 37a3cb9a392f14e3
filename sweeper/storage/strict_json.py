"""JSON that every reader accepts, for all that others read: what is not finite (a size never reached) is null."""

import json
import math
from typing import Any


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON of dicts, lists, strings and numbers: one line, or as many as an indent of so many spaces makes."""
    return json.dumps(_finite(value), allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
