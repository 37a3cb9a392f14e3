"""Keeping a chatty C library's output out of the logs."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal


@contextmanager
def silence(stream: Literal[1, 2] = 1) -> Iterator[None]:
    """Send the process's stdout (1) or stderr (2) to nowhere for a while: what Blender prints from C as well.

    Exceptions pass unharmed. Other threads' output on that stream is lost too.
    """
    libc = ctypes.CDLL(None)
    python_stream = sys.stdout if stream == 1 else sys.stderr
    python_stream.flush()
    libc.fflush(None)
    kept = os.dup(stream)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)
    try:
        yield
    finally:
        python_stream.flush()
        libc.fflush(None)
        os.dup2(kept, stream)
        os.close(kept)
