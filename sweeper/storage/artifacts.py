"""The content-addressed artifact store, on any storage that pyarrow.fs reaches.

An artifact is a folder named by a hash of everything that determines its content. Its files are uploaded first, under a
name that no reader looks for. The manifest, with a checksum of each file, is written last. So a folder without a
manifest does not count, and a file that differs from its manifest is found before it is used.
"""

import hashlib
import json
import logging
import tempfile
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import BadInput
from sweeper.storage.cache import FileCache, MismatchError, file_sha256
from sweeper.storage.filesystem import RetryingFileSystem
from sweeper.storage.uris import is_uri

log = logging.getLogger("sweeper")

MANIFEST = "manifest.json"

# The file in a pre-training's artifact: the backbone's tensors by name.
MODEL_FILE = "model.pt"

# Cache of a remote store on each node, in GB, where the config says nothing.
CACHE_GB = 50.0


class CorruptArtifactError(Exception):
    """A stored file does not match its manifest. The artifact has been withdrawn; make it again.

    Ray wraps what its workers raise: ask `sweeper.cluster.failures.is_caused_by`.
    """


@dataclass(frozen=True)
class Manifest:
    """One artifact: its identity, its files with checksums and sizes, and what was measured while it was made."""

    key: str
    identity: dict[str, Any]
    attempt: str
    files: dict[str, dict[str, Any]]
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """The stage that made it: order, render, settle, pretrain or finetune."""
        return str(self.identity["stage"])


