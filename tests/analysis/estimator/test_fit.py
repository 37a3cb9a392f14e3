from __future__ import annotations

import csv
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from analysis import Estimate, LawFit, fit_law, fit_laws
from analysis.estimator.least_squares import solve_linear
from analysis.laws import Floats
from analysis.verdict.verdict import verdict
from tests.analysis.evidence.truths import draw_truths, observe

LADDER: Floats = 200 * 2.0 ** np.arange(6, dtype=np.float64)


def _holds(value: Estimate, truth: float, level: float = 0.95) -> bool:
    low, high = value.interval(level)
    return low <= truth <= high


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Over 200 laws drawn from the prior, 95 % intervals must cover near 95 %; 88 and 99 are 3 sd either way."""
    inside = defaultdict(list)
    for seed, truth in enumerate(draw_truths(200, seed=11)):
        fit = fit_law(truth.n, truth.error, seed=seed)
        inside["alpha"].append(_holds(fit.alpha, truth.alpha))
        inside["C"].append(_holds(fit.C, truth.C))
        inside["sigma"].append(_holds(fit.sigma, truth.sigma))
        far = 10 * truth.n.max()
        low, high = fit.band(far, 0.95)
        inside["10x"].append(bool(low <= truth.at(far) <= high))
    covered = {name: float(np.mean(hits)) for name, hits in inside.items()}
    assert all(0.88 <= share <= 0.99 for share in covered.values()), covered


def test_intervals_are_the_shortest_that_hold_their_share() -> None:
    """Given draws that are densest at 0, the interval begins there; equal tails would leave 0 out."""
    draws = -np.log(1 - (np.arange(4000) + 0.5) / 4000)
    low, high = Estimate(1.0, 1.0, draws).interval(0.95)
    assert low == pytest.approx(0, abs=0.001)
    assert high == pytest.approx(-np.log(0.05), rel=0.01)


def test_quiet_runs_give_back_the_law() -> None:
    truth = observe(0.5, 0.15, 2.0, 0.001, np.repeat(LADDER, 2), seed=1)
    fit = fit_law(truth.n, truth.error)
    assert fit.identified
    assert fit.alpha.mean == pytest.approx(0.5, abs=0.02)
    assert fit.C.mean == pytest.approx(0.15, abs=0.005)
    assert fit.predict(64_000.0) == pytest.approx(truth.at(64_000.0), rel=0.01)


def test_same_seed_same_fit_and_another_seed_nearly_the_same() -> None:
    truth = observe(0.4, 0.2, 1.0, 0.02, LADDER, seed=2)
    first, again, other = (fit_law(truth.n, truth.error, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.samples.alpha, again.samples.alpha)
    assert other.alpha.mean == pytest.approx(first.alpha.mean, abs=0.05 * first.alpha.sd)
    assert other.samples.alpha[0] != first.samples.alpha[0]


def test_a_nearly_flat_noisy_curve_is_called_not_identified_in_words() -> None:
    """The quickstart's numbers: 3 % gain over the whole ladder under 3 % run noise."""
    truth = observe(0.5, 0.235, 0.1, 0.03, np.repeat(LADDER, 2), seed=3)
    fit = fit_law(truth.n, truth.error)
    assert not fit.identified
    assert "do not determine" in fit.reason


def test_nothing_is_identified_before_the_runs_say_how_large_their_noise_is() -> None:
    """Given a quiet curve of six runs: alone it waits for a seventh; of two arms together each has the other's runs."""
    truth = observe(0.8, 0.3, 0.2 * 200**0.8, 0.001, LADDER[:6], seed=1)
    alone = fit_law(truth.n, truth.error)
    assert not alone.identified
    assert alone.reason.startswith("the runs do not say yet how large their noise is (3 residual degrees of freedom")

    pooled = fit_laws({"a": (truth.n, truth.error), "b": (truth.n, truth.error)})
    assert pooled["a"].residual_dof == 6
    assert pooled["a"].identified


