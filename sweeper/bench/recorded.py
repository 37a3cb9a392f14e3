"""The recorded curves that some benches score, from the folder that --data-root or SWEEPER_DATA_ROOT names."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from analysis.evidence.factors.tables import FactorTable, read_factor_table
from analysis.paper.recorded import Curve, JointCurve, Setting, read_few_shot, read_paper, read_paper_grid
from sweeper.errors import BadInput, bad_input

Curves = TypeVar("Curves")


def paper_curves(data_root: Path | None) -> dict[Setting, Curve]:
    """The paper's curves; BadInput where they cannot be read."""
    return _read(read_paper, data_root, "cg_transfer_finetune.csv")


def paper_grid(data_root: Path | None) -> JointCurve:
    """The paper's grid of n and s; BadInput where it cannot be read."""
    return _read(read_paper_grid, data_root, "cg_transfer_finetune.csv")


def few_shot_curves(data_root: Path | None) -> dict[str, tuple[Curve, Curve]]:
    """The few-shot curves, the part to fit and the part to score of each; BadInput where they cannot be read."""
    return _read(read_few_shot, data_root, "alabdulmohsin_vision.csv")


def factor_table(data_root: Path | None) -> FactorTable:
    """The recorded settings of factors; BadInput where they cannot be read."""
    return _read(read_factor_table, data_root, "task2sim_factors.csv")


def _read(reader: Callable[[Path], Curves], data_root: Path | None, file: str) -> Curves:
    root = data_root or os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        raise BadInput("this bench needs the recorded curves; name their folder with --data-root or SWEEPER_DATA_ROOT")
    with bad_input():
        return reader(Path(root) / "curves" / file)