def artifact_key(identity: dict[str, Any]) -> str:
    """32 hex digits of the hash of an identity; the same content always has the same key."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class ArtifactStore:
    """Artifacts under one URI (a local path, `s3://...`, `gs://...`). It can be pickled to Ray workers.

    A local store is read in place. Files of a remote one are downloaded to `cache`, once a node and up to `cache_gb`
    GB, and verified. Methods raise StorageError where the storage cannot be reached or refuses.
    """

    def __init__(
        self, uri: str, cache: str | None = None, cache_gb: float = CACHE_GB, *, look_only: bool = False
    ) -> None:
        """`look_only`: damaged artifacts are left as they are, not withdrawn."""
        self._files = RetryingFileSystem(uri)
        self.uri = self._files.uri
        self._cache_gb, self._look_only = cache_gb, look_only
        folder = Path(cache) if cache else Path(tempfile.gettempdir()) / "sweeper-artifacts"
        self._cache = FileCache(folder, int(cache_gb * 1e9))
        self._verified: set[str] = set()
        if not is_uri(uri):
            there = next(path for path in (Path(self.uri), *Path(self.uri).parents) if path.exists())
            if not there.is_dir():
                raise BadInput(f"store {uri}: {there} is a file, not a folder; give a folder, or a URI as s3://bucket")

    def __reduce__(self) -> tuple[Any, ...]:
        return ArtifactStore, (self.uri, str(self._cache.folder), self._cache_gb)

    def make_root(self) -> None:
        """Make the store's folder, which reading never does; raises BadInput where it cannot be made."""
        self._files.make_root()

    def find(self, identity: dict[str, Any]) -> Manifest | None:
        """The manifest of a finished artifact, or None. A damaged manifest is withdrawn with a warning."""
        return self._manifest(str(identity["stage"]), artifact_key(identity))

    def all_of(self, stage: str) -> list[Manifest]:
        """The manifests of a stage's finished artifacts, by their keys; damaged ones are withdrawn with a warning."""
        return [found for key in sorted(self.keys(stage)) if (found := self._manifest(stage, key)) is not None]

    def _manifest(self, stage: str, key: str) -> Manifest | None:
        try:
            content = json.loads(self._files.read(f"{stage}/{key}/{MANIFEST}"))
            checksum = content.pop("sha256")
            if checksum != artifact_key(content) or content["key"] != key:
                raise ValueError("checksum")
            return Manifest(**content)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError):
            log.warning("artifact %s/%s: its manifest is damaged; withdrawn, to be made again", stage, key)
            self._remove(stage, key)
            return None

    def find_sound(self, identity: dict[str, Any]) -> Manifest | None:
        """As `find`, and every file is there and whole. A damaged artifact is withdrawn with a warning.

        Files of a local store are compared by checksum. Files of a remote store are compared by size here and by
        checksum when they are read: to ask what is there must not download everything.
        """
        manifest = self.find(identity)
        if manifest is None:
            return None
        try:
            if self._files.is_local:
                for name in manifest.files:
                    self.path(manifest, name)
            else:
                self._compare_sizes(manifest)
        except CorruptArtifactError as error:
            log.warning("%s", error)
            return None
        return manifest

    def keys(self, stage: str) -> set[str]:
        """The keys of a stage's finished artifacts, from one listing; their content is not verified."""
        names = (entry.name for entry in self._files.entries(stage))
        return {name.removesuffix(f"/{MANIFEST}") for name in names if name.endswith(f"/{MANIFEST}")}

    def commit(self, identity: dict[str, Any], folder: Path, metrics: dict[str, Any] | None = None) -> Manifest:
        """Store the files of a local folder as the artifact of this identity; the first committer wins."""
        key, attempt = artifact_key(identity), uuid.uuid4().hex[:12]
        stage = str(identity["stage"])
        files = {}
        for source in sorted(p for p in Path(folder).iterdir() if p.is_file()):
            files[source.name] = {"sha256": file_sha256(source), "bytes": source.stat().st_size}
            self._files.upload(source, f"{stage}/{key}/{attempt}/{source.name}")
        manifest = Manifest(key, identity, attempt, files, metrics or {})
        existing = self.find(identity)
        if existing is not None:
            self._files.delete_folder(f"{stage}/{key}/{attempt}")
            return existing
        content = asdict(manifest)
        text = json.dumps({"sha256": artifact_key(content)} | content, indent=1)
        self._files.write(f"{stage}/{key}/{MANIFEST}", text.encode())
        return manifest

    def path(self, manifest: Manifest, name: str) -> Path:
        """A verified local copy of one file; on a mismatch withdraws the artifact and raises CorruptArtifactError."""
        remote = f"{manifest.stage}/{manifest.key}/{manifest.attempt}/{name}"
        try:
            if self._files.is_local:
                return self._verified_in_place(Path(self._files.at(remote)), manifest.files[name]["sha256"])
            size, sha256 = manifest.files[name]["bytes"], manifest.files[name]["sha256"]
            return self._cache.get(remote, size, sha256, lambda target: self._files.download(remote, target))
        except (MismatchError, FileNotFoundError):
            raise self._corrupt(manifest, f"{name} does not match its checksum") from None

    def withdraw(self, manifest: Manifest) -> None:
        """Remove an artifact, so that it is made again."""
        if self._look_only:
            return
        for name in manifest.files:
            self._cache.forget(f"{manifest.stage}/{manifest.key}/{manifest.attempt}/{name}")
        self._remove(manifest.stage, manifest.key)

    def _verified_in_place(self, path: Path, sha256: str) -> Path:
        if str(path) not in self._verified or not path.exists():
            if file_sha256(path) != sha256:
                raise MismatchError(path.name)
            self._verified.add(str(path))
        return path

    def _compare_sizes(self, manifest: Manifest) -> None:
        there = {entry.name: entry.bytes for entry in self._files.entries(f"{manifest.stage}/{manifest.key}")}
        for name, file in manifest.files.items():
            if there.get(f"{manifest.attempt}/{name}") != file["bytes"]:
                raise self._corrupt(manifest, f"{name} is missing or cut short")

    def _corrupt(self, manifest: Manifest, what: str) -> CorruptArtifactError:
        self.withdraw(manifest)
        return CorruptArtifactError(
            f"artifact {manifest.stage}/{manifest.key}: {what}; it does not match its manifest, to be made again"
        )

    def _remove(self, stage: str, key: str) -> None:
        """Remove the manifest first, so that nobody reads what is left; with `look_only` remove nothing."""
        if self._look_only:
            return
        self._files.delete(f"{stage}/{key}/{MANIFEST}")
        self._files.delete_folder(f"{stage}/{key}")
