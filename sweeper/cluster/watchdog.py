"""A watchdog: ends a process that hangs, wherever it hangs."""

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def watchdog(seconds: float) -> Iterator[Callable[[], None]]:
    """End this process after `seconds`, unless the body is done or calls what is yielded, which starts the time anew.

    The timer is a thread in C that needs no Python lock; it prints on stderr where every thread hung.
    """

    def reset() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=2)

    reset()
    try:
        yield reset
    finally:
        faulthandler.cancel_dump_traceback_later()
