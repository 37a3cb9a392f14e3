"""Commands that prepare and run a sweep."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from sweeper.cli.app import SWEEP, AsJson, ConfigFile, OneJson, Overrides, app, examples, reporting
from sweeper.errors import InterruptedSweep

TASKS = ("sinclass", "mulclass", "objdet", "insseg", "semseg")


@app.command(
    rich_help_panel=SWEEP,
    epilog=examples("sweeper init", "sweeper init --renders renders/ --photos photos/ --task objdet --out my.yaml"),
)
def init(
    renders: Annotated[list[str] | None, typer.Option(help="Renders, FOLDER or NAME=FOLDER; repeatable.")] = None,
    photos: Annotated[str | None, typer.Option(help="Folder of labelled photographs.")] = None,
    task: Annotated[
        str | None, typer.Option(help=f"{', '.join(TASKS[:-1])} or {TASKS[-1]}.", autocompletion=lambda: list(TASKS))
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; else called after the photographs.")] = None,
    minutes: Annotated[float, typer.Option(min=1, help="The budget that is written into it.")] = 120,
) -> None:
    """Write a sweep file for folders of your own; asks for what is left out."""
    from sweeper.commands.init import Wishes, asker, write_sweep

    path, found = write_sweep(Wishes(tuple(renders or ()), photos, task, out, minutes), asker())
    for line in found:
        print(line)
    print(f"{path} is written; next: sweeper plan {shlex.quote(str(path))}")


@app.command(
    rich_help_panel=SWEEP,
    epilog=examples("sweeper plan configs/quickstart.yaml", "sweeper plan my.yaml budget.minutes=30 --json"),
)
def plan(config: ConfigFile, overrides: Overrides = None, json: OneJson = False) -> None:
    """Arms, ladder, stages, cache hits and estimated cost; spends nothing."""
    from sweeper.config.load import load_config

    loaded = load_config(config, overrides or ())
    from sweeper.commands.plan import as_json, as_text, look

    print((as_json if json else as_text)(look(loaded)))


@app.command(
    rich_help_panel=SWEEP,
    epilog=examples("sweeper run configs/quickstart.yaml", "sweeper run my.yaml budget.minutes=120 --json"),
)
def run(config: ConfigFile, overrides: Overrides = None, json: AsJson = False) -> None:
    """Run a sweep, or go on with it; safe to repeat."""
    from sweeper.config.load import load_config

    loaded = load_config(config, overrides or ())
    from sweeper.config.extras import require_for

    require_for("sweeper run", loaded)
    from sweeper.cluster.session import end_on_sigterm
    from sweeper.commands.run import run_sweep
    from sweeper.commands.status import verdict_lines

    try:
        with reporting(json) as reporter:
            end_on_sigterm()
            outcome = run_sweep(loaded, reporter)
    except (KeyboardInterrupt, SystemExit):
        raise InterruptedSweep("interrupted; run the same command again to go on") from None
    for line in verdict_lines(outcome):
        print(line, file=sys.stderr if json else sys.stdout)
    raise typer.Exit(outcome.exit_code)


@app.command(
    rich_help_panel=SWEEP,
    epilog=examples("sweeper render my.yaml --images 40 --preview", "sweeper render my.yaml --images 999 --export bop"),
)
def render(
    config: ConfigFile,
    overrides: Overrides = None,
    images: Annotated[int, typer.Option(min=1, help="How many images of each rendering setting.")] = 40,
    preview: Annotated[bool, typer.Option("--preview", help="Write a contact sheet with the labels drawn.")] = False,
    export: Annotated[Literal["coco", "bop"] | None, typer.Option(help="Write the images in this format too.")] = None,
    json: AsJson = False,
) -> None:
    """Render some images of each setting and end, for a look at them or for other tools."""
    from sweeper.commands.render import render_only
    from sweeper.config.load import load_config

    with reporting(json) as reporter:
        answers = list(render_only(load_config(config, overrides or ()), images, preview, reporter, export))
    for line in answers:
        print(line, file=sys.stderr if json else sys.stdout)
