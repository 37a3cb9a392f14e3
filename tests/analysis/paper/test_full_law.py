from __future__ import annotations

import numpy as np
import pytest

from analysis.laws import Floats, full_law_error, law_error
from analysis.paper.full_law import appendix_D, fit_full_law

N, S = (each.ravel() for each in np.meshgrid(1000 * 2.0 ** np.arange(7), 12_800 * 2.0 ** np.arange(6)))


def _measured(sigma: float, E: float = 0.0) -> Floats:
    noise = np.random.default_rng(0).standard_normal(N.size)
    return full_law_error(N, S, 0.4, 0.3, 0.3, 8.0, E) * np.exp(sigma * noise)


@pytest.mark.parametrize("space", ["linear", "log"])
def test_full_law_is_recovered_within_its_standard_errors(space: str) -> None:
    law = fit_full_law(N, S, _measured(0.002), space=space)  # type: ignore[arg-type]
    found = np.array([law.alpha, law.beta, law.gamma, law.delta])
    assert (np.abs(found - [0.4, 0.3, 0.3, 8.0]) < 4 * np.array(law.sd[:4])).all()
    assert law.sd[0] < 0.1


def test_irreducible_error_is_found_where_there_is_one() -> None:
    law = fit_full_law(N, S, _measured(0.0005, E=0.1), irreducible=True)
    assert pytest.approx(0.1, abs=0.03) == law.E
    assert fit_full_law(N, S, _measured(0.0005, E=0.1)).rmse > 2 * law.rmse


def test_full_law_needs_more_than_one_number_of_real_images() -> None:
    with pytest.raises(ValueError, match="at least 3 n and 2 s"):
        fit_full_law(N[:7], S[:7], _measured(0.002)[:7])


def test_appendix_d_stays_at_the_d_that_all_settings_share() -> None:
    n = 1000 * 2.0 ** np.arange(7, dtype=np.float64)
    curves = [(n, law_error(n, alpha, C, 0.48)) for alpha, C in ((0.3, 0.5), (0.4, 0.3), (0.5, 0.8))]
    found, steps = appendix_D(curves, start=0.48)
    assert found == pytest.approx(0.48, abs=0.002)
    assert len(steps) == 2


def test_appendix_d_begins_with_the_median_of_the_settings_own_d() -> None:
    """Given three settings with other D and one whose alpha is on its bound, the median is that of the three."""
    n = 1000 * 2.0 ** np.arange(7, dtype=np.float64)
    curves = [(n, law_error(n, 0.4, 0.5, D)) for D in (0.4, 0.5, 0.6)] + [(n, np.linspace(0.4, 0.5, 7))]
    assert appendix_D(curves)[1][0] == pytest.approx(0.5, abs=0.002)
