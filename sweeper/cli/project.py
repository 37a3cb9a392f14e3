"""Commands about this machine and about the project itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from sweeper.bench.registry import BENCHES, run_bench
from sweeper.bench.registry import HELP as BENCH_HELP
from sweeper.cli.app import PROJECT, OneJson, app, examples


@app.command(rich_help_panel=PROJECT, epilog=examples("sweeper doctor"))
def doctor() -> None:
    """What this machine can do, what is missing and how to get it."""
    from sweeper.commands.doctor import examine

    checks = examine()
    for check in checks:
        print(check)
    raise typer.Exit(0 if all(check.ok or not check.needed for check in checks) else 1)


@app.command(
    help=BENCH_HELP,
    rich_help_panel=PROJECT,
    epilog=examples("sweeper bench fit", "sweeper bench calibration --sweeps 50 --out calibration.csv --json"),
)
def bench(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Which measurement: a name of the list above.",
            autocompletion=lambda: list(BENCHES),
        ),
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of recorded data; else SWEEPER_DATA_ROOT.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="overhead: how many runs; else 2,000.")] = None,
    sizes: Annotated[
        list[int] | None, typer.Option(min=4, help="calibration-cells: doublings of n in a curve; may be repeated.")
    ] = None,
    simulations: Annotated[
        int | None,
        typer.Option(
            min=1, help="calibration-cells: curves in a cell; else 25. factors-calibration: worlds; else 200."
        ),
    ] = None,
    truths: Annotated[
        int | None,
        typer.Option(min=1, help="calibration-cells: of the prior, not cells. target: else 200."),
    ] = None,
    sweeps: Annotated[int | None, typer.Option(min=1, help="calibration: sweeps in a stratum; else 400.")] = None,
    strata: Annotated[
        list[str] | None, typer.Option(help="calibration, factors-calibration: else all; may be repeated.")
    ] = None,
    backbones: Annotated[list[str] | None, typer.Option(help="tasks: else all; may be repeated.")] = None,
    tasks: Annotated[list[str] | None, typer.Option(help="tasks: else all; may be repeated.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="tasks: of 8 images; else the whole recipe.")] = None,
    test: Annotated[int | None, typer.Option(min=1, help="tasks: held-out images; else 64.")] = None,
    small: Annotated[bool | None, typer.Option("--small", help="sweep, theory: tiny, to see that it runs.")] = None,
    device: Annotated[Literal["cpu", "cuda"] | None, typer.Option(help="pretrain, tasks: what to train on.")] = None,
    out: Annotated[Path | None, typer.Option(help="The CSV file to write.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="selection: the CSV file of the log evidence.")] = None,
    json: OneJson = False,
) -> None:
    """The project's own measurements, each beside a reference of the same run."""
    # First of all: so far the parameters are the only local names.
    given = {option: value for option, value in locals().items() if option not in ("name", "json")}
    figures = run_bench(name, {option: value for option, value in given.items() if value is not None})
    from sweeper.bench.figures import as_json, as_text

    print((as_json if json else as_text)(name or "", figures))
    for path in (out, evidence):
        if path is not None:
            print(path, file=sys.stderr if json else sys.stdout)
