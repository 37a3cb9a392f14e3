"""The content-addressed store of what stages leave, on any file system pyarrow.fs reaches.

An artifact is a folder named by a hash of everything that determines its content. Its files are uploaded
first, under a name no reader looks for; the manifest, with a checksum of each file, is written last. So a
folder without a manifest is nothing, and a file that does not match its manifest is found before it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from sweeper.errors import BadInput

log = logging.getLogger("sweeper")

MANIFEST = "manifest.json"

# The file of a pre-training's artifact: the backbone's tensors by name.
MODEL_FILE = "model.pt"


class CorruptArtifactError(Exception):
    """A stored file does not match its manifest. The artifact has been withdrawn; make it again."""


@dataclass(frozen=True)
class Manifest:
    """What an artifact is: its identity, its files with checksums, and what was measured while making it."""

    key: str
    identity: dict[str, Any]
    attempt: str
    files: dict[str, dict[str, Any]]
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """The stage that made it: render, pretrain or finetune."""
        return str(self.identity["stage"])


def artifact_key(identity: dict[str, Any]) -> str:
    """32 hex digits of the hash of an identity; the same content always has the same key."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class ArtifactStore:
    """Artifacts under one URI (a local path, `s3://...`, `gs://...`); safe to send to Ray workers.

    Files of a remote store are fetched to `cache` once and verified; a local store is read in place.
    """

    def __init__(self, uri: str, cache: str | None = None, *, look_only: bool = False) -> None:
        """`look_only`: what is damaged is left where it is, not withdrawn."""
        self.uri = uri if "://" in uri else str(Path(uri).absolute())
        self.cache = Path(cache or Path(tempfile.gettempdir()) / "sweeper-artifacts")
        self._look_only = look_only
        self._verified: set[str] = set()
        try:
            self._fs, self._root = fs.FileSystem.from_uri(self.uri)
        except (OSError, pa.ArrowInvalid) as error:
            raise BadInput(f"store {uri}: cannot be opened: {error}") from None
        if "://" not in uri:
            there = next(path for path in (Path(self.uri), *Path(self.uri).parents) if path.exists())
            if not there.is_dir():
                raise BadInput(f"store {uri}: {there} is a file, not a folder; give a folder, or a URI as s3://bucket")

    def __reduce__(self) -> tuple[Any, ...]:
        return ArtifactStore, (self.uri, str(self.cache))

    def make_root(self) -> None:
        """Make the store's folder; raises BadInput where that cannot be. Looking into a store makes nothing."""
        try:
            self._fs.create_dir(self._root, recursive=True)
        except (OSError, pa.ArrowInvalid) as error:
            raise BadInput(f"store {self.uri}: cannot be opened for writing: {error}") from None

    def find(self, identity: dict[str, Any]) -> Manifest | None:
        """The manifest of a finished artifact, or None; a damaged one is withdrawn, and said so."""
        key, stage = artifact_key(identity), str(identity["stage"])
        try:
            with self._fs.open_input_stream(self._path(stage, key, MANIFEST)) as stream:
                content = json.loads(stream.read())
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
        """As `find`, and every file matches its checksum; a damaged artifact is withdrawn, and said so."""
        manifest = self.find(identity)
        try:
            for name in manifest.files if manifest else ():
                self.path(manifest, name)  # type: ignore[arg-type]
        except CorruptArtifactError as error:
            log.warning("%s", error)
            return None
        return manifest

    def commit(self, identity: dict[str, Any], folder: Path, metrics: dict[str, Any] | None = None) -> Manifest:
        """Store the files of a local folder as the artifact of this identity; the first committer wins."""
        key, attempt = artifact_key(identity), uuid.uuid4().hex[:12]
        stage = str(identity["stage"])
        files = {}
        for source in sorted(p for p in Path(folder).iterdir() if p.is_file()):
            files[source.name] = {"sha256": _sha256(source), "bytes": source.stat().st_size}
            self._upload(source, self._path(stage, key, attempt, source.name))
        manifest = Manifest(key, identity, attempt, files, metrics or {})
        existing = self.find(identity)
        if existing is not None:
            # An artifact without files, such as a fine-tune's error, has made no folder.
            if files:
                self._fs.delete_dir(self._path(stage, key, attempt))
            return existing
        self._write_manifest(stage, manifest)
        return manifest

    def path(self, manifest: Manifest, name: str) -> Path:
        """A verified local copy of one file; raises CorruptArtifactError, and withdraws the artifact, on a mismatch."""
        remote = self._path(manifest.stage, manifest.key, manifest.attempt, name)
        is_local = isinstance(self._fs, fs.LocalFileSystem)
        local = Path(remote) if is_local else self.cache / manifest.key / manifest.attempt / name
        token = f"{manifest.attempt}/{name}"
        if token in self._verified and local.exists():
            return local
        if not is_local and not local.exists():
            self._download(remote, local)
        if not local.exists() or _sha256(local) != manifest.files[name]["sha256"]:
            self.withdraw(manifest)
            if not is_local:
                local.unlink(missing_ok=True)
            raise CorruptArtifactError(
                f"artifact {manifest.stage}/{manifest.key}: {name} does not match its checksum; to be made again"
            )
        self._verified.add(token)
        return local

    def withdraw(self, manifest: Manifest) -> None:
        """Forget an artifact, so that it is made again."""
        self._remove(manifest.stage, manifest.key)

    def _remove(self, stage: str, key: str) -> None:
        """The manifest goes first, so that nobody reads what is left. Who only looks leaves all as it is."""
        if self._look_only:
            return
        folder = self._path(stage, key)
        for delete, path in ((self._fs.delete_file, f"{folder}/{MANIFEST}"), (self._fs.delete_dir, folder)):
            with contextlib.suppress(FileNotFoundError):
                delete(path)

    def _path(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    def _upload(self, source: Path, target: str) -> None:
        self._fs.create_dir(target.rsplit("/", 1)[0], recursive=True)
        with source.open("rb") as read, self._fs.open_output_stream(target) as write:
            shutil.copyfileobj(read, write)

    def _download(self, remote: str, local: Path) -> None:
        local.parent.mkdir(parents=True, exist_ok=True)
        part = local.with_name(f"{local.name}.{uuid.uuid4().hex[:8]}.part")
        with self._fs.open_input_stream(remote) as read, part.open("wb") as write:
            shutil.copyfileobj(read, write)
        part.replace(local)

    def _write_manifest(self, stage: str, manifest: Manifest) -> None:
        path = self._path(stage, manifest.key, MANIFEST)
        part = f"{path}.{manifest.attempt}"
        self._fs.create_dir(path.rsplit("/", 1)[0], recursive=True)
        with self._fs.open_output_stream(part) as stream:
            content = asdict(manifest)
            stream.write(json.dumps({"sha256": artifact_key(content)} | content, indent=1).encode())
        self._fs.move(part, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
