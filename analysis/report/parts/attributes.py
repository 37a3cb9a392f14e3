"""The report's part on rendering attributes: a table of effects, one of settings, and the figure of effects."""

from collections.abc import Iterator, Mapping

from matplotlib.figure import Figure

from analysis.effects.answers import Effect, Effects, Setting, in_words
from analysis.report.columns import Column, Table, percent
from analysis.report.svg import GRID, PALE, PALETTE


def effects_table(effects: Mapping[str, Effects]) -> Table:
    """One row a factor's level in place of another, of every group."""
    columns = (
        Column("on" if len(effects) > 1 else None, "group", lambda row: row[0]),
        Column("n", "n", lambda row: row[1].n, lambda row: "-" if row[1].n is None else f"{row[1].n:,.0f}", True),
        Column("attribute", "factor", lambda row: row[2].factor),
        Column("level", "level", lambda row: row[2].level),
        Column("instead of", "against", lambda row: row[2].against),
        Column("changes the error by", "change", lambda row: row[2].change, lambda row: _points(row[2]), True),
        Column(name="change_low95", value=lambda row: row[2].interval[0]),
        Column(name="change_high95", value=lambda row: row[2].interval[1]),
        Column("finding", "finding", lambda row: row[2].finding),
    )
    return Table([(name, said, each) for name, said in effects.items() for each in said.effects], columns)


def settings_table(effects: Mapping[str, Effects], *, have_laws: bool) -> Table:
    """The likeliest best setting of every group, the best of those run, and the one to run next.

    `have_laws`: those that were run have laws, whose errors the answers tell; the page gives no second number.
    """

    def shown(setting: Setting, text: str) -> str:
        return "see the answer" if have_laws and setting.runs else text

    columns = (
        Column("on" if len(effects) > 1 else None, "group", lambda row: row[0]),
        Column("which", "which", lambda row: row[1]),
        Column("setting", "setting", lambda row: in_words(row[2].levels)),
        Column("runs", "runs", lambda row: row[2].runs, numeric=True),
        Column("error", "error", lambda row: row[2].error, lambda row: shown(row[2], _error(row[2])), True),
        Column(name="error_low95", value=lambda row: row[2].interval[0]),
        Column(name="error_high95", value=lambda row: row[2].interval[1]),
        Column(
            "P(best)", "chance_best", lambda row: row[2].chance_best, lambda row: shown(row[2], _best(row[2])), True
        ),
    )
    return Table(list(_settings(effects)), columns)


def effects_figure(effects: Mapping[str, Effects], width: float = 9.0) -> Figure:
    """What each level does to the error, in points with 95 % intervals; a panel a group."""
    rows = max(len(said.effects) for said in effects.values())
    figure = Figure(figsize=(width, (0.9 + 0.34 * rows) * len(effects)), layout="constrained")
    panels = figure.subplots(len(effects), 1, squeeze=False)[:, 0]
    for axes, (name, said) in zip(panels, effects.items(), strict=True):
        shown = list(reversed(said.effects))
        middle = [100 * each.change for each in shown]
        ends = [[m - 100 * e.interval[0] for m, e in zip(middle, shown, strict=True)]]
        ends.append([100 * e.interval[1] - m for m, e in zip(middle, shown, strict=True)])
        axes.axvline(0, color=PALE, linewidth=0.9)
        axes.errorbar(middle, range(len(shown)), xerr=ends, fmt="o", color=PALETTE[0], capsize=3)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color=GRID, linewidth=0.6)
        axes.set_yticks(range(len(shown)), [f"{e.factor}: {e.level}, not {e.against}" for e in shown], fontsize=9)
        at = "" if said.n is None else f" at n = {said.n:,.0f}"
        axes.set_title(f"{name}{at}", loc="left", fontsize=10)
        axes.set_xlabel("points of error")
    return figure


def _settings(effects: Mapping[str, Effects]) -> Iterator[tuple[str, str, Setting]]:
    for name, said in effects.items():
        yield name, "likeliest the best", said.best
        yield name, "lowest of those run", said.best_measured
        yield name, "to run next", said.next


def _points(effect: Effect) -> str:
    low, high = effect.interval
    return f"{100 * effect.change:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def _best(setting: Setting) -> str:
    return f"{setting.chance_best:.0%}"


def _error(setting: Setting) -> str:
    return f"{percent(setting.error)} ({100 * setting.interval[0]:.1f} to {setting.interval[1]:.1%})"
