"""The training checkpoint: written whole or not at all, read without running any code from it."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from tasks.base import TaskError

NAME = "last.pt"


def save(folder: Path, identity: dict[str, Any], content: dict[str, Any]) -> Path:
    """Write folder/last.pt through a temporary file and a rename; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    partial = folder / f"{NAME}.{os.getpid()}.partial"
    with partial.open("wb") as file:
        torch.save({"identity": identity, **content}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return path


def load(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The content of folder/last.pt, or None where there is none.

    Raises TaskError where the file cannot be read, or was made by a training with another `identity` (recipe, seed,
    data): going on from it would be neither of the two.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise TaskError(f"checkpoint {path} cannot be read ({reason}); delete it to start again") from error
    found = content.get("identity")
    if found != identity:
        known = found if isinstance(found, dict) else {}
        other = ", ".join(key for key in identity if identity[key] != known.get(key))
        raise TaskError(f"checkpoint {path} is of another training ({other} differ); use another folder or delete it")
    return content