def test_two_sizes_never_identify_the_law() -> None:
    fit = fit_law([200, 200, 400, 400], [0.3, 0.31, 0.25, 0.26])
    assert not fit.identified
    assert fit.reason == "only 2 distinct sizes: alpha and C need at least 3"


def test_known_variance_of_repeats_widens_nothing_twice() -> None:
    """Scatter that the fine-tuning repeats explain must not be counted as run noise again."""
    truth = observe(0.5, 0.15, 2.0, 0.03, np.repeat(LADDER, 2), seed=5)
    blind = fit_law(truth.n, truth.error)
    told = fit_law(truth.n, truth.error, log_variance=np.full(truth.n.size, 0.03**2))
    assert told.sigma.mean < 0.6 * blind.sigma.mean
    assert told.alpha.sd == pytest.approx(blind.alpha.sd, rel=0.35)


def test_arms_share_what_they_know_of_the_noise() -> None:
    quiet = {f"arm {i}": observe(0.4, 0.1 + 0.03 * i, 1.0, 0.005, LADDER, seed=20 + i) for i in range(5)}
    alone = fit_law(quiet["arm 0"].n[:3], quiet["arm 0"].error[:3])
    observed = {arm: (truth.n, truth.error) for arm, truth in quiet.items()}
    pooled = fit_laws(observed | {"arm 0": (quiet["arm 0"].n[:3], quiet["arm 0"].error[:3])})
    assert pooled["arm 0"].sigma.sd < alone.sigma.sd / 2
    assert _holds(pooled["arm 0"].sigma, 0.005, 0.99)
    # An arm's own scatter still counts: the others set the level, not the value.
    assert all(fit.sigma.mean < 0.01 for fit in pooled.values())


def test_band_of_a_new_run_is_wider_than_that_of_the_curve() -> None:
    truth = observe(0.4, 0.2, 1.0, 0.03, LADDER, seed=6)
    fit = fit_law(truth.n, truth.error)
    low, high = fit.band(LADDER, 0.9)
    new_low, new_high = fit.band(LADDER, 0.9, new_run=True)
    assert (new_low < low).all()
    assert (new_high > high).all()
    assert ((low < fit.predict(LADDER)) & (fit.predict(LADDER) < high)).all()


def test_the_drawn_curve_and_the_text_are_medians() -> None:
    """Given runs that leave the posterior skewed, the curve is at each n the median of the draws, and so are the text's
    values, which says it once."""
    truth = observe(0.4, 0.2, 1.0, 0.03, LADDER[::3], seed=6)
    fit = fit_law(truth.n, truth.error)
    at = np.array([500.0, 1e6])
    above = (fit.samples.error(at) > fit.median_curve(at)).mean(axis=0)
    np.testing.assert_allclose(above, 0.5, atol=1 / fit.samples.alpha.size)
    low, high = fit.alpha.interval(0.95)
    assert f"alpha {fit.alpha.median:.4g} ({low:.4g} to {high:.4g})" in str(fit)
    assert str(fit).count("medians and 95 % intervals") == 1
    assert "optima and 95 % intervals" in str(fit_law(LADDER, 0.2 + 2 * LADDER**-0.5, method="nls"))


def test_the_slope_is_the_priors_where_the_runs_say_little_of_alpha() -> None:
    """Given three errors that fall a little, the slope is the prior's; given a plateau, a clear fall, or least squares,
    it is not."""
    falling = [0.26, 0.25, 0.245]
    unsure = fit_law([200, 400, 800], falling, log_variance=[1e-4] * 3)
    assert unsure.slope_is_prior
    assert not unsure.identified
    assert not fit_law([200, 400, 800], falling, method="nls").slope_is_prior
    assert not fit_law([200, 400, 800] * 3, [0.25] * 9).slope_is_prior
    steep = observe(0.5, 0.1, 2.0, 0.005, LADDER, seed=1)
    assert not fit_law(steep.n, steep.error).slope_is_prior


