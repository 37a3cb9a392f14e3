"""The command line. Commands import heavy modules only after the config is checked, so mistakes show at once.

Exit codes: 0 done, 2 bad input, 3 stopped by budget before a verdict, 1 anything else."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sweeper.bench.registry import HELP as BENCH_HELP
from sweeper.bench.registry import run_bench
from sweeper.errors import BadInput, InterruptedSweep, one_line
from sweeper.study.columns import HELP as FIT_HELP

if TYPE_CHECKING:
    from sweeper.events.reporter import Reporter

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Render more, or change how you render? Finds out for the least money.",
)

ConfigFile = Annotated[Path, typer.Argument(help="A sweep file, such as configs/quickstart.yaml.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, such as budget.minutes=30.")]
RunFolder = Annotated[str, typer.Argument(help="The folder of a sweep, such as runs/quickstart or s3://bucket/run.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for machines.")]


@app.command()
def init(
    renders: Annotated[list[str] | None, typer.Option(help="Renders, FOLDER or NAME=FOLDER; repeatable.")] = None,
    photos: Annotated[str | None, typer.Option(help="Folder of labelled photographs.")] = None,
    task: Annotated[str | None, typer.Option(help="sinclass, mulclass, objdet, insseg or semseg.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; else called after the photographs.")] = None,
    minutes: Annotated[float, typer.Option(min=1, help="The budget that is written into it.")] = 120,
) -> None:
    """Write a sweep file for folders of your own; asks for what is left out."""
    from sweeper.commands.init import Wishes, asker, write_sweep

    path, found = write_sweep(Wishes(tuple(renders or ()), photos, task, out, minutes), asker())
    for line in found:
        print(line)
    print(f"{path} is written; next: sweeper plan {path}")


@app.command()
def plan(config: ConfigFile, overrides: Overrides = None) -> None:
    """Arms, ladder, stages, cache hits and estimated cost; spends nothing."""
    from sweeper.config.load import load_config

    loaded = load_config(config, overrides or ())
    from sweeper.commands.plan import describe

    print(describe(loaded))


@app.command()
def run(config: ConfigFile, overrides: Overrides = None, json: AsJson = False) -> None:
    """Run a sweep, or go on with it; safe to repeat."""
    from sweeper.config.load import load_config

    loaded = load_config(config, overrides or ())
    from sweeper.cluster.session import end_on_sigterm
    from sweeper.commands.run import run_sweep
    from sweeper.commands.status import verdict_lines

    try:
        with _reporter(json) as reporter:
            end_on_sigterm()
            outcome = run_sweep(loaded, reporter)
    except (KeyboardInterrupt, SystemExit):
        raise InterruptedSweep("interrupted; run the same command again to go on") from None
    for line in verdict_lines(outcome):
        print(line, file=sys.stderr if json else sys.stdout)
    raise typer.Exit(outcome.exit_code)


@app.command()
def status(run: RunFolder) -> None:
    """Spend, stages, fits, verdicts and the next proposal of a sweep."""
    folder = _checked_run_folder(run)
    from sweeper.commands.status import describe

    print(describe(folder))


@app.command()
def report(run: RunFolder) -> None:
    """Write report.html, figures and tables of a sweep anew."""
    folder = _checked_run_folder(run)
    from sweeper.commands.report import write_report

    print(write_report(folder).report)


@app.command()
def collect(
    runs: Annotated[list[str], typer.Argument(help="Run folders: paths or URIs.")],
    out: Annotated[Path, typer.Option(help="The Parquet table; rows that it has already stay.")],
) -> None:
    """The fine-tunes of run folders as one table to keep, with what each got right of each test image."""
    from sweeper.commands.collect import collect as collect_rows

    print(collect_rows([_checked_run_folder(run) for run in runs], out))


@app.command()
def render(
    config: ConfigFile,
    overrides: Overrides = None,
    images: Annotated[int, typer.Option(min=1, help="How many images of each rendering setting.")] = 40,
    preview: Annotated[bool, typer.Option("--preview", help="Write a contact sheet with the labels drawn.")] = False,
    export: Annotated[Literal["coco", "bop"] | None, typer.Option(help="Write the images in this format too.")] = None,
    json: AsJson = False,
) -> None:
    """Only render."""
    from sweeper.commands.render import render_only
    from sweeper.config.load import load_config

    with _reporter(json) as reporter:
        answers = list(render_only(load_config(config, overrides or ()), images, preview, reporter, export))
    for line in answers:
        print(line, file=sys.stderr if json else sys.stdout)


@app.command()
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


@app.command(help=FIT_HELP)
def fit(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet, a row a run.")],
    target: Annotated[float | None, typer.Option(help="The error you need, in (0, 1].")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="A column that tells arms apart; may be repeated.")] = None,
    percent: Annotated[bool, typer.Option("--percent", help="Errors, or scores, are in per cent.")] = False,
    score: Annotated[bool, typer.Option("--score", help="The table has scores; the error is 1 - score.")] = False,
    classes: Annotated[int | None, typer.Option(help="Classes of the real task: what chance level is.")] = None,
    min_gain: Annotated[float, typer.Option(help="Without a target: the fall for a doubling that pays.")] = 0.01,
    level: Annotated[float, typer.Option(help="The probability at which a verdict is given.")] = 0.95,
    robust: Annotated[bool, typer.Option("--robust", help="Some runs may be outliers; find which.")] = False,
    at_n: Annotated[float | None, typer.Option(help="Several s: renders to ask the exchange rate at.")] = None,
    at_s: Annotated[float | None, typer.Option(help="Several s: labels to ask it at; else the most.")] = None,
    label_usd: Annotated[float | None, typer.Option(help="Dollars of a photograph with its label.")] = None,
    render_usd: Annotated[float | None, typer.Option(help="Dollars of a render.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for a page with the curves, figures and CSV files.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Fit recorded observations; what --help says of the table stands beside its columns."""
    from sweeper.commands import exchange
    from sweeper.commands.fit import Asked, answer, as_json, as_text, write_page
    from sweeper.study.recorded_runs import Reading

    reading = Reading(tuple(arm or ()), percent, score)
    question = exchange.Question(at_n, at_s, label_usd, render_usd)
    answers = answer(table, Asked(target, robust, reading, classes, min_gain, level, question))
    if json:
        print(as_json(answers.arms, target, answers.recorded, answers.rates))
    else:
        print("\n".join(text for text in (as_text(answers.arms, target), exchange.as_text(answers.rates)) if text))
    if out is not None:
        page = write_page(answers, out, table.stem)
        print(page, file=sys.stderr if json else sys.stdout)


