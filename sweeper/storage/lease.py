"""A lease on a run folder on storage, so that one driver writes it: renewed by its holder, expired without.

Object storages have no locks, and the clocks of machines differ. So a driver first writes a request (`.asks`) and then
lists who else requests or holds: of two that come together, at least one sees the other. Ages are differences of the
storage's own times. A holder that cannot renew in time stops writing before anybody else may begin.
"""

import json
import os
import random
import socket
import threading
import time
import uuid

from sweeper.errors import BadInput
from sweeper.storage.filesystem import Entry, RetryingFileSystem, StorageError

LEASE_S = 60.0
FOLDER = "lease"


class LeaseLostError(RuntimeError):
    """This driver could not renew its lease in time, and another one may have begun."""


class Lease:
    """The right to write a run folder. `seconds`: how long the lease of a killed driver stays valid."""

    def __init__(self, files: RetryingFileSystem, seconds: float | None = None) -> None:
        self.files, self._seconds = files, seconds or LEASE_S
        self._id = uuid.uuid4().hex[:12]
        self._content = json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode()
        self._renewed: float | None = None
        self._ended = threading.Event()
        self._keeper: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lease, once a dead driver's has expired; raises BadInput where its holder is alive."""
        seen: dict[str, int] = {}
        while True:
            asked = time.monotonic()
            self.files.write(self._name("asks"), self._content)
            others = self._others()
            if others is not None and not others:
                self._hold(asked)
                return
            self.files.delete(self._name("asks"))
            for other in others or []:
                if other.name.endswith(".holds") and seen.setdefault(other.name, other.changed_ns) != other.changed_ns:
                    raise BadInput(
                        f"run folder {self.files.redacted}: another sweep is running on it ({self._who(other)}); "
                        f"wait, or set output=FOLDER"
                    )
            # A random wait: two drivers that asked together must not do so for ever.
            time.sleep(self._seconds / 12 * random.uniform(0.5, 1.5))

    def check(self) -> None:
        """Raises LeaseLostError where another driver may hold the folder by now."""
        if self._renewed is None or time.monotonic() - self._renewed > 0.75 * self._seconds:
            raise LeaseLostError(
                f"run folder {self.files.redacted}: its lease could not be renewed for {0.75 * self._seconds:g} s and "
                "another driver may have begun; run the same command again to go on"
            )

    def release(self) -> None:
        """Let the next driver begin at once."""
        self._ended.set()
        if self._keeper is not None:
            # A renewal under way would write again what is removed here.
            self._keeper.join()
        if self._renewed is not None:
            self._renewed = None
            self.files.delete(self._name("holds"))

    def _hold(self, asked: float) -> None:
        self.files.write(self._name("holds"), self._content)
        self.files.delete(self._name("asks"))
        self._renewed = asked
        for old in self.files.entries(FOLDER):
            if self._id not in old.name:
                self.files.delete(f"{FOLDER}/{old.name}")
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        while not self._ended.wait(self._seconds / 5):
            began = time.monotonic()
            try:
                # A driver that found this lease expired has removed it.
                self.files.entry(self._name("holds"))
                self.check()
                self.files.write(self._name("holds"), self._content)
            except (FileNotFoundError, LeaseLostError):
                self._renewed = None
                return
            except StorageError:
                # The next round tries again; `check` says when it is too late.
                continue
            if not self._ended.is_set():
                self._renewed = began

    def _others(self) -> list[Entry] | None:
        """The entries of other drivers that are no older than the lease's time, counted from our request.

        None where our request is gone: a driver that takes the lease removes the requests it finds.
        """
        entries = self.files.entries(FOLDER)
        now = next((entry.changed_ns for entry in entries if entry.name == f"{self._id}.asks"), None)
        if now is None:
            return None
        # A storage may keep times in whole seconds.
        old = now - (self._seconds + 1) * 1e9
        return [entry for entry in entries if self._id not in entry.name and entry.changed_ns > old]

    def _who(self, other: Entry) -> str:
        try:
            said = json.loads(self.files.read(f"{FOLDER}/{other.name}"))
            return f"process {said['process']} on {said['host']}"
        except (FileNotFoundError, ValueError, KeyError):
            return "it has just ended"

    def _name(self, state: str) -> str:
        return f"{FOLDER}/{self._id}.{state}"
