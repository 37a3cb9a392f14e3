"""Decoded images on disk, as far as they were asked for: sparse files with a row an image, safe to end at any moment.

A row is there once its checksum is, and that is written after the row. Whoever fills rows holds a lock, which the
system releases when a process dies, so that no image is decoded twice. The files are as large as the whole set to look
at; the disk holds what is filled.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.base import drop_pages
from tasks.data.readers.whole_folder import made_whole

_SUM_BYTES = 16
_LOCK = "lock"
# so many images a processor are decoded before they are written
_AHEAD = 8

# a row of each of the arrays, by its number
Decode = Callable[[int], tuple[np.ndarray, ...]]

log = logging.getLogger("sweeper")


@dataclass(frozen=True)
class Column:
    """One of the arrays that are filled together: its name, and the shape and type of a row."""

    name: str
    shape: tuple[int, ...]
    dtype: Any

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def make_files(folder: Path, counts: dict[str, int], columns: Sequence[Column]) -> None:
    """Make the files of a set, with a split a name and nothing in them, where they do not exist yet."""
    if folder.is_dir():
        return
    with made_whole(folder) as partial:
        for split, count in counts.items():
            for column in (*columns, _SUMS):
                # no block of the disk is taken before a row is written
                np.lib.format.open_memmap(
                    partial / f"{split}-{column.name}.npy", "w+", column.dtype, (count, *column.shape)
                )
        (partial / _LOCK).touch()


_SUMS = Column("sums", (_SUM_BYTES,), np.uint8)


class Filled:
    """The rows of one split."""

    def __init__(self, folder: Path, split: str, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._folder, self._split = folder, split
        self._arrays = {column.name: self._mapped(column) for column in (*self.columns, _SUMS)}
        self._sums = self._arrays[_SUMS.name]

    def array(self, name: str) -> np.ndarray:
        """One of the columns as a memory map, with zeros where a row is not filled."""
        return self._arrays[name]

    def sums(self, indices: np.ndarray) -> np.ndarray:
        """Checksums uint8 (M, 16) of rows, in their order; zeros for a row that is not filled."""
        return np.asarray(self._sums[indices])

    def missing(self, indices: np.ndarray) -> np.ndarray:
        """Which of these rows, each once and in order, are not filled."""
        wanted = np.unique(indices)
        return np.asarray(wanted[~self._sums[wanted].any(axis=1)])

    def fill(self, indices: np.ndarray, decode: Decode, *, verify: bool = False) -> None:
        """Fill these rows, each of the arrays that decode(index) gives, those that are there left alone.

        With `verify` every byte of those is compared with its checksum, and what is damaged is decoded again, which is
        said. Raises whatever `decode` does, and OSError where the disk is full; what was filled before that stays.
        """
        if not verify and not len(self.missing(indices)):
            return
        with self._locked():
            missing = self.missing(indices)
            if verify:
                damaged = self._damaged(np.setdiff1d(indices, missing))
                if len(damaged):
                    log.warning("%d decoded images in %s are damaged; decoding them again", len(damaged), self._folder)
                missing = np.union1d(missing, damaged)
            if len(missing):
                self._write(missing, decode)

    def _write(self, rows: np.ndarray, decode: Decode) -> None:
        step = _AHEAD * (os.cpu_count() or 1)
        files = {column.name: self._file(column).open("r+b", buffering=0) for column in (*self.columns, _SUMS)}
        try:
            # Pillow decodes outside Python's lock, so threads do run side by side
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for start in range(0, len(rows), step):
                    part = rows[start : start + step].tolist()
                    for row, arrays in zip(part, pool.map(decode, part), strict=True):
                        self._write_row(files, row, arrays)
        finally:
            for file in files.values():
                file.close()

    def _write_row(self, files: dict[str, Any], row: int, arrays: tuple[np.ndarray, ...]) -> None:
        contents = [
            np.asarray(array, column.dtype).tobytes() for column, array in zip(self.columns, arrays, strict=True)
        ]
        # written, not mapped: a full disk is an error here, and the death of the process there
        for column, content in zip(self.columns, contents, strict=True):
            _put(files[column.name], self._offset(column, row), content)
        _put(files[_SUMS.name], self._offset(_SUMS, row), _checksum(contents))

    def _damaged(self, rows: np.ndarray) -> np.ndarray:
        arrays, sums = [self._arrays[column.name] for column in self.columns], self.sums(rows)
        found = []
        for row, told in zip(rows.tolist(), sums, strict=True):
            if _checksum([array[row].tobytes() for array in arrays]) != told.tobytes():
                found.append(row)
            for array in arrays:
                drop_pages(array)
        return np.array(found, np.int64)

    def _file(self, column: Column) -> Path:
        return self._folder / f"{self._split}-{column.name}.npy"

    def _mapped(self, column: Column) -> np.memmap:
        mapped: np.memmap = np.load(self._file(column), mmap_mode="r", allow_pickle=False)
        return mapped

    def _offset(self, column: Column, row: int) -> int:
        return int(self._arrays[column.name].offset) + row * column.row_bytes

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _put(file: Any, at: int, content: bytes) -> None:
    file.seek(at)
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _checksum(contents: Sequence[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=_SUM_BYTES)
    for content in contents:
        digest.update(content)
    return digest.digest()