@pytest.mark.parametrize("D", [None, 0.48])
def test_least_squares_finds_the_global_optimum(D: float | None) -> None:
    """Against brute force over alpha and C; the truth is far from the law with D = 0.48, where basins are several."""
    truth = observe(0.3, 0.25, 0.48, 0.01, 5 * LADDER, seed=7)
    fit = fit_law(truth.n, truth.error, method="nls", D=D)
    found = float(((truth.error - fit.predict(truth.n)) ** 2).sum())
    alphas, gaps = np.meshgrid(np.linspace(0.1, 1.5, 701), np.linspace(0, 1, 1001))
    decay = truth.n ** -alphas[..., None]
    rest = truth.error - gaps[..., None]
    scale = D if D is not None else np.maximum((rest * decay).sum(-1) / (decay**2).sum(-1), 0)[..., None]
    brute = ((rest - scale * decay) ** 2).sum(-1).min()
    assert found <= brute + 1e-12


@pytest.mark.parametrize("D", [None, 0.48])
def test_least_squares_between_logs_finds_the_global_optimum(D: float | None) -> None:
    """Against brute force over alpha, C and (where it is free) D, in log space as the paper's text has it."""
    truth = observe(0.3, 0.25, 0.48, 0.01, 5 * LADDER, seed=7)
    fit = fit_law(truth.n, truth.error, method="nls", D=D, space="log")
    found = float(((np.log(truth.error) - np.log(fit.predict(truth.n))) ** 2).sum())
    alphas, gaps = np.meshgrid(np.linspace(0.1, 1.5, 141), np.linspace(0, 0.5, 251))
    scales = [D] if D is not None else np.geomspace(0.05, 20, 120)
    brute = np.inf
    for scale in scales:
        law = scale * truth.n ** -alphas[..., None] + gaps[..., None]
        brute = min(brute, float(((np.log(truth.error) - np.log(law)) ** 2).sum(-1).min()))
    assert found <= brute + 1e-12
    linear = fit_law(truth.n, truth.error, method="nls", D=D)
    assert linear.C.mean != fit.C.mean


def test_a_space_is_for_least_squares_only() -> None:
    with pytest.raises(ValueError, match="only be chosen with method='nls'"):
        fit_law(LADDER, 0.2 + LADDER**-0.5, space="log")


def test_runs_noisier_than_the_prior_knows_are_never_called_identified() -> None:
    """Given fourteen runs that scatter by 40 %, when fitted, neither a law nor a verdict is stated from them."""
    for seed in range(8):
        truth = observe(0.44, 0.05, 0.475 * 1000**0.44, 0.4, np.repeat(1000 * 2.0 ** np.arange(7), 2), seed=seed)
        fit = fit_law(truth.n, np.minimum(truth.error, 1.0))
        assert not fit.identified
        assert "scatter by more than 15%" in fit.reason
        assert verdict(fit, min_gain=0.01).label == "not identified yet"


def test_a_curve_that_no_alpha_in_range_describes_says_so() -> None:
    """Given errors that fall by 60 % a doubling to nothing, when fitted, alpha's end of the range is the reason."""
    n = 1000 * 2.0 ** np.arange(7)
    fit = fit_law(n, 0.9 * (n / 1000) ** -4.0 + 1e-6)
    assert not fit.identified
    assert "end of its range" in fit.reason


def test_least_squares_recovers_alpha_and_c_within_its_standard_errors() -> None:
    truth = observe(0.5, 0.2, 1.5, 0.004, np.repeat(LADDER, 3), seed=8)
    fit = fit_law(truth.n, truth.error, method="nls")
    assert fit.identified
    assert abs(fit.alpha.mean - 0.5) < 3 * fit.alpha.sd < 0.1
    assert abs(fit.C.mean - 0.2) < 3 * fit.C.sd < 0.05


def test_least_squares_says_when_it_ran_into_a_bound() -> None:
    fit = fit_law(LADDER, [0.9, 0.3, 0.3, 0.3, 0.3, 0.3], method="nls")
    assert not fit.identified
    assert "alpha ran into a bound" in fit.reason
    assert np.isnan(fit.alpha.sd)


