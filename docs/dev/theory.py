"""Draws the two figures of theory.md from the table that `sweeper bench theory --out docs/measured/theory.csv` writes.

.venv/bin/python docs/dev/theory.py
"""

import csv
from collections import defaultdict
from math import isclose, log
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

DOCS = Path(__file__).parents[1]
Row = dict[str, str]


def rows() -> dict[tuple[str, str], list[Row]]:
    """Lines of the table by part and setting."""
    found = defaultdict(list)
    with (DOCS / "measured" / "theory.csv").open() as file:
        for row in csv.DictReader(file):
            found[row["part"], row["setting"]].append(row)
    return found


def column(lines: list[Row], name: str) -> list[float]:
    """One column as numbers."""
    return [float(row[name]) for row in lines]


def draw_pretraining(table: dict[tuple[str, str], list[Row]]) -> None:
    """R0 against T0 with its bound, and the slope between neighbours."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for colour, xi in zip(("C0", "C1", "C2"), (2, 3, 4), strict=True):
        lines = table["pretraining", f"pretraining_r0.5_xi{xi}"]
        T0, error, bound = (column(lines, name) for name in ("T0", "value", "reference"))
        left.loglog(T0, error, "o-", color=colour, label=f"xi = {xi}, expected")
        left.loglog(T0, [b * error[-1] / bound[-1] for b in bound], "--", color=colour, lw=0.8)
        nets = table["pretraining networks", f"pretraining_r0.5_xi{xi}"]
        left.loglog(column(nets, "T0"), column(nets, "value"), "x", color=colour)
    left.set(xlabel="steps T0", ylabel="error R0", title="r0 = 0.5; crosses: networks; dashed: slope of the bound")
    left.legend()
    for colour, r0 in zip(("C0", "C1", "C2"), ("0.5", "0.75", "1"), strict=True):
        lines = table["pretraining", f"pretraining_r{r0}_xi2"]
        T0, log_error, log_bound = column(lines, "T0"), column(lines, "value"), column(lines, "reference")
        slopes, promised = (
            [_slope(T0[i : i + 2], y[i : i + 2]) for i in range(len(T0) - 1)] for y in (log_error, log_bound)
        )
        right.semilogx(T0[1:], slopes, "o-", color=colour, label=f"r0 = {r0}")
        right.semilogx(T0[1:], promised, "--", color=colour, lw=0.8)
    right.set(xlabel="steps T0", ylabel="exponent between neighbours", title="xi = 2; dashed: the bound's")
    right.legend()
    figure.savefig(DOCS / "pictures" / "theory-pretraining.png", dpi=90)


def _slope(x: list[float], y: list[float]) -> float:
    return -log(y[1] / y[0]) / log(x[1] / x[0])


def draw_finetuning(table: dict[tuple[str, str], list[Row]]) -> None:
    """The error against R0 at three T1, and error over bound against the pull of the penalty."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    lines = table["fine-tuning", "I-A_xi2"]
    for colour, T1 in zip(("C0", "C1", "C2"), (2**8, 2**14, 2**22), strict=True):
        at = [row for row in lines if isclose(float(row["T1"]), T1, rel_tol=1e-4)]
        R0, error, bound, pull = (column(at, name) for name in ("R0", "value", "reference", "pull"))
        left.loglog(R0, error, "-", color=colour, label=f"T1 = {T1:,}")
        left.loglog(R0, [b * error[0] / bound[0] for b in bound], "--", color=colour, lw=0.8)
        for x, y, p in zip(R0, error, pull, strict=True):
            left.loglog([x], [y], "o", color=colour, mfc=colour if p >= 4 else "white")
    left.set(xlabel="R0", ylabel="error after fine-tuning", title="I-A; full: penalty rules; dashed: slope of bound")
    left.legend()
    for case, marker in (("I-A", "o"), ("I-B", "s"), ("II-A", "^"), ("II-B", "v")):
        lines = table["fine-tuning", f"{case}_xi2"]
        over = [e / b for e, b in zip(column(lines, "value"), column(lines, "reference"), strict=True)]
        right.loglog(column(lines, "pull"), over, marker, ms=4, label=case)
    right.axvline(1, color="grey", lw=0.8)
    right.set(xlabel="lambda1 eta1 T1: right of 1 the penalty rules", ylabel="error / bound", title="all cells, xi = 2")
    right.legend()
    figure.savefig(DOCS / "pictures" / "theory-fine-tuning.png", dpi=90)


if __name__ == "__main__":
    measured = rows()
    draw_pretraining(measured)
    draw_finetuning(measured)
