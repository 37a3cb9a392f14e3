"""The paper's tables from its own published measurements, beside what it prints and beside our posterior.

Printed values are given where they are known here: the full law of appendix C.2 and the D of appendix D. The paper's
text and its published code disagree: the text fits in log-log space, the code in linear space with D = 0.48,
0.1 <= alpha <= 1.5, 0 <= C <= 1. The code is followed, and law (2) is shown in both spaces. As in the code, only
fine-tuning fraction 1 % of the 64k collection enters the fits of law (1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.estimator.fit import fit_law, fit_laws
from analysis.estimator.law_fit import LawFit
from analysis.estimator.least_squares import Space
from analysis.laws import Floats
from analysis.paper.full_law import appendix_D, fit_full_law, full_law_draws
from analysis.paper.other_estimators import OTHER_ESTIMATORS
from analysis.paper.recorded import Curve, Setting

PAPER_D = 0.48
PRINTED_FULL_LAW = {"alpha": 0.544, "beta": 0.322, "gamma": 0.478, "delta": 41.8}
_IMAGENET = 1_281_167
_FULL_LAW_FRACTIONS = (2, 4, 7, 10, 16, 32, 64)

Cell = str | float | int | None


@dataclass(frozen=True)
class Table:
    """A table of the reproduction; `note`: what it compares with and how, in words."""

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, eq=False)
class Fits:
    """The paper's curves (64k, 1 %) with the fits by its own estimator and by ours."""

    curves: Mapping[Setting, Curve]
    nls: Mapping[Setting, LawFit]
    posterior: Mapping[Setting, LawFit]

    def all_random_r50(self) -> list[Setting]:
        """The settings of figure 1: ResNet-50, all random (bop)."""
        return [s for s in self.curves if (s.backbone, s.rendering) == ("r50", "bop")]

    def by_model_size(self) -> Iterator[tuple[str, list[Setting]]]:
        """Every pair of tasks with its all-random settings, the smallest model first; three backbones or more."""
        for task in sorted({(s.pretrain_task, s.finetune_task) for s in self.curves}):
            own = [s for s in self.curves if (s.pretrain_task, s.finetune_task) == task and s.rendering == "bop"]
            if len(own) >= 3:
                yield " > ".join(task), sorted(own, key=lambda s: s.million_parameters)


def fit_paper(paper: Mapping[Setting, Curve]) -> Fits:
    """Fit law (1) to every 64k curve at fraction 1 %; raises ValueError where there is none."""
    curves = {s: c for s, c in paper.items() if (s.collection, s.fraction) == ("64k", 1)}
    if not curves:
        raise ValueError(
            "the file has no curve of the 64k collection at fine-tuning fraction 1; give the published file"
        )
    nls = {s: fit_law(c.n, c.error, method="nls", D=PAPER_D) for s, c in curves.items()}
    return Fits(curves, nls, _posterior(curves))


def _posterior(curves: Mapping[Setting, Curve]) -> dict[Setting, LawFit]:
    pooled = fit_laws({s.name: (c.n, c.error) for s, c in curves.items()}, groups={s.name: s.group for s in curves})
    return {s: pooled[s.name] for s in curves}


def all_tables(paper: Mapping[Setting, Curve], fits: Fits) -> list[Table]:
    """Every table, in the order of the paper's figures and appendices."""
    return [
        _law_table(
            "figure_1",
            "Figures 1 and 8: alpha and C of every pair",
            "ResNet-50, all random (bop), fraction 1 %. Least squares in linear space, D = 0.48, as in the published"
            " code; the paper prints these as curves, so no printed number stands beside them.",
            fits,
            fits.all_random_r50(),
        ),
        _model_size(fits),
        _rmse(paper),
        _law_table(
            "figure_6",
            "Figure 6: the eight rendering settings",
            "objdet to objdet, ResNet-50. Least squares with D = 0.48 beside the posterior, which pools the settings.",
            fits,
            [s for s in fits.curves if s.rendering.startswith("bop-lv")],
        ),
        _full_law(paper),
        _linearised(fits),
        _one_D(fits),
    ]


