"""Proposition 3: the network beside the recursion in function space, on the same samples, as it grows wide."""

from dataclasses import dataclass

import numpy as np

from analysis.laws import Floats
from analysis.theory import function_space
from analysis.theory.finetuning import FineTuning
from analysis.theory.network import squared_error, start, train
from analysis.theory.pretraining import expected_errors, largest_rate
from analysis.theory.targets import draw, fresh, on_grid


@dataclass(frozen=True, eq=False)
class Distance:
    """Mean square of network - function after pre-training and after fine-tuning, and the function's own errors.

    All of shape (seeds,).
    """

    width: int
    pretrained: Floats
    finetuned: Floats
    pretrained_error: Floats
    finetuned_error: Floats


def distance(of: FineTuning, T0: int, T1: int, width: int, seeds: int) -> Distance:
    """Train networks and functions on the same samples of the same targets.

    Targets and samples are the same at every width, the starts of the networks are not; another activation has others.
    """
    seed = list(of.pretraining.target.name.encode())
    rng = np.random.default_rng(seed)
    basis, learner, sizes = of.pretraining.basis, of.pretraining.learner, np.array([T1], float)
    phi0 = draw(of.pretraining.phi0_power, basis, rng, seeds)
    phi = phi0 + draw(of.phi1_power(), basis, rng, seeds)
    first = fresh(on_grid(phi0, basis), T0, rng)
    second = fresh(on_grid(phi, basis), T1, rng)
    steps = np.array([T0], float)
    before = (largest_rate(learner), float(of.pretraining.penalty(steps)[0]))
    R0 = expected_errors(of.pretraining, steps)
    after = (float(of.rate(sizes)[0]), float(of.penalties(sizes, R0)[0, 0]))

    network = start(of.pretraining.target, width, seeds, np.random.default_rng([width, *seed]))
    network, _ = train(network, first, *before)
    tuned, _ = train(network, second, *after)
    function, _ = function_space.train(learner, np.zeros_like(phi0), first, *before)
    function_tuned, _ = function_space.train(learner, function, second, *after)
    return Distance(
        width,
        squared_error(network, on_grid(function, basis)),
        squared_error(tuned, on_grid(function_tuned, basis)),
        np.abs(function - phi0) ** 2 @ basis.weight,
        np.abs(function_tuned - phi) ** 2 @ basis.weight,
    )
