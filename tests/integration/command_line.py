"""`python -m sweeper` as a user runs it: a process of its own, in a folder of its own, whose end is seen to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARK = "SWEEPER_INTEGRATION_TEST"


@dataclass(frozen=True)
class Finished:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines of `--json`; fails on a line of stdout that is none."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Started:
    """A command under way with `--json`: its events so far, and the means to kill it."""

    process: subprocess.Popen[str]
    err_file: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    # Lines of stdout that are no JSON.
    other: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, moment: Callable[[], bool], timeout_s: float) -> None:
        """Return at the moment; fails where the command ends before it or it does not come."""
        deadline = time.monotonic() + timeout_s
        while not moment():
            assert self.process.poll() is None, f"ended too early:\n{self.err_file.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"the moment never came; events: {self.events[-5:]}"
            time.sleep(0.05)

    def kill_group(self) -> None:
        """Kill -9 of the whole process group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(timeout=10)

    def finish(self, timeout_s: float) -> Finished:
        """Wait for the end; fails where stdout had a line that is no JSON."""
        code = self.process.wait(timeout_s)
        self._reader.join(timeout=10)
        assert not self.other, self.other
        return Finished(code, "\n".join(json.dumps(event) for event in self.events), self.err_file.read_text())

    def of(self, name: str) -> list[dict[str, Any]]:
        """Events of one name."""
        return [event for event in self.events if event["event"] == name]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self.events.append(json.loads(line))
            except json.JSONDecodeError:
                # A kill may cut the last line short.
                self.other.append(line)


@dataclass(frozen=True)
class Place:
    """Where commands run: a working folder, and a temporary one for caches and Ray's files.

    Every process started here, and all that Ray starts for it, carries `mark` in its environment.
    """

    folder: Path
    temporary: Path
    mark: str
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What marks a process as started here, and gives it caches of its own."""
        caches = {"TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return {MARK: self.mark} | caches | self.extra

    def run(self, *arguments: str, timeout_s: float = 900) -> Finished:
        """Run `python -m sweeper ARGUMENTS` to its end."""
        with self._popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return Finished(process.returncode, out, err)

    def start(self, *arguments: str) -> Started:
        """Begin `python -m sweeper ARGUMENTS --json` and come back at once."""
        err_file = self.folder / f"stderr-{uuid.uuid4().hex[:6]}.txt"
        with err_file.open("w") as stderr:
            process = self._popen((*arguments, "--json"), stdout=subprocess.PIPE, stderr=stderr)
        return Started(process, err_file)

    def processes(self) -> list[int]:
        """Ids of the processes started here that are still alive."""
        mark = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            # A process may end, or be another user's; one that is dead and not yet collected has an empty environment.
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def wait_until_empty(self, timeout_s: float) -> list[int]:
        """The processes that are still alive when none is, or after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while (alive := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return alive

    def ray_sessions(self) -> set[Path]:
        """The folder of each Ray that was started here."""
        return {path for path in (self.temporary / "ray").glob("session_*") if not path.is_symlink()}

    def _popen(self, arguments: tuple[str, ...], **streams: Any) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        environment |= self.environment
        command = [sys.executable, "-m", "sweeper", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=environment, text=True, start_new_session=True, **streams)


@contextmanager
def place(folder: Path, **extra: str) -> Iterator[Place]:
    """A place that leaves neither processes nor temporary files behind. `extra`: more environment for its commands."""
    # Ray's sockets lie in here, and their paths must be short: pytest's own folders are too deep.
    temporary = Path(tempfile.mkdtemp(prefix="sw"))
    here = Place(folder, temporary, uuid.uuid4().hex, extra)
    try:
        yield here
    finally:
        for process_id in here.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        here.wait_until_empty(10)
        shutil.rmtree(temporary, ignore_errors=True)