@app.command()
def effects(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet, a row a run: error, and a column for each attribute.")],
    factors: Annotated[str, typer.Option(help="Columns of the attributes, commas between; else all others.")] = "",
    at: Annotated[float | None, typer.Option(help="The n to compare at, where there are several.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What each rendering attribute does to the error, which setting is best, and which to run next."""
    from sweeper.commands.effects import as_json, as_text, effects_of_table

    found = effects_of_table(table, tuple(name.strip() for name in factors.split(",") if name.strip()), at)
    print((as_json if json else as_text)(found))


@app.command()
def replay(
    table: Annotated[Path | None, typer.Argument(help="Recorded runs, as for `fit`: the pool to choose from.")] = None,
    law: Annotated[str | None, typer.Option(help="Or a known law to simulate: alpha,C,D,sigma.")] = None,
    policy: Annotated[str, typer.Option(help="Policies, with commas between.")] = "adaptive,grid",
    seeds: Annotated[int, typer.Option(min=1, help="How often each policy is replayed.")] = 200,
    target: Annotated[float | None, typer.Option(help="The error you need, in (0, 1].")] = None,
    alpha_sd: Annotated[float, typer.Option(help="The precision of alpha to reach.")] = 0.05,
    c_sd: Annotated[float, typer.Option(help="The precision of C to reach.")] = 0.01,
    budget: Annotated[float | None, typer.Option(help="The most each policy may spend, in pre-trainings.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What policies would have paid for precision and for the right verdict, on recorded or simulated runs."""
    from sweeper.commands.replay import Wanted, as_json, as_text, replay_policies

    names = tuple(name.strip() for name in policy.split(",") if name.strip())
    wanted = Wanted(names, seeds, target, alpha_sd, c_sd, budget)
    print((as_json if json else as_text)(replay_policies(table, law, wanted), wanted))


@app.command()
def reproduce(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="The paper's published results_finetune.csv.")],
    out: Annotated[Path, typer.Option(help="Folder for the page and the tables.")] = Path("runs/reproduce"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object with every table.")] = False,
) -> None:
    """The paper's tables and figures from its published results, beside ours."""
    from sweeper.commands.reproduce import reproduce_paper

    print(reproduce_paper(table, out, as_json=json))


@app.command(help=BENCH_HELP)
def bench(
    name: Annotated[str | None, typer.Argument(help="Which measurement: a name of the list above.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of recorded data; else SWEEPER_DATA_ROOT.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="overhead: how many runs; else 2,000.")] = None,
    sizes: Annotated[
        list[int] | None, typer.Option(min=4, help="calibration-cells: doublings of n in a curve; may be repeated.")
    ] = None,
    simulations: Annotated[
        int | None, typer.Option(min=1, help="calibration-cells: curves in a cell; else 25.")
    ] = None,
    truths: Annotated[
        int | None,
        typer.Option(min=1, help="calibration-cells: of the prior, not cells. target: else 200."),
    ] = None,
    sweeps: Annotated[int | None, typer.Option(min=1, help="calibration: sweeps in a stratum; else 400.")] = None,
    strata: Annotated[list[str] | None, typer.Option(help="calibration: else all; may be repeated.")] = None,
    backbones: Annotated[list[str] | None, typer.Option(help="tasks: else all; may be repeated.")] = None,
    tasks: Annotated[list[str] | None, typer.Option(help="tasks: else all; may be repeated.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="tasks: of 8 images; else the whole recipe.")] = None,
    test: Annotated[int | None, typer.Option(min=1, help="tasks: held-out images; else 64.")] = None,
    small: Annotated[bool | None, typer.Option("--small", help="sweep, theory: tiny, to see that it runs.")] = None,
    device: Annotated[Literal["cpu", "cuda"] | None, typer.Option(help="pretrain, tasks: what to train on.")] = None,
    out: Annotated[Path | None, typer.Option(help="The CSV file to write.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="selection: the CSV file of the log evidence.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The project's own measurements, each beside a reference of the same run."""
    # First of all: so far the parameters are the only local names.
    given = {option: value for option, value in locals().items() if option not in ("name", "json")}
    figures = run_bench(name, {option: value for option, value in given.items() if value is not None})
    from sweeper.bench.figures import as_json, as_text

    print((as_json if json else as_text)(name or "", figures))


@app.command("export-model")
def export_model(
    run: RunFolder,
    arm: Annotated[str | None, typer.Option(help="Which arm; may be left out where there is one.")] = None,
    out: Annotated[Path | None, typer.Option(help="The file; else model.safetensors in the run folder.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Also where it gives another error than recorded.")] = False,
) -> None:
    """Make the best fine-tuned model of an arm again and write it as safetensors."""
    folder = _checked_run_folder(run)
    from sweeper.commands.export_model import export_model as export

    for line in export(folder, arm, out, accept=accept):
        print(line)


@app.command()
def doctor() -> None:
    """What this machine can do, what is missing and how to get it."""
    from sweeper.commands.doctor import examine

    checks = examine()
    for check in checks:
        print(check)
    raise typer.Exit(0 if all(check.ok or not check.needed for check in checks) else 1)


@contextmanager
def _reporter(json: bool) -> Iterator[Reporter]:
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


def _checked_run_folder(run: str) -> Path:
    """The run folder at a path or URI; raises BadInput where it is none."""
    from sweeper.config.load import load_run_config
    from sweeper.storage.run_folder import fetched_run_folder

    folder = fetched_run_folder(run)
    load_run_config(folder)
    return folder


def main() -> None:
    """Run a command; a user's mistake is one line on stderr and exit code 2."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        code = int(app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0)
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
    except RuntimeError as error:
        print(f"sweeper: {error}", file=sys.stderr)
        code = 1
    sys.stderr.flush()
    sys.stdout.flush()
    # Threads of an interrupted stage would keep the process alive.
    os._exit(code)


if __name__ == "__main__":
    main()
