"""Commands that need a table of measured errors and no sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeper.cli.app import TABLES, OneJson, app, examples
from sweeper.study.columns import HELP as FIT_HELP

# Those of analysis.policy.registry, which takes as long to import as a whole help to print.
POLICY_NAMES = ("adaptive", "grid", "random", "cheapest", "d_optimal", "v_optimal", "prediction_error")


@app.command(
    help=FIT_HELP,
    rich_help_panel=TABLES,
    epilog=examples(
        "sweeper fit table.csv --target 0.2", "sweeper fit scores.csv --score --percent --arm model --out fitted/"
    ),
)
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
    at_n: Annotated[
        float | None, typer.Option(help="Several s: how many renders to price in labels; else the most.")
    ] = None,
    at_s: Annotated[float | None, typer.Option(help="Several s: labels to price them at; else the most.")] = None,
    label_usd: Annotated[float | None, typer.Option(help="Dollars of a photograph with its label.")] = None,
    render_usd: Annotated[float | None, typer.Option(help="Dollars of a render.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for a page with the curves, figures and CSV files.")] = None,
    json: OneJson = False,
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
        page = write_page(answers, out, table)
        print(page, file=sys.stderr if json else sys.stdout)


@app.command(
    rich_help_panel=TABLES,
    epilog=examples("sweeper effects table.csv", "sweeper effects table.csv --factors light,camera --at 4000"),
)
def effects(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet, a row a run: error, and a column for each attribute.")],
    factors: Annotated[str, typer.Option(help="Columns of the attributes, commas between; else all others.")] = "",
    at: Annotated[float | None, typer.Option(help="The n to compare at, where there are several.")] = None,
    json: OneJson = False,
) -> None:
    """What each rendering attribute does to the error, which setting is best, and which to run next."""
    from sweeper.commands.effects import as_json, as_text, effects_of_table

    found = effects_of_table(table, tuple(name.strip() for name in factors.split(",") if name.strip()), at)
    print((as_json if json else as_text)(found))


@app.command(
    rich_help_panel=TABLES,
    epilog=examples(
        "sweeper replay table.csv", "sweeper replay --law 0.4,0.2,5,0.005 --policy adaptive,grid --seeds 9"
    ),
)
def replay(
    table: Annotated[Path | None, typer.Argument(help="Recorded runs, as for `fit`: the pool to choose from.")] = None,
    law: Annotated[str | None, typer.Option(help="Or a known law to simulate: alpha,C,D,sigma.")] = None,
    policy: Annotated[str, typer.Option(help=f"With commas between, of: {', '.join(POLICY_NAMES)}.")] = "adaptive,grid",
    seeds: Annotated[int, typer.Option(min=1, help="How often each policy is replayed.")] = 200,
    target: Annotated[float | None, typer.Option(help="The error you need, in (0, 1].")] = None,
    alpha_sd: Annotated[float, typer.Option(help="The precision of alpha to reach.")] = 0.05,
    c_sd: Annotated[float, typer.Option(help="The precision of C to reach.")] = 0.01,
    budget: Annotated[float | None, typer.Option(help="The most each policy may spend, in pre-trainings.")] = None,
    json: OneJson = False,
) -> None:
    """What policies would have paid for precision and for the right verdict, on recorded or simulated runs."""
    from sweeper.commands.replay import Wanted, as_json, as_text, replay_policies

    names = tuple(name.strip() for name in policy.split(",") if name.strip())
    wanted = Wanted(names, seeds, target, alpha_sd, c_sd, budget)
    print((as_json if json else as_text)(replay_policies(table, law, wanted), wanted))


@app.command(rich_help_panel=TABLES, epilog=examples("sweeper reproduce results_finetune.csv --out runs/reproduce"))
def reproduce(
    table: Annotated[
        Path,
        typer.Argument(metavar="CSV", help="results/results_finetune.csv of github.com/pfnet-research/cg-transfer."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the page and the tables.")] = Path("runs/reproduce"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object with every table.")] = False,
) -> None:
    """The paper's tables and figures from its published results, beside ours."""
    from sweeper.commands.reproduce import reproduce_paper

    print(reproduce_paper(table, out, as_json=json))
