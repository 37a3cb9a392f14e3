"""What ends a command that is not a bug."""


class BadInput(Exception):  # noqa: N818 - named for what it is, to the person who reads the line
    """The user's input cannot be used: one line saying what, where and what to do. Exit code 2."""


class InterruptedSweep(RuntimeError):  # noqa: N818 - nothing went wrong
    """The user ended the sweep; what is finished is kept. Exit code 1."""
