"""The command line: `sweeper` and `python -m sweeper`. Its commands are declared in `sweeper.cli`.

Commands import heavy modules only after the config is checked, so mistakes show at once.
Exit codes: 0 done, 2 bad input, 3 stopped by budget before a verdict, 1 anything else.
"""

from __future__ import annotations

import logging
import os
import sys

import typer

from sweeper.cli.app import app
from sweeper.config.extras import explained
from sweeper.errors import BadInput, one_line

# ruff: isort: off
# The order of the groups in the help.
from sweeper.cli.sweep import init, plan, render, run
from sweeper.cli.found import collect, compare, complexity, export_model, report, status, watch
from sweeper.cli.tables import effects, fit, replay, reproduce
from sweeper.cli.project import bench, doctor
# ruff: isort: on

__all__ = [
    "app",
    "bench",
    "collect",
    "compare",
    "complexity",
    "doctor",
    "effects",
    "export_model",
    "fit",
    "init",
    "main",
    "plan",
    "render",
    "replay",
    "report",
    "reproduce",
    "run",
    "status",
    "watch",
]

# What typer makes of Ctrl-C.
_INTERRUPTED = 130


def main() -> None:
    """Run a command; a user's mistake is one line on stderr and exit code 2."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        code = int(app(sys.argv[1:] or ["--help"], prog_name="sweeper", standalone_mode=False) or 0)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except typer.TyperException as error:
        message = getattr(error, "format_message", error.__str__)()
        print(f"sweeper: {one_line(message)} (python -m sweeper --help lists what there is)", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        print("sweeper: interrupted", file=sys.stderr)
        code = 1
    except BadInput as error:
        print(f"sweeper: {error}", file=sys.stderr)
        code = 2
    except ModuleNotFoundError as error:
        said = explained(error.name or "")
        if said is None:
            raise
        print(f"sweeper: {said}", file=sys.stderr)
        code = 2
    except RuntimeError as error:
        print(f"sweeper: {error}", file=sys.stderr)
        code = 1
    sys.stderr.flush()
    sys.stdout.flush()
    # Threads of an interrupted stage would keep the process alive.
    os._exit(code)


if __name__ == "__main__":
    main()
