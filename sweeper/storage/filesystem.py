"""A file system rooted at one URI, on any storage that pyarrow.fs reaches, with retries.

A remote call that fails for a moment (throttling, 5xx, a cut connection) is retried a bounded number of times. One that
waiting will not mend (credentials, a missing bucket) fails at once. Both end in one line that names the URI.
"""

import contextlib
import errno
import io
import logging
import random
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
from pyarrow import fs

from sweeper.errors import BadInput, one_line
from sweeper.storage.uris import is_uri, redacted

log = logging.getLogger("sweeper")

Answer = TypeVar("Answer")

# The S3 client tries three times by itself before it reports a failure. Between our own tries: 0.5, 1, 2, 4, 8 seconds.
CLIENT_TRIES = 3
TRIES = 6
FIRST_WAIT_S = 0.5
CONNECT_S, REQUEST_S = 5.0, 20.0

# Google's client would retry for a quarter of an hour.
GOOGLE_TRIES = timedelta(seconds=5)

# A part of a storage's error message, in lower case, and what the user has to mend.
REMEDIES = {
    "expired": "the credentials have expired: renew them",
    "access_denied": "access is denied: check the credentials and their rights",
    "access denied": "access is denied: check the credentials and their rights",
    "invalid_access_key": "the access key is unknown: check the credentials",
    "invalid_client_token": "the credentials are unknown: check them",
    "invalidtoken": "the credentials are unknown: check them",
    "signature_does_not_match": "the secret key is wrong: check the credentials",
    "no_such_bucket": "there is no such bucket: make it, or correct the name",
    # The answer to a request for a file's size has no body.
    "http status 400": "the request is refused: renew or check the credentials",
    "http status 403": "the request is refused: renew or check the credentials",
    "not found. to create buckets": "there is no such bucket: make it, or correct the name",
    # Of Google.
    "could not create a oauth2 access token": "no credentials are found, or they are refused: log in, or renew them",
    "unauthenticated": "the credentials are refused: renew or check them",
    "permission_denied": "access is denied: check the credentials and their rights",
}


class StorageError(RuntimeError):
    """A storage could not be read or written: one line with the URI, the cause and what to do."""


@dataclass(frozen=True)
class Entry:
    """A file on storage: its name below the listed folder, its size in bytes, and the storage's own time in ns."""

    name: str
    bytes: int
    changed_ns: int


