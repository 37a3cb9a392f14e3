from __future__ import annotations

import numpy as np
import pytest

from analysis import Prior, fit_law, fit_laws
from analysis.evidence.policy_questions import RUNGS, draw_law
from analysis.laws import Floats, law_error
from analysis.policy.runs import Run
from analysis.replay.pools import simulated_pool
from tests.analysis.evidence.truths import observe

LADDER: Floats = 1000 * 2.0 ** np.arange(7, dtype=np.float64)


def test_small_sizes_that_the_law_does_not_describe_yet_hardly_move_the_prediction() -> None:
    """Given a curve that starts too low and only later follows the law, when fitted, the far end is right."""
    n = np.geomspace(1e3, 1e5, 40)
    early = 0.3 * np.exp(-n / 1e4)
    noise = 0.003 * np.random.default_rng(0).standard_normal(n.size)
    error = law_error(n, 0.4, 0.1, 12.0) * np.exp(noise - early)
    truth = float(law_error(4e5, 0.4, 0.1, 12.0))
    protected = fit_law(n, error).predict(4e5)
    naive = fit_law(n, error, prior=Prior(discrepancies=())).predict(4e5)
    assert abs(np.log(protected / truth)) < 0.5 * abs(np.log(naive / truth))


def test_a_discrepancy_that_is_not_there_costs_precise_runs_little() -> None:
    """Given runs that follow the law to 0.1 %, when fitted, the ridge is found, however broad the discrepancy's."""
    truth = observe(0.8, 0.05, 0.475 * 1000**0.8, 0.001, LADDER, seed=1)
    told = fit_law(truth.n, truth.error, prior=Prior(discrepancies=()))
    shipped = fit_law(truth.n, truth.error)
    assert shipped.alpha.sd < 1.5 * told.alpha.sd
    assert shipped.C.sd == pytest.approx(told.C.sd, rel=0.2)
    assert shipped.C.mean == pytest.approx(told.C.mean, rel=0.01)


def test_arms_of_one_group_lend_each_other_their_d() -> None:
    """Given seven arms with the same D and one that has three runs, when pooled, its D is known better."""
    D = 0.5
    arms = {f"arm {i}": observe(0.2 + 0.05 * i, 0.3 + 0.05 * i, D, 0.002, LADDER, seed=i) for i in range(7)}
    short = observe(0.35, 0.4, D, 0.002, LADDER[:3], seed=50)
    data = {name: (truth.n, truth.error) for name, truth in arms.items()} | {"short": (short.n, short.error)}
    together = fit_laws(data)["short"]
    apart = fit_laws(data, groups={name: name for name in data})["short"]
    spread = [float(np.log(fit.samples.D[fit.samples.D > 0]).std()) for fit in (together, apart)]
    assert spread[0] < 0.7 * spread[1]
    low, high = together.D.interval(0.95)
    assert low < D < high
    assert abs(together.predict(64_000.0) - short.at(64_000)) < abs(apart.predict(64_000.0) - short.at(64_000))


def test_an_arm_unlike_its_group_is_let_go() -> None:
    """Given an arm whose many quiet runs show another D, when pooled, it keeps its own."""
    arms = {f"arm {i}": observe(0.3 + 0.03 * i, 0.4, 0.5, 0.002, LADDER, seed=i) for i in range(6)}
    odd = observe(0.6, 0.2, 20.0, 0.002, np.repeat(LADDER, 2), seed=9)
    data = {name: (truth.n, truth.error) for name, truth in arms.items()} | {"odd": (odd.n, odd.error)}
    low, high = fit_laws(data)["odd"].D.interval(0.95)
    assert low < 20 < high
    assert low > 5


def test_two_arms_do_not_pool_d() -> None:
    """Two arms say nothing of how far arms scatter: they share only the noise."""
    arms = {f"arm {i}": observe(0.3, 0.3, 0.5, 0.01, LADDER[:4], seed=i) for i in range(2)}
    data = {name: (truth.n, truth.error) for name, truth in arms.items()}
    together = fit_laws(data)
    apart = fit_laws(data, groups={name: name for name in data})
    for name in data:
        np.testing.assert_array_equal(together[name].samples.D, apart[name].samples.D)


def test_draws_of_two_arms_do_not_rise_together() -> None:
    """Given two arms with the same runs, when compared draw by draw, either is as often the better one."""
    truth = observe(0.4, 0.2, 1.0, 0.02, LADDER, seed=4)
    fits = fit_laws({"one": (truth.n, truth.error), "two": (truth.n, truth.error)})
    one, two = fits["one"].samples.C, fits["two"].samples.C
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.1
    assert np.mean(one < two) == pytest.approx(0.5, abs=0.05)


def test_an_arm_at_a_single_size_is_read_by_the_slopes_of_its_group() -> None:
    """Given one run of an arm, when two others of its group have slopes, its far end is predicted as theirs fall."""
    D, far = 0.5, 64_000.0
    teachers = {f"arm {i}": observe(0.35, 0.3 + 0.05 * i, D, 0.002, LADDER[:5], seed=i) for i in range(2)}
    alone = observe(0.35, 0.5, D, 0.002, LADDER[3:4], seed=7)
    data = {name: (truth.n, truth.error) for name, truth in teachers.items()} | {"alone": (alone.n, alone.error)}
    together = fit_laws(data)
    apart = fit_laws(data, groups={name: name for name in data})
    told, untold = together["alone"].samples.error(far), apart["alone"].samples.error(far)
    assert told.std() < 0.25 * untold.std()
    assert abs(told.mean() - alone.at(far)) < 0.25 * abs(untold.mean() - alone.at(far))
    low, high = together["alone"].band(far, 0.95)
    assert low < alone.at(far) < high
    for name in teachers:
        np.testing.assert_array_equal(together[name].samples.D, apart[name].samples.D)


@pytest.mark.timeout(60)
def test_a_ridge_narrower_than_the_first_looks_is_still_found() -> None:
    """Given 31 runs of a quiet law, most of them repeats of a few sizes, when fitted, the search comes to an end."""
    law = draw_law(104)
    pool = simulated_pool(law, RUNGS, 1002)
    times = dict(zip(RUNGS, (7, 2, 3, 9, 1, 2, 7), strict=True))
    runs = [Run("simulated", n, seed) for n, count in times.items() for seed in range(count)]
    fit = fit_law([run.n for run in runs], [pool.error(run) for run in runs])
    assert fit.alpha.mean == pytest.approx(law.alpha, abs=4 * fit.alpha.sd)
    assert fit.C.mean == pytest.approx(law.C, abs=4 * fit.C.sd)
