"""Render actors that wait between jobs with Blender loaded, which takes 10 s to start."""

import threading
from dataclasses import dataclass
from typing import Any

from render_actors.setting.setting import RenderSetting


@dataclass
class Kept:
    """An actor that waits for a job: where it is, what it has loaded, how many scenes it has rendered."""

    handle: Any
    node: str
    setting: RenderSetting
    scenes: int


class KeptActors:
    """Actors that wait, with Blender loaded, for the next job of this Ray. They hold memory and no CPU core.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Kept] = []

    def put(self, kept: Kept) -> None:
        """Let an actor wait."""
        with self._lock:
            self._waiting.append(kept)

    def take(self, node: str, setting: RenderSetting) -> Kept | None:
        """One on this node, with this setting loaded if there is such a one."""
        with self._lock:
            there = [kept for kept in self._waiting if kept.node == node]
            found = next((kept for kept in there if kept.setting == setting), there[0] if there else None)
            if found is not None:
                self._waiting.remove(found)
            return found