class RetryingFileSystem:
    """A folder named by a URI or a local path; the paths its methods take are relative to it. It can be pickled.

    Methods raise FileNotFoundError for a missing file, and StorageError where a call fails for good.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri if is_uri(uri) else str(Path(uri).absolute())
        try:
            filesystem, self.root = fs.FileSystem.from_uri(self.uri)
        except (OSError, pa.ArrowInvalid) as error:
            raise BadInput(f"storage {self.redacted}: cannot be opened: {_one_line(error)}") from None
        self.filesystem = _with_fewer_tries(filesystem)

    def __reduce__(self) -> tuple[Any, ...]:
        return RetryingFileSystem, (self.uri,)

    @property
    def redacted(self) -> str:
        """The URI as it may be logged: without options and keys."""
        return redacted(self.uri)

    @property
    def is_local(self) -> bool:
        """Whether files can be read in place."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def make_root(self) -> None:
        """Make the folder; raises BadInput where that cannot be."""
        try:
            self._retried("made", "", self._make_root)
        except (OSError, StorageError) as error:
            raise BadInput(f"storage {self.redacted}: cannot be opened for writing: {_one_line(error)}") from None

    def read(self, path: str) -> bytes:
        """The bytes of a small file."""

        def read() -> bytes:
            with self.filesystem.open_input_stream(self.at(path)) as stream:
                return bytes(stream.read())

        return self._retried("read", path, read)

    def write(self, path: str, content: bytes) -> None:
        """Write a small file, whole or not at all: nobody reads a part of it under its name."""
        self._retried("written", path, lambda: self._send(io.BytesIO(content), path))

    def upload(self, source: Path, path: str) -> None:
        """Copy a local file, whole or not at all."""

        def upload() -> None:
            with source.open("rb") as stream:
                self._send(stream, path)

        self._retried("written", path, upload)

    def download(self, path: str, target: Path) -> None:
        """Copy a file to a local one."""

        def download() -> None:
            mode = "r+b" if target.exists() else "wb"
            with self.filesystem.open_input_stream(self.at(path)) as read, target.open(mode) as write:
                shutil.copyfileobj(read, write, 1 << 20)
                write.truncate()

        self._retried("read", path, download)

    def entries(self, folder: str = "") -> list[Entry]:
        """The files in a folder and in all folders in it; none where there is no such folder."""
        root = self.at(folder)

        def entries() -> list[Entry]:
            found = self.filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True, recursive=True))
            files = [info for info in found if info.type == fs.FileType.File]
            return [Entry(i.path.removeprefix(root).lstrip("/"), i.size, i.mtime_ns or 0) for i in files]

        return self._retried("listed", folder, entries)

    def entry(self, path: str) -> Entry:
        """One file; raises FileNotFoundError."""
        info = self._retried("looked at", path, lambda: self.filesystem.get_file_info(self.at(path)))
        if info.type != fs.FileType.File:
            raise FileNotFoundError(self.at(path))
        return Entry(path, info.size, info.mtime_ns or 0)

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._retried("deleted", path, lambda: self.filesystem.delete_file(self.at(path)))

    def delete_folder(self, path: str) -> None:
        """Remove a folder and all in it, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._retried("deleted", path, lambda: self.filesystem.delete_dir(self.at(path)))

    def at(self, path: str) -> str:
        """The path as `filesystem` knows it."""
        return f"{self.root}/{path}" if path else self.root

    def _make_root(self) -> None:
        google = isinstance(self.filesystem, fs.GcsFileSystem)
        # With the folder pyarrow would make a Google bucket too, under a name that was mistyped.
        if google and self.filesystem.get_file_info(self.root.partition("/")[0]).type == fs.FileType.NotFound:
            raise OSError("no_such_bucket")
        self.filesystem.create_dir(self.root, recursive=True)

    def _send(self, source: BinaryIO, path: str) -> None:
        # An object appears when its upload ends; a local file needs a folder and a rename.
        target = f"{self.at(path)}.{uuid.uuid4().hex[:8]}" if self.is_local else self.at(path)
        if self.is_local:
            self.filesystem.create_dir(target.rsplit("/", 1)[0], recursive=True)
        try:
            with self.filesystem.open_output_stream(target) as stream:
                shutil.copyfileobj(source, stream, 1 << 20)
            if self.is_local:
                self.filesystem.move(target, self.at(path))
        except OSError:
            # What is left of it may be what keeps the disk full.
            if self.is_local:
                Path(target).unlink(missing_ok=True)
            raise

    def _retried(self, done: str, path: str, call: Callable[[], Answer]) -> Answer:
        """The answer of a call, retried as the module says. `done` names it in messages: "read", "written"."""
        for attempt in range(TRIES):
            try:
                return call()
            except FileNotFoundError:
                raise
            except OSError as error:
                cause = _one_line(error)
                if _is_full_disk(error):
                    full = f"{self.redacted}/{path}: cannot be {done}: the disk is full; free some space"
                    raise StorageError(full) from None
                if self.is_local:
                    raise
                remedy = next((text for sign, text in REMEDIES.items() if sign in cause.lower()), None)
                if remedy is not None:
                    raise StorageError(f"{self.redacted}/{path}: cannot be {done}: {remedy} ({cause})") from None
                if attempt + 1 == TRIES:
                    raise StorageError(
                        f"{self.redacted}/{path}: cannot be {done} after {TRIES} tries: {cause}"
                    ) from None
                # A random wait: a hundred workers that were throttled together must not come back together.
                time.sleep(FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")


@contextmanager
def full_disk_as_storage_error(path: Path) -> Iterator[None]:
    """Raise StorageError, one line, where the disk fills up while a local file is written."""
    try:
        yield
    except OSError as error:
        if _is_full_disk(error):
            raise StorageError(f"{path}: cannot be written: the disk is full; free some space") from None
        raise


def _with_fewer_tries(filesystem: fs.FileSystem) -> fs.FileSystem:
    """The same file system; a remote one retries less by itself, since ours follow.

    No URI can set the retries of S3's client, which take half a minute. Small files are sent to S3 in one request.
    """
    if not isinstance(filesystem, fs.S3FileSystem | fs.GcsFileSystem):
        return filesystem
    _, (options,) = filesystem.__reduce__()
    given = {name: value for name, value in options.items() if value not in ("", None)}
    if isinstance(filesystem, fs.GcsFileSystem):
        return fs.GcsFileSystem(**{"retry_time_limit": GOOGLE_TRIES} | given)
    if not given["proxy_options"]["host"]:
        del given["proxy_options"]
    given |= {"connect_timeout": CONNECT_S, "request_timeout": REQUEST_S, "allow_delayed_open": True}
    return fs.S3FileSystem(**given, retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=CLIENT_TRIES))


def _is_full_disk(error: OSError) -> bool:
    # pyarrow sets no errno.
    return error.errno == errno.ENOSPC or "No space left" in str(error)


def _one_line(error: BaseException) -> str:
    # Google's client appends its whole state to the message.
    return one_line(str(error).partition(" error_info=")[0])
