"""What ends a command that is not a bug."""

from collections.abc import Iterator
from contextlib import contextmanager


class BadInput(Exception):  # noqa: N818 - named for what it is, to the person who reads the line
    """The user's input cannot be used: one line saying what, where and what to do. Exit code 2."""


class InterruptedSweep(RuntimeError):  # noqa: N818 - nothing went wrong
    """The user ended the sweep; what is finished is kept. Exit code 1."""


def one_line(error: object) -> str:
    """A message that libraries spread over lines, as the one line that a user is shown."""
    return " ".join(str(error).split())


@contextmanager
def bad_input(prefix: str = "", kinds: type[Exception] | tuple[type[Exception], ...] = ValueError) -> Iterator[None]:
    """Raise BadInput, its line `prefix` and the message, where the body raises one of `kinds`."""
    try:
        yield
    except kinds as error:
        raise BadInput(f"{prefix}{error}") from None
