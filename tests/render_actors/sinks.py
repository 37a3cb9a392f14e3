"""A folder in the artifact store's place."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FolderSink:
    """Keeps each artifact in a folder named by its identity's hash; a manifest is that folder's path."""

    root: Path

    def place(self, identity: dict[str, Any]) -> Path:
        return self.root / hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def find(self, identity: dict[str, Any]) -> str | None:
        place = self.place(identity)
        return str(place) if place.exists() else None

    def commit(self, identity: dict[str, Any], folder: Path) -> str:
        shutil.copytree(folder, self.place(identity))
        return str(self.place(identity))

    def path(self, manifest: str, name: str) -> Path:
        return Path(manifest) / name
