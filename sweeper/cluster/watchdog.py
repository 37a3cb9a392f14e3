"""Ending a process that hangs, wherever it hangs."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ended_after(seconds: float) -> Iterator[Callable[[], None]]:
    """End this process `seconds` from now, unless the body is done by then or has put the end off by what is yielded.

    The clock is a thread of its own that needs no Python; it says on stderr where every thread hung.
    """

    def put_off() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=2)

    put_off()
    try:
        yield put_off
    finally:
        faulthandler.cancel_dump_traceback_later()
