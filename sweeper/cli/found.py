"""Commands that read what sweeps have found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli.app import FOUND, ConfigFile, OneJson, Overrides, RunFolder, app, checked_run_folder, examples
from sweeper.errors import BadInput


@app.command(
    rich_help_panel=FOUND, epilog=examples("sweeper status runs/quickstart", "sweeper status s3://bucket/runs/my")
)
def status(run: RunFolder) -> None:
    """Spend, stages, fits, verdicts and the next proposal of a sweep."""
    folder = checked_run_folder(run)
    from sweeper.commands.status import describe

    print(describe(folder))


@app.command(
    rich_help_panel=FOUND, epilog=examples("sweeper watch runs/quickstart", "sweeper watch s3://bucket/runs/my --once")
)
def watch(
    run: RunFolder,
    once: Annotated[bool, typer.Option("--once", help="Show it one time.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Also renew report.html; a browser reads it anew.")] = False,
) -> None:
    """Follow a running sweep: stages with what is left, spend, the curves so far. Ctrl-C ends it, not the sweep."""
    if html and "://" in run:
        raise BadInput("--html writes report.html into the run folder, and this one is on storage; leave it out")
    try:
        checked_run_folder(run)
        from sweeper.commands.watch import watch as follow

        follow(lambda: checked_run_folder(run), once=once, html=html)
    except KeyboardInterrupt:
        print()


@app.command(rich_help_panel=FOUND, epilog=examples("sweeper report runs/quickstart"))
def report(run: RunFolder) -> None:
    """Write report.html, figures and tables of a sweep anew."""
    folder = checked_run_folder(run)
    from sweeper.commands.report import write_report

    print(write_report(folder).report)


@app.command(
    rich_help_panel=FOUND,
    epilog=examples("sweeper compare runs/plain runs/varied", "sweeper compare runs/a runs/b runs/c --json"),
)
def compare(
    runs: Annotated[list[str], typer.Argument(help="Two run folders or more: paths or URIs.")],
    json: OneJson = False,
) -> None:
    """Sweeps side by side: what differs in their config, their verdicts with intervals, and what they cost."""
    from sweeper.commands.compare import as_json, as_text, compared

    found = compared({run: checked_run_folder(run) for run in runs})
    print((as_json if json else as_text)(found))


@app.command(
    rich_help_panel=FOUND, epilog=examples("sweeper collect runs/quickstart runs/my --out measured/runs.parquet")
)
def collect(
    runs: Annotated[list[str], typer.Argument(help="Run folders: paths or URIs.")],
    out: Annotated[Path, typer.Option(help="The Parquet table; rows that it has already stay.")],
) -> None:
    """The fine-tunes of run folders as one table to keep, with what each got right of each test image."""
    from sweeper.commands.collect import collect as collect_rows

    print(collect_rows([checked_run_folder(run) for run in runs], out))


@app.command(rich_help_panel=FOUND, epilog=examples("sweeper complexity my.yaml --images 1000"))
def complexity(
    config: ConfigFile,
    overrides: Overrides = None,
    images: Annotated[int, typer.Option(min=2, help="How many images of each rendering setting to look at.")] = 1000,
    checkpoint: Annotated[Path | None, typer.Option(help="Tensors for all arms; else each arm's largest n.")] = None,
) -> None:
    """The paper's complexity measure (section 4.5) of each arm's rendered set; shown in the report."""
    from sweeper.config.load import load_config

    loaded = load_config(config, overrides or ())
    from sweeper.commands.complexity import RESULTS, measure
    from sweeper.commands.driver import exclusive_run_folder
    from sweeper.storage.run_folder import sync_all

    with exclusive_run_folder(loaded) as folder:
        for line in measure(loaded, folder, images, checkpoint):
            print(line)
        sync_all(folder, RESULTS)
        print(folder / RESULTS)


@app.command(
    "export-model", rich_help_panel=FOUND, epilog=examples("sweeper export-model runs/my --out my.safetensors")
)
def export_model(
    run: RunFolder,
    arm: Annotated[str | None, typer.Option(help="Which arm; may be left out where there is one.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; else model.safetensors in the run folder.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Also where it gives another error than recorded.")] = False,
) -> None:
    """Make the best fine-tuned model of an arm again and write it as safetensors."""
    folder = checked_run_folder(run)
    from sweeper.commands.export_model import export_model as export

    for line in export(folder, arm, out, accept=accept):
        print(line)
