"""The report's tables of what was chosen for the fine-tunes: how many steps they have, and their recipe values."""

from analysis.report.columns import Column, Table, percent, spent
from analysis.report.records import ReportData, StepsTried


def tuning_table(data: ReportData) -> Table:
    """What Optuna chose, a row a tuning."""
    columns = (
        Column("arm", "arm", total="total"),
        Column("tuned at n", "n", text=lambda t: f"{t.n:,}", numeric=True),
        Column("chosen", "chosen"),
        Column(
            "trials",
            "trials",
            text=lambda t: f"{t.trials} ({t.stopped} stopped early)",
            numeric=True,
            total=str(sum(t.trials for t in data.tuning)),
        ),
        Column(name="stopped"),
        Column("validation error", "error", text=lambda t: percent(t.error), numeric=True),
        Column("of the recipe's own", "default_error", text=lambda t: percent(t.default_error), numeric=True),
        Column("values of n = 0", "common"),
        *spent(data.tuning),
        Column(name="tuned_on", value=lambda _: data.tuned_on),
    )
    return Table(data.tuning, columns)


def steps_table(data: ReportData) -> Table:
    """The errors on the folds against the number of steps, a row a trial."""
    columns = (
        Column("arm", "arm"),
        Column("n", "n", text=lambda t: f"{t.n:,}", numeric=True),
        Column("steps", "iterations", text=lambda t: f"{t.iterations:,}", numeric=True),
        Column("error on the folds", "error", text=lambda t: percent(t.error), numeric=True),
        Column("on each", "folds", lambda t: " ".join(f"{e:.6g}" for e in t.folds), _each, numeric=True),
        Column("enough", "enough", text=lambda t: "from here on" if t.enough else ""),
        Column("seconds", "seconds", text=lambda t: f"{t.seconds:.0f}", numeric=True),
    )
    return Table(data.steps, columns)


def _each(tried: StepsTried) -> str:
    return ", ".join(percent(error) for error in tried.folds)