def _model_size(fits: Fits) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for task, own in fits.by_model_size():
        size = np.array([s.million_parameters for s in own])
        for method, found in (("nls D = 0.48", fits.nls), ("posterior", fits.posterior)):
            gaps = np.array([found[s].C.mean for s in own])
            slope, level = np.polyfit(np.log(size), np.log(np.maximum(gaps, 1e-6)), 1)
            shown = " ".join(f"{s.backbone}:{gap:.4f}" for s, gap in zip(own, gaps, strict=True))
            rows.append((task, method, shown, float(-slope), float(np.exp(level))))
    return Table(
        "figure_4",
        "Figure 4: C against the number of parameters",
        "C = C1 P^-kappa, P in millions, a straight line in log-log coordinates over the backbones.",
        ("pair", "method", "C by backbone", "kappa", "C1"),
        tuple(rows),
    )


def _rmse(paper: Mapping[Setting, Curve]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for label, seen, later in _foretold(paper):
        if not seen:
            continue
        own = [[_rms(fit.predict(later[s].n), later[s].error) for s, fit in _posterior(seen).items()]]
        own += [
            [_rms(predict(c, later[s].n), later[s].error) for s, c in seen.items()]
            for predict in OTHER_ESTIMATORS.values()
        ]
        rows.append((label, f"mean of {len(seen)}", *(float(np.mean(each)) for each in own)))
        rows += [(label, s.name, *each) for s, each in zip(seen, zip(*own, strict=True), strict=True)]
    return Table(
        "figure_5",
        "Figure 5: RMSE of what was predicted for larger n",
        "Within a collection: fit the smaller sizes, predict its larger ones. Across, as the paper did: fit the 64k"
        " collection, predict the larger sizes of the 1280k collection, from which it differs by an offset. What the"
        " paper prints for figure 5 was not at hand when this was written, so no printed number stands beside these.",
        ("fitted and predicted", "setting", "posterior", *OTHER_ESTIMATORS),
        tuple(rows),
    )


def _foretold(
    paper: Mapping[Setting, Curve],
) -> Iterator[tuple[str, dict[Setting, Curve], dict[Setting, Curve]]]:
    """What is fitted and what is predicted, by setting."""
    for collection, to in (("64k", 16_000), ("1280k", 160_000)):
        own = {s: c for s, c in paper.items() if s.collection == collection and c.upto(to).n.size > 2}
        label = f"{collection}: n <= {to} to larger"
        yield label, {s: c.upto(to) for s, c in own.items()}, {s: c.beyond(to) for s, c in own.items()}
    small = {s: c for s, c in paper.items() if s.collection == "64k"}
    large = {replace(s, collection="64k"): c.beyond(64_000) for s, c in paper.items() if s.collection == "1280k"}
    both = {s: c for s, c in small.items() if s in large and large[s].n.size}
    yield "64k to 1280k collection", both, {s: large[s] for s in both}


def _full_law(paper: Mapping[Setting, Curve]) -> Table:
    own = {
        s: c
        for s, c in paper.items()
        if (s.collection, s.pretrain_task, s.finetune_task, s.backbone, s.rendering)
        == ("64k", "mulclass", "sinclass", "r50", "bop")
    }
    spaces: tuple[Space, ...] = ("linear", "log")
    rows: list[tuple[Cell, ...]] = []
    for fractions in (_FULL_LAW_FRACTIONS, (1, *_FULL_LAW_FRACTIONS, 100)):
        kept = {s: c for s, c in own.items() if s.fraction in fractions}
        n = np.concatenate([c.n for c in kept.values()] or [np.zeros(0)])
        s = np.concatenate([np.full(c.n.size, _IMAGENET * k.fraction / 100) for k, c in kept.items()] or [np.zeros(0)])
        error = np.concatenate([c.error for c in kept.values()] or [np.zeros(0)])
        for space in spaces:
            for irreducible in (False, True):
                law = fit_full_law(n, s, error, space=space, irreducible=irreducible)
                label = f"{fractions[0]} to {fractions[-1]} %, {space} space" + ", with E" * irreducible
                for name, sd in zip(("alpha", "beta", "gamma", "delta", "E"), law.sd, strict=True):
                    value, printed = float(getattr(law, name)), PRINTED_FULL_LAW.get(name)
                    rows.append((label, name, value, sd, printed, None if printed is None else value - printed))
        rows += _full_law_by_posterior(f"{fractions[0]} to {fractions[-1]} %", kept)
    return Table(
        "appendix_C2",
        "Appendix C.2: the full law",
        "mulclass to ImageNet classification, ResNet-50; s in images. The printed values come near in linear space on"
        " fractions 2 to 64 %, although the text says log-log; gamma and delta are hardly determined. Our posterior is"
        " law (1)'s at each fraction by itself: beta from how C falls with s, alpha and gamma their weighted means.",
        ("fit", "value", "estimate", "standard error", "printed", "difference"),
        tuple(rows),
    )


def _full_law_by_posterior(label: str, curves: Mapping[Setting, Curve]) -> Iterator[tuple[Cell, ...]]:
    if len(curves) < 2:
        return
    drawn = full_law_draws({_IMAGENET * s.fraction / 100: fit.samples for s, fit in _posterior(curves).items()})
    for name, values in drawn.items():
        value, printed = float(np.median(values)), PRINTED_FULL_LAW[name]
        yield f"{label}, posterior", name, value, float(values.std()), printed, value - printed


def _linearised(fits: Fits) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for setting, fit in fits.nls.items():
        above = fit.error - fit.C.mean
        used = above > 0
        r = float("nan")
        if used.sum() > 2:
            r = float(np.corrcoef(np.log(fit.n[used]), np.log(above[used]))[0, 1])
        ours = fits.posterior[setting]
        known = (fit.alpha.mean, fit.C.mean, int(used.sum()), int((~used).sum()), r, ours.alpha.mean, ours.C.mean)
        rows.append((setting.name, *known))
    return Table(
        "appendix_C3",
        "Appendix C.3: linearised curves, log(error - C) against log n",
        "A straight line has correlation -1. Points below the fitted C have no logarithm: they are counted apart.",
        (
            "setting",
            "alpha",
            "C",
            "points on the line",
            "points below C",
            "correlation",
            "alpha (posterior)",
            "C (posterior)",
        ),
        tuple(rows),
    )


def _one_D(fits: Fits) -> Table:  # noqa: N802
    curves = fits.curves
    random = [(c.n, c.error) for s, c in curves.items() if s.rendering == "bop"]
    asked: list[tuple[str, list[tuple[Floats, Floats]], float | None]] = [
        ("all random, every backbone", random, None),
        ("all random, ResNet-50", [(curves[s].n, curves[s].error) for s in fits.all_random_r50()], None),
        ("every setting", [(c.n, c.error) for c in curves.values()], None),
        *(("all random, every backbone", random, start) for start in (0.3, 1.0, 3.0)),
    ]
    rows: list[tuple[Cell, ...]] = []
    for label, chosen, start in asked:
        begin = "each its own D" if start is None else f"D = {start:g}"
        try:
            found, steps = appendix_D(chosen, start)
        except ValueError:
            rows.append((label, len(chosen), begin, None, None, None, PAPER_D, None))
            continue
        rows.append((label, len(chosen), begin, steps[0], found, len(steps) - 1, PAPER_D, found - PAPER_D))
    for label, own in (
        ("all random, every backbone", [f for s, f in fits.posterior.items() if s.rendering == "bop"]),
        ("every setting", list(fits.posterior.values())),
    ):
        middle = float(np.median([fit.D.median for fit in own]))
        rows.append((label, len(own), "our posterior, median", None, middle, None, PAPER_D, middle - PAPER_D))
    return Table(
        "appendix_D",
        "Appendix D: one D for all settings",
        "Begun with every setting's own D (alpha, C and D fitted together), the median over the all-random settings"
        " whose alpha is off its bounds is the printed 0.48, and the next median lies less than 0.001 from it, where"
        " the procedure ends. Which settings and which beginning the paper took is not published: the other rows show"
        " what else they give. From another D the medians hardly move, since alpha follows D: the data leave D open.",
        ("settings", "curves", "begun with", "first D", "D", "steps", "printed", "difference"),
        tuple(rows),
    )


def _law_table(name: str, title: str, note: str, fits: Fits, chosen: list[Setting]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for setting in chosen:
        paper, ours = fits.nls[setting], fits.posterior[setting]
        rows.append(
            (setting.name, paper.alpha.mean, paper.alpha.sd, paper.C.mean, paper.C.sd,
             ours.alpha.mean, ours.alpha.sd, ours.C.mean, ours.C.sd, ours.reason)
        )  # fmt: skip
    columns = (
        "setting",
        "alpha (D = 0.48)",
        "se of alpha",
        "C (D = 0.48)",
        "se of C",
        "alpha (posterior)",
        "sd of alpha",
        "C (posterior)",
        "sd of C",
        "posterior says",
    )
    return Table(name, title, note, columns, tuple(rows))


def _rms(predicted: Floats, error: Floats) -> float:
    return float(np.sqrt(np.mean((predicted - error) ** 2)))
