"""The estimators that the posterior is compared with. Each predicts the error at n from the curve seen."""

from collections.abc import Callable, Mapping

import numpy as np

from analysis.estimator.fit import fit_law
from analysis.laws import Floats
from analysis.paper.recorded import Curve

Predict = Callable[[Curve, Floats], Floats]


def paper(seen: Curve, n: Floats) -> Floats:
    """The paper's estimator: least squares in linear space with D = 0.48."""
    return fit_law(seen.n, seen.error, method="nls", D=0.48).predict(n)


def free_D(seen: Curve, n: Floats) -> Floats:  # noqa: N802 - D is the law's letter
    """Least squares in linear space with D free."""
    return fit_law(seen.n, seen.error, method="nls").predict(n)


def power_law(seen: Curve, n: Floats) -> Floats:
    """The pure power law, a straight line in log-log coordinates."""
    return np.exp(np.polyval(np.polyfit(np.log(seen.n), np.log(seen.error), 1), np.log(n)))


def last_value(seen: Curve, n: Floats) -> Floats:
    """The error at the largest n seen, at every n."""
    return np.full(np.shape(n), seen.error[seen.n.argmax()])


OTHER_ESTIMATORS: Mapping[str, Predict] = {
    "nls_D_0.48": paper,
    "nls_free_D": free_D,
    "power_law": power_law,
    "last_value": last_value,
}
