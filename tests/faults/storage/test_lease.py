"""Two drivers on one sweep: a living one is left alone, a dead one's lease expires, a late one stops writing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sweeper.errors import BadInput
from sweeper.storage.filesystem import Entry, RetryingFileSystem
from sweeper.storage.lease import Lease, LeaseLostError
from tests.faults.storage.s3_server import S3Server

pytestmark = pytest.mark.slow

# S3 tells times in whole seconds, and a busy machine is slow to answer.
SECONDS = 8.0


@pytest.fixture
def place(s3: S3Server) -> RetryingFileSystem:
    return RetryingFileSystem(s3.uri("run"))


@contextmanager
def holding(place: RetryingFileSystem) -> Iterator[Lease]:
    lease = Lease(place, SECONDS)
    lease.acquire()
    try:
        yield lease
    finally:
        lease.release()


def die(lease: Lease) -> None:
    """What a kill leaves: nobody renews, nothing is released."""
    lease._ended.set()


def test_a_second_driver_is_refused_while_the_first_is_alive(place: RetryingFileSystem) -> None:
    with holding(place) as first:
        began = time.monotonic()
        with pytest.raises(BadInput, match=r"another sweep is running on it \(process \d+ on .*\)"):
            Lease(place, SECONDS).acquire()
        assert time.monotonic() - began < 3 * SECONDS
        first.check()


def test_a_lease_that_was_released_is_free_at_once(place: RetryingFileSystem) -> None:
    with holding(place):
        pass
    began = time.monotonic()

    with holding(place) as second:
        second.check()

    assert time.monotonic() - began < SECONDS


def test_who_asks_while_another_begins_to_hold_is_refused_like_anybody(
    place: RetryingFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given one that has looked and found nobody, and holds from now on, tidying up what lies there,
    first, second, look = Lease(place, SECONDS), Lease(place, SECONDS), place.entries

    def first_begins(folder: str = "") -> list[Entry]:
        monkeypatch.setattr(place, "entries", look)
        first._hold(time.monotonic())
        return look(folder)

    # when another one has asked and not looked yet
    monkeypatch.setattr(place, "entries", first_begins)

    with pytest.raises(BadInput, match="another sweep is running on it"):
        second.acquire()
    first.check()
    first.release()


def test_a_dead_driver_s_lease_expires_and_the_dead_may_not_write_again(place: RetryingFileSystem) -> None:
    with holding(place) as dead:
        die(dead)
        began = time.monotonic()

        with holding(place) as second:
            waited = time.monotonic() - began
            second.check()
            # it was never held by two: the dead one had lost it before the other began
            assert 0.75 * SECONDS < waited < 4 * SECONDS
            with pytest.raises(LeaseLostError, match="run the same command again"):
                dead.check()


def test_of_many_that_come_at_once_one_holds_at_a_time(place: RetryingFileSystem) -> None:
    inside, most, refused = [], [], []

    def drive() -> None:
        try:
            with holding(place):
                inside.append(1)
                most.append(len(inside))
                time.sleep(SECONDS)
                inside.pop()
        except BadInput:
            refused.append(1)

    drivers = [threading.Thread(target=drive) for _ in range(4)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()

    assert max(most) == 1
    assert len(most) + len(refused) == 4


def test_a_driver_whose_storage_is_gone_for_too_long_stops_writing(s3: S3Server) -> None:
    with holding(RetryingFileSystem(s3.uri("run"))) as lease:
        s3.fail("expired")
        time.sleep(SECONDS)

        with pytest.raises(LeaseLostError, match="could not be renewed"):
            lease.check()
        s3.mend()
