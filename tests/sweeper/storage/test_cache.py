"""The copies of a remote store on a node's disk: once a node, within the bound, undamaged, never pulled away."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.storage import cache
from sweeper.storage.cache import FileCache, MismatchError, trim_folders
from sweeper.storage.filesystem import StorageError

KB = 1000


def content(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest() * 32  # 1,024 bytes


class Source:
    """What is fetched from, and how often it was."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def of(self, name: str, damaged: int = 0) -> Callable[[Path], None]:
        def fetch(target: Path) -> None:
            self.fetched.append(name)
            data = content(name)
            target.write_bytes(b"?" + data[1:] if self.fetched.count(name) <= damaged else data)

        return fetch


def get(files: FileCache, name: str, source: Source, damaged: int = 0) -> Path:
    data = content(name)
    return files.get(name, len(data), hashlib.sha256(data).hexdigest(), source.of(name, damaged))


def held(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def hold(folder: Path, name: str, ready: multiprocessing.Event, end: multiprocessing.Event) -> None:  # type: ignore[valid-type]
    files = FileCache(folder, 3 * 1024)
    get(files, name, Source())
    ready.set()  # type: ignore[attr-defined]
    end.wait(30)  # type: ignore[attr-defined]


def test_a_file_is_fetched_once_however_many_ask(tmp_path: Path) -> None:
    source = Source()
    for _ in range(3):
        path = get(FileCache(tmp_path, 100 * KB), "a/model.pt", source)

    assert path.read_bytes() == content("a/model.pt")
    assert source.fetched == ["a/model.pt"]


def test_a_copy_that_was_damaged_on_the_disk_is_fetched_anew(tmp_path: Path) -> None:
    source = Source()
    get(FileCache(tmp_path, 100 * KB), "a", source).write_bytes(b"damaged")

    assert get(FileCache(tmp_path, 100 * KB), "a", source).read_bytes() == content("a")
    assert source.fetched == ["a", "a"]


def test_what_a_network_damages_once_is_fetched_again_and_twice_is_the_storage_s_fault(tmp_path: Path) -> None:
    source = Source()
    assert get(FileCache(tmp_path, 100 * KB), "a", source, damaged=1).read_bytes() == content("a")

    with pytest.raises(MismatchError):
        get(FileCache(tmp_path, 100 * KB), "b", source, damaged=2)
    assert source.fetched == ["a", "a", "b", "b"]
    assert held(tmp_path) == 1024, "and nothing of it is left"


def test_the_longest_unused_files_go_and_the_bound_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PINNED", 1)
    files, source = FileCache(tmp_path, 3 * 1024 + 10), Source()
    for age, name in enumerate("abc"):
        path = get(files, name, source)
        os.utime(path, (1000 + age, 1000 + age))
    get(files, "a", source)  # used again: now b is the oldest

    get(files, "d", source)

    assert held(tmp_path) <= 3 * 1024 + 10
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["a", "c", "d"]


def test_a_file_that_another_process_reads_stays_and_lack_of_room_is_said(tmp_path: Path) -> None:
    # given another process that holds the oldest file of a cache with room for three
    spawn = multiprocessing.get_context("spawn")
    ready, end = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(tmp_path, "held", ready, end))
    other.start()
    try:
        assert ready.wait(60)
        os.utime(tmp_path / "held", (1, 1))
        files, source = FileCache(tmp_path, 3 * 1024), Source()

        # when more is asked for than there is room, then its file stays
        for name in "abcdef":
            get(files, name, source)
        assert (tmp_path / "held").read_bytes() == content("held")
        assert held(tmp_path) <= 3 * 1024

        # and what can never fit is refused in words
        with pytest.raises(StorageError, match=r"its 3\.072e-06 GB are in use and .*: raise cache_gb"):
            files.get("large", 2500, "", source.of("large"))
    finally:
        end.set()
        other.join(30)

    # and once it has ended, its file may go
    for name in "ghi":
        get(FileCache(tmp_path, 3 * 1024), name, Source())
    assert not (tmp_path / "held").exists()


def test_decoded_folders_go_by_age_and_fresh_ones_stay(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("old", 9000), ("older", 10000), ("fresh", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "images.npy").write_bytes(bytes(1000))
        os.utime(tmp_path / name, (now - age, now - age))

    trim_folders(tmp_path, 2500)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fresh", "old"]

    trim_folders(tmp_path, 10)
    assert [p.name for p in tmp_path.iterdir()] == ["fresh"]
