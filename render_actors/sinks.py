"""Where actors put what they make: the artifact store, or what stands in for it in tests."""

from pathlib import Path
from typing import Any, Protocol


class ArtifactSink(Protocol):
    """Keeps folders of files under identities. It is pickled to the actors."""

    def find(self, identity: dict[str, Any]) -> Any | None:
        """The manifest of a committed artifact, or None."""

    def commit(self, identity: dict[str, Any], folder: Path) -> Any:
        """Store the folder's files under the identity, manifest last; the manifest of what is there from then on."""

    def path(self, manifest: Any, name: str) -> Path:
        """A local path of one file of a committed artifact."""