def test_linear_solution_respects_the_bounds_of_c_and_d() -> None:
    C, D, _ = solve_linear(np.linspace(0.1, 1.5, 50), LADDER, np.linspace(0.2, 0.5, 6), None)
    assert (D >= 0).all()
    assert ((C >= 0) & (C <= 1)).all()


@pytest.mark.parametrize(
    ("n", "error", "line"),
    [
        ([200, 0], [0.3, 0.2], "n = 0 (no pre-training) is the reference point; leave it outside the fit"),
        ([200, -5], [0.3, 0.2], "n holds -5 (entry 2); sizes must be above 0 and finite"),
        ([200, 400], [0.3, 1.2], "error holds 1.2 (entry 2); errors must lie in (0, 1]"),
        ([200, 400], [0.0, 0.2], "error holds 0 (entry 1); errors must lie in (0, 1]"),
        ([200, 400], [0.3, float("nan")], "error holds nan (entry 2); errors must lie in (0, 1]"),
        ([200, 1e300], [0.3, 0.2], "n holds 1e+300 (entry 2); sizes must lie between 1e-06 and 1e+15"),
        ([200, 400], [0.3, 1e-300], "error holds 1e-300 (entry 2); no test set tells errors below 1e-12 from 0"),
        ([200, 400], [0.3], "lengths differ (2 n, 1 error); give one entry a run"),
        ([], [], "no runs to fit; give at least one"),
        ([200, "many"], [0.3, 0.2], "n holds something that is no number; give numbers"),
    ],
)
def test_bad_observations_are_refused_in_one_line(n: list[float], error: list[float], line: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole line is compared below
        fit_law(n, error)
    assert str(refused.value) == line


def test_a_bad_arm_is_named() -> None:
    with pytest.raises(ValueError, match="arm 'b': error holds 2"):
        fit_laws({"a": ([200], [0.2]), "b": ([200], [2.0])})


def test_fixing_d_belongs_to_least_squares() -> None:
    with pytest.raises(ValueError, match="D can only be fixed with method='nls'"):
        fit_law([200, 400, 800], [0.3, 0.2, 0.1], D=0.48)


@pytest.mark.data
def test_recorded_curves_are_predicted_four_times_beyond_what_was_fitted() -> None:
    """The paper's nine rendering settings (objdet to objdet, 64k collection): fit n <= 16k, look at 64k."""
    root = os.environ.get("SWEEPER_DATA_ROOT")
    if not root:
        pytest.skip("SWEEPER_DATA_ROOT is not set: the recorded curves are not at hand")
    curves = _recorded(Path(root) / "curves" / "cg_transfer_finetune.csv")
    assert len(curves) >= 8
    for setting, curve in curves.items():
        small = [n for n in sorted(curve) if n <= 16_000]
        fit: LawFit = fit_law(small, [curve[n] for n in small])
        low, high = fit.band(64_000, 0.99, new_run=True)
        assert low <= curve[64_000] <= high, setting
        assert fit.predict(64_000) == pytest.approx(curve[64_000], abs=0.01), setting


def _recorded(path: Path) -> dict[str, dict[int, float]]:
    """Final error by setting and n, for the ResNet-50 objdet curves of the 64k collection."""
    final: dict[tuple[str, int], tuple[float, float]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            wanted = {"ptask": "objdet", "ftask": "objdet", "pscale": "64k", "model": "r50", "fratio": "1"}
            if all(row[key] == value for key, value in wanted.items()) and float(row["pretrain.data"]) > 0:
                key = (row["pdata"], int(float(row["pretrain.data"])))
                final[key] = max(final.get(key, (0.0, 0.0)), (float(row["n_eval"]), 1 - float(row["value"])))
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for (setting, n), (_, error) in final.items():
        curves[setting][n] = error
    return {setting: curve for setting, curve in curves.items() if 64_000 in curve}
