"""Learning curves that others measured, read from their published files.

Files: `curves/cg_transfer_finetune.csv` (Mikami et al. 2021, results/results_finetune.csv of their repository)
and `curves/alabdulmohsin_vision.csv` (Alabdulmohsin et al. 2022, "Revisiting Neural Scaling Laws").
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.laws import Floats

# Training images.
IMAGENET = 1_281_167
_PAPER_COLUMNS = (
    *("n_eval", "value", "pretrain.data", "pscale", "ptask", "pdata"),
    *("fdata", "fratio", "ftask", "model", "nparam"),
)


@dataclass(frozen=True)
class Setting:
    """What a curve of the paper was measured under; `fraction`: percentage of the fine-tuning set used."""

    collection: str
    pretrain_task: str
    rendering: str
    backbone: str
    million_parameters: float
    finetune_task: str
    finetune_data: str
    fraction: int

    @property
    def name(self) -> str:
        """All that tells curves apart, in one line."""
        return (
            f"{self.pretrain_task} > {self.finetune_task} ({self.finetune_data} {self.fraction} %)"
            f" {self.backbone} {self.rendering} {self.collection}"
        )

    @property
    def group(self) -> str:
        """The fine-tuning task, its amount of data, and the backbone: arms that may share D."""
        return f"{self.finetune_task} {self.finetune_data} {self.fraction} {self.backbone}"


@dataclass(frozen=True, eq=False)
class Curve:
    """Errors (points,) at sizes n (points,), in order of n."""

    n: Floats
    error: Floats

    def upto(self, n: float) -> Curve:
        """The part with sizes of at most n."""
        return Curve(self.n[self.n <= n], self.error[self.n <= n])

    def beyond(self, n: float) -> Curve:
        """The part with larger sizes."""
        return Curve(self.n[self.n > n], self.error[self.n > n])


@dataclass(frozen=True, eq=False)
class JointCurve:
    """Errors (cells,) at sizes n (cells,), 0 included, and s labels (cells,)."""

    n: Floats
    s: Floats
    error: Floats


def read_paper(path: Path) -> dict[Setting, Curve]:
    """Every curve of the paper on rendered images: the error of the last evaluation, 1 - value, at each n > 0.

    Raises ValueError, in one line, where the file has other columns or unreadable numbers.
    """
    final: dict[tuple[Setting, float], tuple[float, float]] = {}
    for number, row in _rows(path, _PAPER_COLUMNS):
        if row["pdata"] == "imagenet" or row["value"] in ("", "NA") or row["pretrain.data"] in ("", "NA", "0"):
            continue
        try:
            setting = Setting(
                row["pscale"], row["ptask"], row["pdata"], row["model"], float(row["nparam"]),
                row["ftask"], row["fdata"], int(row["fratio"]),
            )  # fmt: skip
            n, step, error = float(row["pretrain.data"]), float(row["n_eval"]), 1 - float(row["value"])
        except ValueError as wrong:
            raise ValueError(f"{path}, line {number}: {wrong}; give the paper's published file") from None
        if n > 0 and step >= final.get((setting, n), (-1.0, 0.0))[0]:
            final[setting, n] = (step, error)
    curves: dict[Setting, dict[float, float]] = {}
    for (setting, n), (_, error) in final.items():
        curves.setdefault(setting, {})[n] = error
    return {setting: _curve(points) for setting, points in sorted(curves.items(), key=lambda item: item[0].name)}


def read_few_shot(path: Path) -> dict[str, tuple[Curve, Curve]]:
    """The vision few-shot curves: the part to fit (`Training` 1) and the part to score (0), by task and model."""
    parts: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
    for number, row in _rows(path, ("Domain", "Task", "Model", "Seen Examples", "Loss", "Training")):
        if row["Domain"] != "IC":
            continue
        try:
            n, error, fit = float(row["Seen Examples"]), float(row["Loss"]), float(row["Training"]) == 1
        except ValueError as wrong:
            raise ValueError(f"{path}, line {number}: {wrong}; give the published file") from None
        parts.setdefault(f"{row['Task']} {row['Model']}", ({}, {}))[0 if fit else 1][n] = error
    return {name: (_curve(fit), _curve(score)) for name, (fit, score) in sorted(parts.items())}


def _curve(points: dict[float, float]) -> Curve:
    n = np.array(sorted(points))
    return Curve(n, np.array([points[each] for each in n]))


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"{path} has no column {', '.join(missing)}; give the published file")
            for number, row in enumerate(reader, start=2):
                if None in row.values():
                    raise ValueError(f"{path}, line {number}: it has too few cells; give the published file")
                yield number, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read ({error}); give the published file") from None


def read_paper_grid(path: Path, pretrain_task: str = "mulclass", backbone: str = "r50") -> JointCurve:
    """Errors over n, 0 included, and the share of ImageNet that was fine-tuned on, of one pre-training task: sinclass,
    the 64k collection and its own rendering setting. ValueError as in `read_paper`.
    """
    final: dict[tuple[float, float], tuple[float, float]] = {}
    for number, row in _rows(path, _PAPER_COLUMNS):
        if (row["pscale"], row["pdata"], row["ftask"], row["fdata"], row["model"], row["ptask"]) != (
            *("64k", "bop", "sinclass", "imagenet"),
            *(backbone, pretrain_task),
        ) or row["value"] in ("", "NA"):
            continue
        try:
            n, share, step = float(row["pretrain.data"]), float(row["fratio"]) / 100, float(row["n_eval"])
            error = 1 - float(row["value"])
        except ValueError as wrong:
            raise ValueError(f"{path}, line {number}: {wrong}; give the paper's published file") from None
        if step >= final.get((n, share), (-1.0, 0.0))[0]:
            final[n, share] = (step, error)
    cells = sorted(final)
    sizes, shares = (np.array([cell[i] for cell in cells]) for i in (0, 1))
    return JointCurve(sizes, np.round(shares * IMAGENET), np.array([final[cell][1] for cell in cells]))
