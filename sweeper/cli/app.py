"""The application that commands are added to, and what they share: arguments, groups, examples, progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sweeper.events.reporter import Reporter

# Groups of commands in the help, in this order.
SWEEP, FOUND, TABLES, PROJECT = "Run a sweep", "See what it found", "Errors you have already", "Machine and project"

ConfigFile = Annotated[Path, typer.Argument(help="A sweep file, such as configs/quickstart.yaml.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, such as budget.minutes=30.")]
RunFolder = Annotated[str, typer.Argument(help="The folder of a sweep, such as runs/quickstart or s3://bucket/run.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for machines.")]
OneJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]

app = typer.Typer(
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Render more, or change how you render? Finds out for the least cost.",
    epilog="Exit codes: 0 done, 2 bad input, 3 stopped by the budget before a verdict, 1 anything else.",
)


def examples(*lines: str) -> str:
    """The end of a command's help: each line a command as one would type it."""
    return "\n\n".join(f"Example: {line}" for line in lines)


def installed_version() -> str:
    """The version of the installed package."""
    try:
        return version("syn2real-sweeper")
    except PackageNotFoundError:
        return "(not installed: no version)"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"sweeper {installed_version()}")
        raise typer.Exit


@app.callback()
def _all_commands(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Render more, or change how you render? Finds out for the least cost."""


@contextmanager
def reporting(json: bool) -> Iterator[Reporter]:
    """What shows a command's progress, closed at its end.

    Ray prints messages about dead workers and full nodes, which must not mix with the JSON lines.
    """
    from sweeper.events.reporter import Reporter

    reporter = Reporter("json" if json else "auto")
    try:
        with redirect_stdout(sys.stderr):
            yield reporter
    finally:
        reporter.close()


def checked_run_folder(run: str) -> Path:
    """The run folder at a path or URI; raises BadInput where it is none."""
    from sweeper.config.load import load_run_config
    from sweeper.storage.run_folder import fetched_run_folder

    folder = fetched_run_folder(run)
    load_run_config(folder)
    return folder
